package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shell runs commands against one server, in this process.
type shell struct {
	t     *testing.T
	where []string // --data DIR, or --server URL
	url   string   // "": none listens
	http  *http.Client
	dir   string
}

// do runs a command and wants an exit code; one that is not 0 comes with one line at least.
func (s *shell) do(code int, args ...string) result {
	s.t.Helper()
	var out, stderr bytes.Buffer
	got := Main(context.Background(), append(args, s.where...), &out, &stderr)
	r := result{got, out.String(), strings.TrimSuffix(stderr.String(), "\n")}
	if got != code || code == 2 && strings.Contains(r.stderr, "\n") {
		s.t.Errorf("%q: exit %d, want %d\n%s%s", args, got, code, r.out, r.stderr)
	}
	return r
}

// lines are those of what a command printed.
func (r result) lines() []string {
	return slices.DeleteFunc(strings.Split(r.out, "\n"), func(s string) bool { return s == "" })
}

const noServer = "no server runs"

// startTLS starts a server with a certificate of its own, and returns who trusts it.
func startTLS(t *testing.T, dir string, args ...string) (*proc, *http.Client) {
	t.Helper()
	cert, key, pool := makePair(t)
	files := t.TempDir()
	replace(t, filepath.Join(files, "cert"), cert)
	replace(t, filepath.Join(files, "key"), key)
	p := startProgram(t, append([]string{"--data", dir, "--tls-cert", filepath.Join(files, "cert"), "--tls-key", filepath.Join(files, "key")}, args...)...)
	return p, trusting(pool)
}

// eachTransport runs f with every way in which a command finds its server.
func eachTransport(t *testing.T, f func(*shell)) {
	for _, way := range []string{noServer, "the server on the directory", "the same, with TLS", "a server elsewhere"} {
		t.Run(way, func(t *testing.T) {
			s := &shell{t: t, dir: t.TempDir(), http: http.DefaultClient}
			s.where = []string{"--data", s.dir}
			s.do(0, "app", "add", killApp, "--secret", killSecret)
			switch way {
			case noServer:
			case "the same, with TLS":
				p, client := startTLS(t, s.dir)
				t.Cleanup(p.stop)
				s.url, s.http = p.url, client
			default:
				p := startServer(t, s.dir)
				t.Cleanup(p.stop)
				s.url = p.url
			}
			if way == "a server elsewhere" {
				t.Setenv(adminTokenEnv, strings.TrimSpace(s.do(0, "token", "admin").out))
				s.where = []string{"--server", s.url}
			}
			f(s)
		})
	}
}

