package command

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// careful is a server with three pictures of QStorage, one of them deleted.
func careful(t *testing.T) (k *killer, p *proc, kept []*stored, deleted *stored) {
	k = newKiller(t, t.TempDir())
	p = killServer(t, k.dir)
	for range 3 {
		s := k.upload(p.url)
		if s == nil {
			t.Fatal("an upload was refused")
		}
		kept = append(kept, s)
	}
	deleted, kept = kept[0], kept[1:]
	k.delete(p.url, deleted)
	if deleted.deleted.IsZero() {
		t.Fatal("a delete was refused")
	}
	return k, p, kept, deleted
}

func run0(t *testing.T, want int, args ...string) string {
	t.Helper()
	r := tintype(t, args...)
	if r.code != want {
		t.Errorf("%v: exit %d, want %d\n%s%s", args, r.code, want, r.out, r.stderr)
	}
	return r.out + r.stderr
}

func TestABackupOfARunningServerIsRestored(t *testing.T) {
	k, p, kept, deleted := careful(t)
	all := append(kept, deleted, k.save(p.url, "true"), k.save(p.url, "false"))
	file := filepath.Join(t.TempDir(), "backup.tar")
	if out := run0(t, 0, "backup", file, "--data", k.dir); strings.Count(out, "\n") > 1 || !strings.Contains(out, "backed up 7 pictures") {
		t.Errorf("backup of a running server: %q", out)
	}
	run0(t, 1, "restore", file, "--data", k.dir)
	p.stop()
	run0(t, 1, "restore", file, "--data", k.dir)
	if out := run0(t, 0, "backup", file+"2", "--data", k.dir); !strings.Contains(out, "backed up 7 pictures") {
		t.Errorf("backup of a stopped server: %q", out)
	}
	if left, _ := filepath.Glob(file + "*partial"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	whole, _ := os.ReadFile(file)
	os.WriteFile(file+"3", whole[:len(whole)*2/3], 0o600)
	k.dir = filepath.Join(t.TempDir(), "new")
	run0(t, 1, "restore", file+"3", "--data", k.dir)
	run0(t, 0, "restore", file, "--data", k.dir)
	p = killServer(t, k.dir)
	defer p.stop()
	if bad := k.check(p, all); bad != 0 {
		t.Errorf("%d of %d pictures are not as they were", bad, len(all))
	}
}

func TestTheTrashGivesBackWhatItTook(t *testing.T) {
	k, p, kept, deleted := careful(t)
	folder := strings.TrimPrefix(filepath.Dir(deleted.url), "/")
	list := func() string { return run0(t, 0, "trash", "list", "--data", k.dir) }
	if out := list(); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, folder+" ") || !strings.Contains(out, "2 files") {
		t.Errorf("list: %q, want %s", out, folder)
	}
	run0(t, 1, "trash", "restore", "nothing/here", "--data", k.dir)
	if out := run0(t, 0, "trash", "restore", folder, "--data", k.dir); strings.Count(out, folder+"/") != 2 {
		t.Errorf("restore: %q", out)
	}
	deleted.deleted, deleted.deleting = time.Time{}, time.Time{}
	if bad := k.check(p, append(kept, deleted)); bad != 0 {
		t.Errorf("%d pictures are not back", bad)
	}
	k.delete(p.url, deleted)
	run0(t, 0, "trash", "empty", "--older-than", "1d", "--data", k.dir)
	if out := list(); !strings.HasPrefix(out, folder+" ") {
		t.Errorf("after emptying what is older: %q", out)
	}
	if out := run0(t, 0, "trash", "empty", "--data", k.dir); !strings.Contains(out, "removed 2 files") {
		t.Errorf("empty: %q", out)
	}
	run0(t, 1, "trash", "restore", folder, "--data", k.dir)
	p.stop()
	if out := list(); !strings.Contains(out, "empty") {
		t.Errorf("without a server: %q", out)
	}
}

func TestScrubTellsDamageAndGCTakesWhatIsOld(t *testing.T) {
	k, p, _, _ := careful(t)
	scrub := func(want int, args ...string) string {
		return run0(t, want, append([]string{"scrub", "--data", k.dir}, args...)...)
	}
	if out := scrub(0); !strings.Contains(out, "pictures: 6 pictures, 6 blobs") || !strings.Contains(out, "0 damaged") {
		t.Errorf("scrub: %q", out)
	}
	files, _ := filepath.Glob(filepath.Join(k.dir, "pictures/blobs/*/*"))
	data, _ := os.ReadFile(files[0])
	data[20] ^= 1
	os.WriteFile(files[0], data, 0o600)
	out := scrub(1)
	if !strings.Contains(out, "1 damaged") || !strings.Contains(out, "other bytes") || !strings.Contains(out, killApp) {
		t.Errorf("scrub: %q", out)
	}
	if out := scrub(1, "--json"); !strings.Contains(out, fmt.Sprintf(`"digest":%q`, strings.Split(filepath.Base(files[0]), ".")[0])) {
		t.Errorf("scrub: %s", out)
	}
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), `tintype_damaged_blobs_total{tier="pictures"} 2`) {
		t.Errorf("metrics: %s", text)
	}
	if out := run0(t, 0, "gc", "--data", k.dir); !strings.Contains(out, "removed 0 pictures") {
		t.Errorf("gc: %q", out)
	}
	if out := run0(t, 0, "gc", "--trash-ttl", "1ms", "--data", k.dir); !strings.Contains(out, "removed 2 pictures") {
		t.Errorf("gc of all trash: %q", out)
	}
	p.stop()
}
