package command

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store/s3test"
)

// rotated are servers over one S3 whose keys are in a file of each one's own.
type rotated struct {
	t       *testing.T
	dirs    []string
	servers []*proc
}

// write gives one server keys, as one rename, and waits until it has them.
func (r *rotated) write(i int, key, previous string) {
	r.t.Helper()
	text := fmt.Sprintf("app = [%q]\naccount-key = %q\naccount-key-previous = %q\n", killApp+"="+killSecret, key, previous)
	replace(r.t, filepath.Join(r.dirs[i], "keys.toml"), []byte(text))
	if i < len(r.servers) {
		log := &r.servers[i].stderr
		before := strings.Count(log.String(), "keys have changed")
		until(r.t, "keys have changed", func() bool { return strings.Count(log.String(), "keys have changed") > before })
	}
}

// run runs a command inside one of the servers.
func (r *rotated) run(i int, args ...string) string {
	r.t.Helper()
	got := tintype(r.t, append(args, "--data", filepath.Join(r.dirs[i], "data"))...)
	if got.code != 0 {
		r.t.Fatal(got.stderr)
	}
	return strings.TrimSpace(got.out)
}

// statuses are what each server answers to a token for pictures and to one of an admin.
func (r *rotated) statuses(picture, sas, admin string) (all []int) {
	r.t.Helper()
	for _, s := range r.servers {
		req, err := http.NewRequest("GET", s.url+"/api/v1/session", nil)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+admin)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			r.t.Fatal(err)
		}
		resp.Body.Close()
		all = append(all, statusOf(r.t, s.url+picture+"?"+sas), resp.StatusCode)
	}
	return all
}

// TestTheAccountKeyIsRotatedServerByServer rotates it in the three steps of scale.md, one server
// after the other: what any of them has signed all of them accept, until the last step.
func TestTheAccountKeyIsRotatedServerByServer(t *testing.T) {
	const other = "YW5vdGhlciBrZXkgZm9yIHRlc3Rz"
	_, endpoint := s3test.New(t)
	t.Setenv(envAccessKey, "key")
	t.Setenv(envSecretKey, "secret")
	r := &rotated{t: t, dirs: []string{t.TempDir(), t.TempDir()}}
	for i := range r.dirs {
		r.write(i, killKey, "")
	}
	for _, dir := range r.dirs {
		r.servers = append(r.servers, startServer(t, filepath.Join(dir, "data"), "--config", filepath.Join(dir, "keys.toml"),
			"--store", "s3://tintype?endpoint="+endpoint, "--log-level", "info"))
	}
	picture := newKiller(t, r.dirs[0]).put(r.servers[0].url)
	if picture == nil {
		t.Fatal("no picture was stored")
	}
	expiry := sign.FormatTime(time.Now().Add(time.Hour))
	type pair struct{ sas, admin string }
	var signed []pair
	for _, step := range [][2]string{{killKey, other}, {other, killKey}, {other, ""}} {
		for i := range r.servers {
			r.write(i, step[0], step[1])
			for j := range r.servers {
				signed = append(signed, pair{r.run(j, "token", "sas", "--container", killApp+"-blobs", "--expiry", expiry), r.run(j, "token", "admin")})
			}
			for n, p := range signed {
				for _, status := range r.statuses(picture.url, p.sas, p.admin) {
					if status != 200 && step[1] != "" {
						t.Errorf("token %d with keys %.4s and %.4s at server %d: %d", n, step[0], step[1], i, status)
					}
				}
			}
		}
	}
	first := signed[0]
	if got := r.statuses(picture.url, first.sas, first.admin); got[0] != 403 || got[1] != 401 || got[2] != 403 || got[3] != 401 {
		t.Errorf("tokens of the key that is gone: %v", got)
	}
}
