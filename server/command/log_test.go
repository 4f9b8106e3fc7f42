package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// wantJSON fails the test for each line of a log that is not one object of JSON with what
// every line has, or that has a secret.
func wantJSON(t *testing.T, log string, secrets ...string) (messages []string) {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var line struct{ Time, Level, Msg string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Time == "" || line.Level == "" || line.Msg == "" {
			t.Errorf("%v: %s", err, lines.Text())
		}
		messages = append(messages, line.Msg)
	}
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s:\n%s", secret, log)
		}
	}
	return messages
}

// TestEveryLineOfTheLogIsJSON asks for what is right and wrong, changes what is read again
// to what is right and wrong, and stops.
func TestEveryLineOfTheLogIsJSON(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	apps := killApp + "=" + killSecret + "\n"
	replace(t, at("apps"), []byte(apps))
	replace(t, at("key"), []byte(killKey))
	replace(t, at("token"), []byte("the secret of links"))
	cert, key, _ := makePair(t)
	replace(t, at("cert.pem"), cert)
	replace(t, at("key.pem"), key)
	t.Setenv("TINTYPE_APP_FILE", at("apps"))
	t.Setenv("TINTYPE_ACCOUNT_KEY_FILE", at("key"))
	t.Setenv("TINTYPE_TOKEN_SECRET_FILE", at("token"))
	os.MkdirAll(at("data"), 0o700)
	p := startServer(t, at("data"), "--log-format", "json", "--log-level", "debug")
	k := newKiller(t, at("data"))
	saved, stored, uploaded := k.save(p.url, "true"), k.put(p.url), k.upload(p.url)
	if saved == nil || stored == nil || uploaded == nil {
		t.Fatal(p.stderr.String())
	}
	signature := qheaders().Get("signature")
	for _, url := range []string{
		saved.url, uploaded.url + uploaded.token, stored.url + stored.token, stored.url + strings.Replace(stored.token, "sig=", "sig=x", 1), saved.url + "?token=0123456789&ts=1",
		"/%zz", "/a?sig=" + signature, "/a%3Fsig=" + signature, "/picture/upload?sig=" + signature,
	} {
		req, err := http.NewRequest("GET", p.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + strings.TrimPrefix(p.url, "http://") + url
		req.Header = qheaders()
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}
	tintype(t, "app", "add", "more", "--data", at("data"))
	tintype(t, "scrub", "--data", at("data"))
	replace(t, at("apps"), []byte("no-equals-sign-after-"+killSecret))
	until(t, "a broken file is logged", func() bool { return strings.Contains(p.stderr.String(), "stay as they are") })
	replace(t, at("apps"), []byte(apps+"one=a-secret-of-one"))
	p.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "a change is logged", func() bool { return strings.Contains(p.stderr.String(), "applications have changed") })
	p.stop()
	_, sig, _ := strings.Cut(stored.token, "sig=")
	_, sas, _ := strings.Cut(uploaded.token, "sig=")
	messages := wantJSON(t, p.stderr.String(), killSecret, killKey, "the secret of links", "a-secret-of-one", sig, sas, signature, "0123456789&")
	if len(messages) < 15 || !strings.HasPrefix(p.first, "tintype ") {
		t.Errorf("%d lines; printed %q", len(messages), p.first)
	}

	p = startProgram(t, "--data", at("data"), "--log-format", "json", "--log-level", "debug", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"))
	p.stop()
	if got := fmt.Sprint(wantJSON(t, p.stderr.String(), "PRIVATE")); !strings.Contains(got, "certificate") {
		t.Errorf("%s", got)
	}
}

func TestRefusalsOfAServerAreJSONToo(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	replace(t, at("json.toml"), []byte("accounts = \"some\"\nlog-format = \"json\"\n"))
	for _, test := range []struct {
		args, env string
		code      int
		want      string
	}{
		{"serve --log-format json --nonsense", "", 2, "unknown flag --nonsense"},
		{"serve --nonsense x --log-format=JSON", "", 2, "unknown flag --nonsense"},
		{"--log-format json --max-upload 8MX", "", 2, "8MX"},
		{"serve --max-upload 8MX", "json", 2, "8MX"},
		{"serve --log-format json now", "", 2, "takes no argument"},
		{"serve --log-format json --config " + at("none"), "", 2, "none"},
		{"serve --config " + at("json.toml"), "", 2, "some"},
		{"serve --log-format json --public-url nonsense", "", 2, "nonsense"},
		{"serve --log-format json --listen 127.0.0.1:x", "", 2, "want HOST:PORT"},
		{"serve --log-format json --data /dev/null/x", "", 1, "not a directory"},
	} {
		t.Setenv("TINTYPE_LOG_FORMAT", test.env)
		if test.env == "" {
			os.Unsetenv("TINTYPE_LOG_FORMAT")
		}
		args := strings.Fields(test.args)
		if !strings.Contains(test.args, "--listen") {
			args = append(args, "--listen", "127.0.0.1:0")
		}
		r := tintype(t, args...)
		if got := wantJSON(t, r.stderr); r.code != test.code || len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%s: exit %d, %s", test.args, r.code, r.stderr)
		}
	}
	os.Unsetenv("TINTYPE_LOG_FORMAT")
	if r := tintype(t, "serve", "--log-format", "text", "--nonsense"); !strings.HasPrefix(r.stderr, "tintype: ") {
		t.Errorf("as text: %s", r.stderr)
	}
}