// pictureFiles writes n pictures and returns their paths.
func pictureFiles(t *testing.T, n int) (paths []string) {
	dir := t.TempDir()
	for i := range n {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("picture %d.jpg", i)))
		write(t, paths[i], uniquePicture())
	}
	return paths
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestEverydayCommands(t *testing.T) {
	eachTransport(t, func(s *shell) {
		files := pictureFiles(s.t, 3)
		text := filepath.Join(filepath.Dir(files[0]), "text.jpg")
		write(s.t, text, []byte("no picture"))
		out := filepath.Join(s.t.TempDir(), "out.jpg")

		r := s.do(1, "put", files[0], text, files[1])
		if len(r.lines()) != 2 || !strings.HasPrefix(r.stderr, "tintype: "+text+": ") || strings.Contains(r.stderr, "\n") {
			s.t.Fatalf("put of one that is no picture: %q, %q", r.lines(), r.stderr)
		}
		for _, link := range r.lines() {
			if !strings.Contains(link, "/group1/M00/") {
				s.t.Errorf("put printed %q", link)
			}
			s.do(0, "get", link, "-o", out, "--force")
			if got := read(s.t, out); got != read(s.t, files[0]) && got != read(s.t, files[1]) {
				s.t.Errorf("get %s: other bytes", link)
			}
		}
		if s.url != "" {
			resp, err := s.http.Get(r.lines()[0])
			if err != nil || resp.StatusCode != 200 {
				s.t.Errorf("GET %s: %v, %v", r.lines()[0], resp, err)
			}
		}

		s.do(0, "put", files[2], "--container", killApp+"-files", "--as", "a b/ü?.jpg")
		name := killApp + "-files/a b/ü?.jpg"
		if got := s.do(0, "get", name, "-o", "-").out; got != read(s.t, files[2]) {
			s.t.Errorf("get %q: %d bytes", name, len(got))
		}
		if r := s.do(1, "get", name, "-o", out); !strings.Contains(r.stderr, "--force") {
			s.t.Errorf("get over a file: %s", r.stderr)
		}
		if r := s.do(1, "put", text, "--container", killApp+"-files", "--as", "a b/ü?.jpg"); r.out != "" {
			s.t.Errorf("put over other bytes: %s", r.out)
		}
		s.do(0, "put", text, "--container", killApp+"-files", "--as", "a b/ü?.jpg", "--replace")
		if got := s.do(0, "get", "http://h/"+killApp+"-files/a%20b/%C3%BC%3F.jpg?sv=x&sig=y", "-o", "-").out; got != "no picture" {
			s.t.Errorf("get of a URL: %q", got)
		}

		if r := s.do(0, "ls", killApp+"-"); r.out != name+"\n" {
			s.t.Errorf("ls: %q", r.out)
		}
		if r := s.do(0, "ls", "-l", "group1/"); len(r.lines()) != 2 || !strings.Contains(r.lines()[0], "image/jpeg") || !strings.Contains(r.lines()[0], " 48x32  group1/M00/") {
			s.t.Errorf("ls -l: %q", r.lines())
		}
		if r := s.do(0, "ls", "--limit", "1"); len(r.lines()) != 1 {
			s.t.Errorf("ls --limit 1: %q", r.lines())
		}
		sum := sha256.Sum256([]byte("no picture"))
		var pic picture
		r = s.do(0, "ls", "--search", hex.EncodeToString(sum[:])[:12], "--json")
		if err := json.Unmarshal([]byte(r.out), &pic); err != nil || pic.Name != name || pic.Size != 10 {
			s.t.Errorf("ls --search by digest: %q, %v", r.out, err)
		}

		if r := s.do(1, "rm", name, "group1/none"); r.out != name+"\n" || !strings.HasPrefix(r.stderr, "tintype: group1/none: ") {
			s.t.Errorf("rm: %q, %q", r.out, r.stderr)
		}
		if r := s.do(0, "ls", killApp); r.out != "" {
			s.t.Errorf("ls after rm: %q", r.out)
		}
		if s.where[0] == "--data" {
			if r := s.do(0, "trash", "list"); !strings.Contains(r.out, "a b") {
				s.t.Errorf("trash: %q", r.out)
			}
		}
	})
}

func TestPutTellsEachFileAsJSON(t *testing.T) {
	eachTransport(t, func(s *shell) {
		files := pictureFiles(s.t, 1)
		r := s.do(1, "put", "--json", files[0], filepath.Join(s.t.TempDir(), "none.jpg"), "--ttl", "1h")
		byFile := make(map[string]map[string]any)
		for _, line := range r.lines() {
			var told map[string]any
			if err := json.Unmarshal([]byte(line), &told); err != nil {
				s.t.Fatal(err)
			}
			byFile[filepath.Base(told["file"].(string))] = told
		}
		sum := sha256.Sum256([]byte(read(s.t, files[0])))
		good, bad := byFile["picture 0.jpg"], byFile["none.jpg"]
		if name, _ := good["name"].(string); !strings.HasPrefix(name, "cache1/") || good["digest"] != hex.EncodeToString(sum[:]) || good["size"] != float64(len(read(s.t, files[0]))) {
			s.t.Errorf("of the picture: %v", good)
		}
		if bad["error"] != "no such file or directory" || len(bad) != 2 || r.stderr != "" {
			s.t.Errorf("of the missing: %v, %q", bad, r.stderr)
		}
		if r := s.do(0, "ls", "--tier", "cache"); len(r.lines()) != 1 {
			s.t.Errorf("ls --tier cache: %q", r.out)
		}
	})
}

func TestPutOfDirectories(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "1", "sub/b.txt": "2", ".hidden": "3", ".git/c": "4"} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	eachTransport(t, func(s *shell) {
		if r := s.do(1, "put", dir, "--container", killApp+"-files"); !strings.Contains(r.stderr, "--recursive") {
			s.t.Errorf("put of a directory: %s", r.stderr)
		}
		s.do(0, "put", dir, "--container", killApp+"-files", "--recursive")
		if r := s.do(0, "ls"); r.out != killApp+"-files/a.txt\n"+killApp+"-files/sub/b.txt\n" {
			s.t.Errorf("ls: %q", r.out)
		}
	})
}

