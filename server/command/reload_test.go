package command

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tintype/sign"
)

// readToken returns a query that reads from the container of PUT blobs.
func readToken(t *testing.T, key string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := sign.Issue(raw, sign.Resource{Account: "tintype", Container: killApp + "-blobs"},
		sign.Token{Expiry: sign.FormatTime(time.Now().Add(time.Hour)), Permissions: "r"})
	if err != nil {
		t.Fatal(err)
	}
	return "?" + token.Query()
}

func statusOf(t *testing.T, url string) int {
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestKeysAndApplicationsChangeUnderLoad rotates account keys and applications in files,
// again and again, while others read with a key that stays and upload by an application
// that does: none of them ever fails. What is removed is refused at once.
func TestKeysAndApplicationsChangeUnderLoad(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const other = "YW5vdGhlciBrZXkgZm9yIHRlc3Rz"
	apps := killApp + "=" + killSecret + "\n"
	replace(t, at("apps"), []byte(apps))
	replace(t, at("key"), []byte(killKey))
	replace(t, at("previous"), []byte(other))
	t.Setenv("TINTYPE_APP_FILE", at("apps"))
	t.Setenv("TINTYPE_ACCOUNT_KEY_FILE", at("key"))
	t.Setenv("TINTYPE_ACCOUNT_KEY_PREVIOUS_FILE", at("previous"))
	p := startServer(t, at("data"))
	k := newKiller(t, at("data"))
	blob := k.put(p.url)
	if blob == nil {
		t.Fatal("no blob was stored")
	}
	picture := p.url + blob.url
	stays, goes := picture+readToken(t, killKey), picture+readToken(t, other)

	stop := make(chan struct{})
	var load sync.WaitGroup
	var reads, uploads atomic.Int64
	defer load.Wait()
	defer close(stop)
	for range 3 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := statusOf(t, stays); got != 200 {
					t.Errorf("a valid read: %d", got)
				}
				if reads.Add(1)%20 == 0 {
					if k.save(p.url, "false") == nil || k.upload(p.url) == nil {
						t.Error("a valid upload failed")
					}
					uploads.Add(2)
				}
			}
		})
	}
	secret := func(n int) string { return fmt.Sprintf("guest=%d\n", n) }
	accepts := func(n int) bool {
		h := qheaders()
		h.Set("app-key", "guest")
		h.Set("signature", sign.QStorageSignature(fmt.Sprint(n), h.Get("signature-time")))
		h.Set("resource-id", "1")
		var reply struct{ ResultCode string }
		return k.post(p.url+"/picture/upload?lang=en-us&uuid=u", h, nil, uniquePicture(), &reply) && reply.ResultCode == "1"
	}
	for round := range 6 {
		hangup := round%2 == 0
		ask := func() {
			if hangup {
				p.cmd.Process.Signal(syscall.SIGHUP)
			}
		}
		replace(t, at("previous"), []byte(other))
		replace(t, at("apps"), []byte(apps+secret(round)))
		ask()
		until(t, "the key verifies, the application is known", func() bool { return statusOf(t, goes) == 200 && accepts(round) })
		statusOf(t, goes) // from now on the link is one that was checked

		replace(t, at("previous"), nil)
		replace(t, at("apps"), []byte(apps+secret(-1)))
		ask()
		removed := time.Now()
		until(t, "the key and the secret are refused", func() bool { return statusOf(t, goes) == 403 && !accepts(round) })
		took := time.Since(removed)
		t.Logf("SIGHUP %v: refused after %v", hangup, took)
		if hangup && took > time.Second {
			t.Errorf("a removed key was accepted for %v", took)
		}
	}
	for uploads.Load() == 0 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d reads, %d uploads", reads.Load(), uploads.Load())
}

