package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var errKilled = errors.New("killed")

// emptyData is a data directory that a server has used, and stored nothing.
func emptyData(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	d := openData(t, dir)
	must(d.Registry.AddApp("old", "old secret", time.Now()))
	put(t, d.Pictures, item("a", "x"))
	if err := errors.Join(del(d.Pictures, "a"), d.Audit.Append("event"), d.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// stateOf says whether a data directory is what emptyData made, or what backedUp has.
func stateOf(t *testing.T, dir string, backup *Data) string {
	t.Helper()
	d, err := OpenData(dir, Options{Log: quietLog})
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	what := "neither"
	_, errOld := d.Registry.App("old")
	_, errNew := d.Registry.App("app")
	pictures, cache := everything(t, d.Pictures), everything(t, d.Cache)
	switch {
	case errOld == nil && len(pictures)+len(cache) == 0:
		what = "old"
	case errNew == nil && len(pictures) == 5 && len(cache) == 1 && bytes.Equal(d.Registry.AccountKey(), backup.Registry.AccountKey()):
		what = "new"
	}
	for name := range pictures {
		if got, want := read(t, d.Pictures, name), read(t, backup.Pictures, name); got != want {
			what = "other bytes"
		}
	}
	if lines := listing(t, d.Audit, "", 10); len(lines) != 1 {
		t.Errorf("audit log: %q", lines)
	}
	for _, pattern := range []string{restored, replacing, replaced + "*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	return what
}

func TestABackupIsRestoredBesideAServer(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	dir := emptyData(t)
	d := openData(t, dir)
	n, err := RestoreBeside(dir, bytes.NewReader(backup), noProgress)
	if err != nil || n.Pictures.Objects != 5 {
		t.Fatalf("RestoreBeside = %+v, %v", n, err)
	}
	if _, err := RestoreBeside(dir, bytes.NewReader(backup), noProgress); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second beside the first: %v", err)
	}
	if done, err := newReplacement(dir, Options{}).run(); done || !errors.Is(err, ErrLocked) {
		t.Errorf("with the data open: %v, %v", done, err)
	}
	if empty, err := d.Empty(); err != nil || !empty {
		t.Errorf("the server sees %v, %v", empty, err)
	}
	d.Close()
	if done, err := newReplacement(dir, Options{}).run(); err != nil || !done {
		t.Errorf("run = %v, %v", done, err)
	}
	if done, err := newReplacement(dir, Options{}).run(); err != nil || done {
		t.Errorf("once more: %v, %v", done, err)
	}
	if got := stateOf(t, dir, from); got != "new" {
		t.Error(got)
	}
	r, err := OpenRegistry(dir)
	if err != nil || !bytes.Equal(r.AdminKey(), from.Registry.AdminKey()) {
		t.Errorf("another admin key, %v", err)
	}
}

// What has not become whole is gone with the next start.
func TestARestoreBesideThatFailed(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	dir := emptyData(t)
	for _, bad := range [][]byte{nil, []byte("no backup"), backup[:len(backup)/2], bytes.Replace(backup, []byte("short-lived"), []byte("short_lived"), 1)} {
		if n, err := RestoreBeside(dir, bytes.NewReader(bad), noProgress); err == nil || n != (BackedUp{}) {
			t.Errorf("RestoreBeside = %+v, %v", n, err)
		}
		if exists(filepath.Join(dir, restored)) {
			t.Error("something is left")
		}
	}
	must(RestoreBeside(dir, bytes.NewReader(backup), noProgress))
	os.Remove(filepath.Join(dir, restored, whole))
	if done, err := newReplacement(dir, Options{}).run(); err != nil || done {
		t.Errorf("with an incomplete one: %v, %v", done, err)
	}
	if got := stateOf(t, dir, from); got != "old" {
		t.Error(got)
	}
}

func TestNoPictureIsReplaced(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	for name, open := range map[string]func(string) error{
		"run": func(dir string) error {
			done, err := newReplacement(dir, Options{}).run()
			if done || !errors.Is(err, ErrNotEmpty) {
				t.Errorf("run = %v, %v", done, err)
			}
			return nil
		},
		"OpenData": func(dir string) error {
			d, err := OpenData(dir, Options{Log: quietLog})
			if err != nil {
				return err
			}
			return d.Close()
		},
	} {
		for _, tier := range []string{"pictures", "cache"} {
			dir := emptyData(t)
			must(RestoreBeside(dir, bytes.NewReader(backup), noProgress))
			d := must(OpenDisk(filepath.Join(dir, tier), Options{Relaxed: tier == "cache", Log: quietLog}))
			put(t, d, item("since then", "x"))
			if err := errors.Join(d.Close(), open(dir)); err != nil {
				t.Fatal(err)
			}
			if exists(filepath.Join(dir, restored)) {
				t.Errorf("%s, %s: what was restored is left", name, tier)
			}
			again := openData(t, dir)
			if n, err := newReplacement(dir, Options{}).run(); n || err != nil {
				t.Errorf("%s, %s: then %v, %v", name, tier, n, err)
			}
			if objs := len(everything(t, again.Pictures)) + len(everything(t, again.Cache)); objs != 1 {
				t.Errorf("%s, %s: %d pictures", name, tier, objs)
			}
			again.Close()
		}
	}
}

// killAt is a replacement that is killed before its n-th call.
func killAt(dir string, n int) (call string, err error) {
	re := newReplacement(dir, Options{Log: quietLog})
	re.step = func(c string) error {
		if n--; n == 0 {
			call = c
			return errKilled
		}
		return nil
	}
	_, err = re.run()
	return call, err
}

// A replacement is killed before each of its calls, and again before some of the calls of
// the next one, or all of them if TINTYPE_CALLS is 1; then the next start makes it whole.
func TestAReplacementThatIsCutOff(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	prepared := emptyData(t)
	must(RestoreBeside(prepared, bytes.NewReader(backup), noProgress))
	steps := make(map[string]bool)
	for n, more := 1, true; more; n++ {
		for k, again := 1, true; again; k += min(number("TINTYPE_CALLS", 120), 5+n%3) {
			dir := filepath.Join(t.TempDir(), "data")
			must(0, os.CopyFS(dir, os.DirFS(prepared)))
			for _, keys := range []string{"keys.json", "restored/keys.json"} {
				must(0, os.Chmod(filepath.Join(dir, keys), 0o600))
			}
			first, err := killAt(dir, n)
			if more = errors.Is(err, errKilled); !more && err != nil {
				t.Fatalf("call %d: %v", n, err)
			}
			second, err := killAt(dir, k)
			if again = errors.Is(err, errKilled); !again && err != nil {
				t.Fatalf("call %d, then %d: %v", n, k, err)
			}
			steps[strings.TrimRight(first, "0123456789")] = true
			if got := stateOf(t, dir, from); got != "new" {
				t.Errorf("call %d (%s), then %d (%s): %s", n, first, k, second, got)
			}
		}
	}
	if len(steps) < 11 {
		t.Errorf("stopped at %v alone", steps)
	}
}

// One that is begun moves nothing under who has the lock.
func TestAReplacementWaitsForTheLock(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	dir := emptyData(t)
	must(RestoreBeside(dir, bytes.NewReader(backup), noProgress))
	if call, err := killAt(dir, 2); call != "make a bin" {
		t.Fatal(call, err)
	}
	lock := must(openBolt(filepath.Join(dir, "pictures", indexName)))
	if done, err := newReplacement(dir, Options{}).run(); done || !errors.Is(err, ErrLocked) {
		t.Errorf("run = %v, %v", done, err)
	}
	if !exists(filepath.Join(dir, "cache")) || !exists(filepath.Join(dir, replacing, "cache")) {
		t.Error("something has moved")
	}
	lock.close()
	if got := stateOf(t, dir, from); got != "new" {
		t.Error(got)
	}
}

// A rebuild is of what will be there.
func TestARebuildFinishesAReplacement(t *testing.T) {
	from, backup := backedUp(t)
	defer from.Close()
	dir := emptyData(t)
	must(RestoreBeside(dir, bytes.NewReader(backup), noProgress))
	re := newReplacement(dir, Options{})
	re.step = func(call string) error {
		if call == "rename "+filepath.Join(replacing, "pictures") {
			return errKilled
		}
		return nil
	}
	if _, err := re.run(); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	pictures, cache, err := RebuildData(dir)
	if err != nil || pictures.Objects != 5 || cache.Objects != 1 {
		t.Errorf("RebuildData = %+v, %+v, %v", pictures, cache, err)
	}
	if got := stateOf(t, dir, from); got != "new" {
		t.Error(got)
	}
}

// Who has waited for the lock of an index that was moved away does not have it.
func TestALockOfAnIndexThatIsGone(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir, newClock(), Options{})
	path := filepath.Join(dir, indexName)
	waiting := make(chan error)
	go func() {
		b, err := openBolt(path)
		if err == nil {
			b.close()
		}
		waiting <- err
	}()
	time.Sleep(100 * time.Millisecond) // for it to wait; where it comes later, the new one is locked too
	settle(t, d)
	data := must(os.ReadFile(path))
	must(0, os.WriteFile(path+".new", data, 0o600))
	b := must(openBolt(path + ".new"))
	defer b.close()
	must(0, os.Rename(path+".new", path))
	d.Close()
	if err := <-waiting; !errors.Is(err, ErrLocked) {
		t.Errorf("%v, want ErrLocked", err)
	}
}