func TestPutIntoAResourcePrintsLinksThatWork(t *testing.T) {
	dir := t.TempDir()
	p := startServer(t, dir, "--app", killApp+"="+killSecret)
	defer p.stop()
	s := &shell{t: t, where: []string{"--data", dir}}
	file := pictureFiles(t, 1)[0]
	r := s.do(0, "put", file, "--resource", "1/bb2c")
	if !strings.Contains(r.out, "/"+killApp+"-picture-1-bb2c/") || !strings.Contains(r.stderr, "--link") {
		t.Errorf("put: %q, %q", r.out, r.stderr)
	}
	link := strings.TrimSpace(s.do(0, "put", file, "--resource", "1/bb2c", "--link", "1h").out)
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, _ := io.ReadAll(resp.Body); string(data) != read(t, file) {
		t.Errorf("GET %s: %s, %d bytes", link, resp.Status, len(data))
	}
}

func TestPutReadsStdin(t *testing.T) {
	dir := t.TempDir()
	tintype(t, "app", "add", killApp, "--data", dir)
	cmd := asCommand("put", "-", "--container", killApp+"-files", "--as", "x", "--data", dir)
	cmd.Stdin = strings.NewReader("piped")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r := tintype(t, "get", killApp+"-files/x", "-o", "-", "--data", dir); r.out != "piped" {
		t.Errorf("get: %+v", r)
	}
}

func TestWrongUsageOfEverydayCommands(t *testing.T) {
	t.Setenv(adminTokenEnv, "")
	for _, test := range []struct{ args, want string }{
		{"put", "usage: tintype put FILE..."},
		{"put a --container c --ttl 1h", "exclude each other"},
		{"put a --as b", "--as and --replace are for --container"},
		{"put a b --container ccc --as b", "--as is for one file"},
		{"put - --container ccc", "give --as"},
		{"put - a", "comes last"},
		{"put a --ttl 1ms", "at least a second"},
		{"put a --ttl x", `"x" is no duration`},
		{"get", "usage: tintype get URL|NAME"},
		{"ls a b", "usage: tintype ls [PREFIX]"},
		{"ls --limit -1", "want at least 1"},
		{"ls --tier none", "is not one of durable, cache"},
		{"rm", "usage: tintype rm NAME"},
		{"get a --server ftp://x", "want http://host"},
		{"get a --server http://127.0.0.1:1", "TINTYPE_ADMIN_TOKEN"},
		{"token admin --expiry yesterday", `--expiry "yesterday"`},
		{"token admin --expiry 2001-01-01T00:00:00Z", "is over"},
		{"import", "needs one of its commands: azure, fastdfs, folder"},
		{"import folder", "usage: tintype import folder DIR"},
		{"import folder .", `--container ""`},
		{"import fastdfs . --group pictures", "links are served of group1"},
		{"import fastdfs . --path 00", "want M00 to MFF"},
		{"import azure http://h/c", "and its SAS"},
		{"import azure c?sig=x", "want https://"},
		{"import azure http://h/C?sig=x", "--container gives another"},
		{"snippet", "usage: tintype snippet curl|python|js|go|java|php"},
		{"install-unit --data var", "want paths from / on"},
		{"install-unit --data /srv/pictures", "give --user"},
		{"install-unit --user a/b", "is no name of a user"},
		{"doctor now", "takes no argument"},
		{"console now", "takes no argument"},
	} {
		r := tintype(t, strings.Fields(test.args)...)
		if r.code != 2 || strings.Contains(r.stderr, "\n") || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %q", test.args, r.code, r.stderr)
		}
	}
}

func TestHelpOfEverydayCommandsFitsOneScreen(t *testing.T) {
	for _, text := range []string{"put", "get", "ls", "rm", "import", "import fastdfs", "import folder", "import azure", "doctor", "snippet", "install-unit", "console", "token admin"} {
		r := tintype(t, append(strings.Fields(text), "--help")...)
		if lines := strings.Count(r.out, "\n"); r.code != 0 || lines < 5 || lines > 45 {
			t.Errorf("%v: exit %d, %d lines", text, r.code, lines)
		}
	}
}

func TestAnAdminTokenThatIsWrongIsSaidSo(t *testing.T) {
	dir := t.TempDir()
	p := startServer(t, dir, "--app", killApp+"="+killSecret)
	defer p.stop()
	t.Setenv(adminTokenEnv, "wrong")
	s := &shell{t: t, where: []string{"--server", p.url}}
	if r := s.do(1, "ls"); !strings.Contains(r.stderr, "tintype token admin") {
		t.Errorf("ls: %q", r.stderr)
	}
	s.where = []string{"--server", p.url + "/dfsapi"}
	if r := s.do(1, "ls"); !strings.Contains(r.stderr, "is it a tintype server?") {
		t.Errorf("ls of something else: %q", r.stderr)
	}
}

