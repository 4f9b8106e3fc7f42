package command

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// findings runs doctor and returns what it says, by name.
func (s *shell) findings(code int, args ...string) map[string][]finding {
	s.t.Helper()
	all := make(map[string][]finding)
	for _, line := range s.do(code, append([]string{"doctor", "--json"}, args...)...).lines() {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		if (f.Verdict == isOK) != (f.Fix == "") {
			s.t.Errorf("a verdict and its fix: %+v", f)
		}
		all[f.Name] = append(all[f.Name], f)
	}
	return all
}

// has wants a finding of that name and verdict, with these words.
func (s *shell) has(all map[string][]finding, name, verdict, words string) {
	s.t.Helper()
	for _, f := range all[name] {
		if f.Verdict == verdict && strings.Contains(f.Text+" -> "+f.Fix, words) {
			return
		}
	}
	s.t.Errorf("no %s of %s with %q: %+v", verdict, name, words, all[name])
}

func TestDoctorFindsAGoodServerWell(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := &shell{t: t, where: []string{"--data", dir, "--listen", "127.0.0.1:0"}}
	all := s.findings(0)
	s.has(all, "store", isOK, "the first start makes it")
	s.has(all, "port", isOK, "is free")
	p := startServer(t, dir)
	all = s.findings(0)
	for _, name := range []string{"version", "settings", "secrets", "clock", "port", "public-url", "store"} {
		if len(all[name]) == 0 || all[name][0].Verdict != isOK {
			t.Errorf("%s: %+v", name, all[name])
		}
	}
	for _, name := range []string{"disk", "memory"} { // this machine's, whatever they are
		if len(all[name]) != 1 || all[name][0].Verdict == isFail {
			t.Errorf("%s: %+v", name, all[name])
		}
	}
	s.has(all, "port", isOK, "this server listens on "+strings.TrimPrefix(p.url, "http://"))
	s.has(all, "public-url", isOK, "on this machine alone")
	p.stop()
	all = s.findings(0)
	s.has(all, "store", isOK, "pictures: ready, 0 names")
	if r := s.do(0, "doctor"); !strings.Contains(r.out, "ok    store        pictures: ready") {
		t.Errorf("as text:\n%s", r.out)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	s := &shell{t: t}
	data := filepath.Join(dir, "data")
	config := filepath.Join(dir, "c.toml")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	with := func(args ...string) []string { return append([]string{"--data", data}, args...) }

	s.has(s.findings(1, with("--listen", ln.Addr().String())...), "port", isFail, "is taken by another program")
	s.has(s.findings(1, with("--listen", "192.0.2.1:80")...), "port", isFail, "address")
	s.has(s.findings(1, with("--public-url", "nonsense")...), "settings", isFail, "public-url")
	s.has(s.findings(1, with("--config", config)...), "settings", isFail, "c.toml")
	write(t, config, []byte("account = \"tintype\"\nlisten = \"127.0.0.1:0\"\n"))
	s.has(s.findings(0, with("--config", config)...), "secrets", isOK, "")
	write(t, config, []byte("token-secret = \"very\"\nlisten = \"127.0.0.1:0\"\n"))
	s.has(s.findings(1, with("--config", config)...), "secrets", isFail, "chmod 600 '"+config)
	os.Chmod(config, 0o600)
	s.has(s.findings(0, with("--config", config)...), "secrets", isOK, "")
	t.Setenv("TINTYPE_PUBLIC_ULR", "http://h")
	s.has(s.findings(0, with("--config", config)...), "environment", isWarn, "TINTYPE_PUBLIC_ULR; did you mean TINTYPE_PUBLIC_URL?")
	os.Unsetenv("TINTYPE_PUBLIC_ULR")

	p := startServer(t, data, "--config", config)
	os.Chmod(data, 0o755)
	os.Chmod(filepath.Join(data, "keys.json"), 0o640)
	all := s.findings(1, with()...)
	s.has(all, "secrets", isWarn, "chmod 700 '"+data+"'")
	s.has(all, "secrets", isFail, "chmod 600 '"+filepath.Join(data, "keys.json")+"'")
	os.Chmod(data, 0o700)
	os.Chmod(filepath.Join(data, "keys.json"), 0o600)
	write(t, config, []byte("tokn-secret = \"very\"\n"))
	s.has(s.findings(1, with()...), "settings", isFail, "would not start again")
	p.kill()

	write(t, filepath.Join(data, "cache", "quarantine", "x"), nil)
	s.has(s.findings(0, with("--listen", "127.0.0.1:0")...), "store", isWarn, "cache: 1 damaged files are in quarantine")
	if os.Geteuid() == 0 {
		os.Chown(filepath.Join(data, "keys.json"), 4711, 4711)
		s.has(s.findings(0, with("--listen", "127.0.0.1:0")...), "store", isWarn, "sudo -u \\#4711")
		os.Chown(filepath.Join(data, "keys.json"), 0, 0)
	}
	if err := os.WriteFile(filepath.Join(data, "pictures", "meta.db"), []byte("no index"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.has(s.findings(1, with("--listen", "127.0.0.1:0")...), "store", isFail, "rebuild")
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, _ := startTLS(t, dir)
	s := &shell{t: t, where: []string{"--data", dir}}
	s.has(s.findings(0), "certificate", isWarn, "of 127.0.0.1, until")
	p.stop()
	cert, key, _ := makePair(t)
	files := t.TempDir()
	replace(t, filepath.Join(files, "cert"), cert)
	replace(t, filepath.Join(files, "key"), key)
	t.Setenv("TINTYPE_TLS_CERT", filepath.Join(files, "cert"))
	t.Setenv("TINTYPE_TLS_KEY", filepath.Join(files, "key"))
	s.where = append(s.where, "--listen", "127.0.0.1:0")
	s.has(s.findings(0), "certificate", isWarn, "renew it")
	os.Chmod(filepath.Join(files, "key"), 0o644)
	s.has(s.findings(1), "secrets", isFail, "chmod 600 '"+filepath.Join(files, "key"))
	replace(t, filepath.Join(files, "key"), []byte("no key"))
	s.has(s.findings(1), "certificate", isFail, "--tls-key")
}

func TestDoctorLooksAtTheMachine(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("TINTYPE_CACHE_SIZE", "900TiB")
	s.has(s.findings(0, "--listen", "127.0.0.1:0", "--data", t.TempDir()), "memory", isWarn, "are 900.0 TiB together")
	if v, ok := fileSystemOf("/dev/shm"); !ok || v.kind != "tmpfs" {
		t.Skip("no file system in memory here")
	}
	s.has(s.findings(0, "--listen", "127.0.0.1:0", "--data", "/dev/shm/none/none"), "file system", isWarn, "gone with the next start")
}

// The public URL is looked at through a proxy of the test, which leads wherever the test
// wants.
func TestDoctorTellsWhereThePublicURLLeads(t *testing.T) {
	var next atomic.Pointer[http.Handler]
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*next.Load()).ServeHTTP(w, r) }))
	defer between.Close()
	t.Setenv("HTTP_PROXY", between.URL)
	lead := func(h http.Handler) { next.Store(&h) }
	to := func(p *proc) http.Handler {
		u, err := url.Parse("http://" + p.listens(t))
		if err != nil {
			t.Fatal(err)
		}
		return httputil.NewSingleHostReverseProxy(u)
	}
	dir, another := t.TempDir(), t.TempDir()
	one := startProgram(t, "--data", dir, "--public-url", "http://pictures.example")
	two := startProgram(t, "--data", another, "--public-url", "http://pictures.example")
	defer one.stop()
	defer two.stop()
	s := &shell{t: t, where: []string{"--data", dir}}

	lead(to(one))
	s.has(s.findings(0), "public-url", isOK, "leads to this server")
	lead(to(two))
	s.has(s.findings(1), "public-url", isFail, "leads to a server with another key")
	lead(http.NotFoundHandler())
	s.has(s.findings(1), "public-url", isFail, "answered with status 404")
	lead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Tue, 06 Jan 2015 08:00:00 GMT")
		w.Header().Set("x-ms-error-code", "BlobNotFound")
		w.WriteHeader(404)
	}))
	s.has(s.findings(0), "clock", isWarn, "the clock of what answers")
	lead(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	all := s.findings(1)
	s.has(all, "public-url", isFail, "is not reached from here")
	if strings.Contains(all["public-url"][0].Text, "sig=") {
		t.Errorf("the token is told: %+v", all["public-url"])
	}
}

// listens returns where a server listens, whatever it says of its URL.
func (p *proc) listens(t *testing.T) string {
	t.Helper()
	dir := p.cmd.Args[len(p.cmd.Args)-3] // --data DIR --public-url URL
	var d door
	if r := tintype(t, "token", "admin", "--json", "--data", dir); json.Unmarshal([]byte(r.out), &d) != nil {
		t.Fatalf("%+v", r)
	}
	return strings.TrimPrefix(d.URL, "http://")
}