func TestWhatIsBrokenChangesNothing(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	config := "app = [\"one=secret-of-one\"]\naccount-key = \"" + killKey + "\"\nthumb = [64]\n"
	replace(t, at("c.toml"), []byte(config))
	p := startServer(t, at("data"), "--config", at("c.toml"), "--log-level", "info")
	apps := func() string { return tintype(t, "app", "list", "--data", at("data")).out }
	if !strings.Contains(apps(), "one") {
		t.Fatal(apps())
	}
	for _, broken := range []string{"app = [\"two-without-its-secret\"]\n", "app = [\"one=1\", \"ONE=2\"]\n", "account-key = \"!\"\n", "app = = 1\n", "unknown = 1\n", "max-upload = 0\n", "thumb = [\"x\"]\n"} {
		before := strings.Count(p.stderr.String(), "applications and keys stay as they are")
		replace(t, at("c.toml"), []byte(broken))
		p.cmd.Process.Signal(syscall.SIGHUP)
		until(t, "logged: "+broken, func() bool {
			return strings.Count(p.stderr.String(), "applications and keys stay as they are") > before
		})
		if got := apps(); !strings.Contains(got, "one") || strings.Contains(got, "two") {
			t.Errorf("after %q: %s", broken, got)
		}
	}
	os.Remove(at("c.toml"))
	until(t, "a file that is gone is logged", func() bool { return strings.Contains(p.stderr.String(), "c.toml: no such file") })
	replace(t, at("c.toml"), []byte(strings.Replace(config, "thumb = [64]", "thumb = [65]\nmax-upload = \"1MiB\"", 1)+"token-secret = \"a link secret\"\n"))
	until(t, "what a restart alone changes is logged", func() bool { return strings.Contains(p.stderr.String(), "after a restart") })
	if got := statusOf(t, p.url+"/group1/M00/00/00/none.jpg"); got != 400 {
		t.Errorf("a link without a token: %d", got)
	}
	p.stop()
	log := p.stderr.String()
	if !strings.Contains(log, "settings=\"[max-upload thumb]\"") {
		t.Error(log)
	}
	for _, secret := range []string{"secret-of-one", "two-without", killKey, "a link secret"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s:\n%s", secret, log)
		}
	}
}

// TestKeysJSONIsReadAgain has another process write keys.json while the server runs.
func TestKeysJSONIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	p := startServer(t, dir)
	if r := tintype(t, "app", "add", killApp, "--secret", killSecret, "--data", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	k := newKiller(t, dir)
	edit := func(change func(keys map[string]any)) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(data, &keys); err != nil {
			t.Fatal(err)
		}
		change(keys)
		if data, err = json.Marshal(keys); err != nil {
			t.Fatal(err)
		}
		replace(t, path, data)
	}
	var account, admin string
	edit(func(keys map[string]any) {
		account, admin = keys["account_key"].(string), keys["admin_key"].(string)
	})
	key, err := base64.StdEncoding.DecodeString(admin)
	if err != nil {
		t.Fatal(err)
	}
	token := sign.AdminToken(key, time.Now().Add(time.Hour))
	signedIn := func() bool {
		req, _ := http.NewRequest("GET", p.url+"/api/v1/session", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	}
	link := p.url + "/" + killApp + "-blobs/none" + readToken(t, account)
	if k.save(p.url, "false") == nil || !signedIn() || statusOf(t, link) != 404 {
		t.Fatal("nothing works")
	}
	edit(func(keys map[string]any) {
		keys["apps"].(map[string]any)[killApp].(map[string]any)["secret"] = "another secret"
	})
	until(t, "the secret is another", func() bool { return k.save(p.url, "false") == nil })
	if !signedIn() || statusOf(t, link) != 404 {
		t.Error("what has not changed has ended")
	}
	edit(func(keys map[string]any) { keys["account_key"] = killKey })
	until(t, "the account key is another", func() bool { return statusOf(t, link) == 403 })
	edit(func(keys map[string]any) {
		keys["admin_key"] = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	})
	until(t, "the admin key is another", func() bool { return !signedIn() })
	os.Chmod(path, 0o644)
	until(t, "a file that all may read is logged", func() bool { return strings.Contains(p.stderr.String(), "others may read it") })
	p.stop()
}