func TestConsoleLinksComeFromTheServer(t *testing.T) {
	dir := t.TempDir()
	s := &shell{t: t, where: []string{"--data", dir}}
	if r := s.do(1, "console"); !strings.Contains(r.stderr, "tintype serve") {
		t.Errorf("without a server: %q", r.stderr)
	}
	p := startServer(t, dir)
	defer p.stop()
	link := strings.TrimSpace(s.do(0, "console").out)
	token, ok := strings.CutPrefix(link, p.url+"/console/#setup=")
	if !ok {
		t.Fatalf("console printed %q", link)
	}
	for i, good := range []bool{true, false} { // once
		resp, err := http.Post(p.url+"/api/v1/session", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); (resp.StatusCode == 204) != good {
			t.Errorf("sign-in %d: %s", i, resp.Status)
		}
	}
}

// What comes is compared with what the server says that it is; nothing is left of what
// is something else.
func TestOtherBytesAreNoticed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/content"):
			io.WriteString(w, "other bytes")
		case r.Method == http.MethodGet:
			io.WriteString(w, `{"name":"abc/a.jpg","digest":"00","size":11,"apps":[{"key":"off","disabled":true},{"key":"k"}]}`)
		default:
			if app := r.URL.Query().Get("app"); app != "k" {
				t.Errorf("put for application %q", app)
			}
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"name":"abc/a.jpg","digest":"00"}`)
		}
	}))
	defer srv.Close()
	t.Setenv(adminTokenEnv, "t")
	s := &shell{t: t, where: []string{"--server", srv.URL}}
	dir := t.TempDir()
	if r := s.do(1, "get", "abc/a.jpg", "-o", dir); !strings.Contains(r.stderr, "not those of its digest") {
		t.Errorf("get: %s", r.stderr)
	}
	if r := s.do(1, "get", "abc/a.jpg", "-o", "-"); !strings.Contains(r.stderr, "not those of its digest") {
		t.Errorf("get to stdout: %s", r.stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if r := s.do(1, "put", pictureFiles(t, 1)[0]); !strings.Contains(r.stderr, "has stored something else") || r.out != "" {
		t.Errorf("put: %q, %s", r.out, r.stderr)
	}
}

func TestGetNamesItsFile(t *testing.T) {
	for name, want := range map[string]string{
		"abc/folder/a b.jpg": "a b.jpg", "abc/x/": "", "abc/..": "", "abc/.": "", `abc/a\b`: "", "abc/a:b": "", "": "",
	} {
		if got, err := baseOf(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	dir := t.TempDir()
	s := &shell{t: t, where: []string{"--data", filepath.Join(dir, "data")}}
	s.do(0, "app", "add", killApp)
	file := pictureFiles(t, 1)[0]
	s.do(0, "put", file, "--container", killApp+"-files")
	if r := s.do(0, "get", killApp+"-files/picture 0.jpg", "-o", dir); r.out != "" || read(t, filepath.Join(dir, "picture 0.jpg")) != read(t, file) {
		t.Errorf("get into a directory: %q", r.out)
	}
}

// A person sees on a terminal how far it is, and the URLs on lines of their own.
func TestProgressOnATerminal(t *testing.T) {
	dir, storage := t.TempDir(), t.TempDir()
	makeStorage(t, 3, storage)
	var out, stderr bytes.Buffer
	watched := func(args ...string) (string, string) {
		out.Reset()
		stderr.Reset()
		if code := run(context.Background(), &program{args: append(args, "--data", dir), stdout: &out, stderr: &stderr, terminal: true}); code != 0 {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
		return out.String(), stderr.String()
	}
	watched("app", "add", killApp)
	for _, test := range []struct {
		args []string
		want string
	}{
		{append([]string{"put"}, pictureFiles(t, 2)...), "put: "},
		{[]string{"import", "fastdfs", storage}, "import: 1 pictures, "},
	} {
		out, stderr := watched(test.args...)
		if strings.Contains(out, "\x1b") || !strings.Contains(stderr, "\r\x1b[K"+test.want) || !strings.HasSuffix(stderr, "\r\x1b[K") {
			t.Errorf("%q: %q, %q", test.args, out, stderr)
		}
	}
}
