package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// everything returns all objects by name.
func everything(t *testing.T, s Store) map[string]Object {
	t.Helper()
	objs, err := s.List("", "", "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]Object)
	for _, o := range objs {
		m[o.Name] = o
	}
	return m
}

func TestRebuildFindsEverythingFromTheBlobsAlone(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	full := item("c/f/f_full.jpg", "full")
	full.ID, full.Expires = "0123", c.Now().Add(time.Hour)
	put(t, d, full, item("c/f/f_1024.jpg", "small"))
	put(t, d, item("second name", "full"), item("replaced", "old"), item("deleted", "gone"), item("lost a name", "kept"))
	put(t, d, item("keeps it", "kept"), item("replaced", "new"))
	put(t, d, item("same again", "twice"))
	put(t, d, item("same again", "twice"))
	taken := item("replaced", "refused")
	taken.New = true
	if _, err := tryPut(d, item("refused", "refused"), item("kept too", "kept"), taken); err == nil {
		t.Fatal("a taken name was given")
	}
	if err := move(d, rename{From: "same again", To: "refused"}, rename{From: "none", To: "x"}); err == nil {
		t.Fatal("a move of nothing")
	}
	if err := del(d, "deleted", "lost a name"); err != nil {
		t.Fatal(err)
	}
	if err := move(d, rename{"second name", "delete-second", c.Now()}); err != nil {
		t.Fatal(err)
	}
	want, stats := everything(t, d), must(d.Stats())
	d.Close()
	os.Remove(filepath.Join(dir, indexName))

	if got, err := Rebuild(dir); err != nil || got != stats {
		t.Fatalf("Rebuild = %+v, %v, want %+v", got, err, stats)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	got := everything(t, d)
	if len(got) != len(want) {
		t.Errorf("%d objects after Rebuild, want %d", len(got), len(want))
	}
	for name, o := range want {
		if !same(got[name], o) {
			t.Errorf("%q = %+v\nwant %+v", name, got[name], o)
		}
	}
	if o, err := d.Find("0123"); err != nil || o.Name != full.Name {
		t.Errorf("Find = %+v, %v", o, err)
	}
	if read(t, d, "replaced") != "new" {
		t.Error("the older blob won a name back")
	}
}

func TestAChangeThatFailsLeavesTheLedgersAsTheyWere(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	put(t, d, item("edited", "1"), item("put again", "2"), item("deleted and put", "3"), item("moved", "4"), item("moved onto", "4"))
	away := func(o *Object) error { o.Name = "moved onto"; return nil }
	own := func(o *Object) error { o.Owner = "changed"; return nil }
	again := []Item{item("put again", "2"), item("deleted and put", "3"), item("new", "6"), item("edited", "5")}
	for i := range again {
		again[i].Owner = "changed"
	}
	again[3].New = true
	if _, err := d.Apply(Change{
		Delete: []string{"deleted and put"}, Edit: []Edit{{"edited", own}, {"moved", away}}, Put: again,
	}); !errors.Is(err, ErrExists) {
		t.Fatalf("Apply: %v", err)
	}
	want := everything(t, d)
	crash(d)
	if _, err := Rebuild(dir); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	got := everything(t, d)
	if len(got) != 5 {
		t.Errorf("%d objects after Rebuild: %v", len(got), got)
	}
	for name, o := range got {
		if !same(o, want[name]) || o.Owner != "app" {
			t.Errorf("%q = %+v\nwant %+v", name, o, want[name])
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRebuildPrefersTheNewerOfTwoClaims(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	for _, body := range []string{"old 1", "old 2", "new"} {
		put(t, d, item("a", body))
		settle(t, d)
		kept := blobFiles(t, dir)
		for _, path := range kept { // so that no ledger learns of what it lost
			if strings.HasSuffix(path, ".kept") {
				continue
			}
			data, _ := os.ReadFile(path)
			os.WriteFile(path+".kept", data, 0o600)
		}
		c.add(time.Second)
	}
	d.Close()
	for _, path := range blobFiles(t, dir) {
		if real, ok := strings.CutSuffix(path, ".kept"); ok {
			os.Rename(path, real)
		}
	}
	if _, err := Rebuild(dir); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	if got := read(t, d, "a"); got != "new" {
		t.Errorf("a = %q, want new", got)
	}
}

func TestATornLedgerIsCutAndGoneOnWith(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	put(t, d, item("a", "bytes"))
	settle(t, d)
	put(t, d, item("b", "bytes"))
	settle(t, d)
	path := blobFiles(t, dir)[0]
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, whole[:len(whole)-5], 0o600); err != nil { // the record of b is torn
		t.Fatal(err)
	}
	put(t, d, item("c", "bytes"))
	d.Close()
	if _, err := Rebuild(dir); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	if got := everything(t, d); len(got) != 2 || got["a"].Name == "" || got["c"].Name == "" {
		t.Errorf("after Rebuild: %v, want a and c", got)
	}
}

func TestAMissingIndexIsMadeAnewNotTakenForAnEmptyStore(t *testing.T) {
	for name, opt := range map[string]Options{"durable": {}, "relaxed": {Relaxed: true}} {
		t.Run(name, func(t *testing.T) {
			dir, c := filepath.Join(t.TempDir(), "a[b]"), newClock() // that is no pattern
			d := openTest(t, dir, c, opt)
			put(t, d, item("a", "x"))
			d.Close()
			os.Remove(filepath.Join(dir, indexName))
			d = openTest(t, dir, c, opt)
			defer d.Close()
			if got := read(t, d, "a"); got != "x" {
				t.Errorf("a = %q", got)
			}
		})
	}
}

func TestABlobWithoutALedgerIsLeftAlone(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	o := put(t, d, item("a", "x"))[0]
	d.Close()
	path := d.blobs.path(o.Digest, o.Size)
	os.Truncate(path, o.Size)
	os.Remove(filepath.Join(dir, indexName))
	for range 2 { // the first open makes an index without it, the second sweeps
		d = openTest(t, dir, c, Options{})
		absent(t, d, "a")
		crash(d)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the bytes are gone: %v", err)
	}
}

func TestASweepPassesOverWhatItCannotRead(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{})
	defer d.Close()
	in := item("a", "x")
	in.Expires = time.Unix(1, 0)
	put(t, d, in)
	err := d.commit(func(c *change) error {
		c.write(tableExpiry, dueKey(time.Unix(1, 0), "of nobody"), []byte{})
		c.write(tableExpiry, dueKey(time.Unix(1, 0), "damaged"), []byte{})
		c.write(tableNames, "damaged", []byte("no row"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.Sweep(time.Time{}); err != nil || n.Objects != 1 {
		t.Errorf("Sweep = %+v, %v", n, err)
	}
}

func TestARebuildThatFailsChangesNothing(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	o := put(t, d, item("a", "x"))[0]
	d.Close()
	// a blob that cannot be opened, behind the first in the walk
	bad := filepath.Join(d.blobs.root(), "ff", "ff", strings.Repeat("f", 64)+".1")
	os.MkdirAll(filepath.Dir(bad), 0o700)
	if err := os.Symlink("nowhere", bad); err != nil {
		t.Fatal(err)
	}
	if n, err := Rebuild(dir); err == nil {
		t.Fatalf("Rebuild = %+v without an error", n)
	}
	os.Remove(bad)
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	if got, err := d.Stat("a"); err != nil || !same(got, o) {
		t.Errorf("a = %+v, %v", got, err)
	}
	if tmp, _ := os.ReadDir(d.blobs.tmp()); len(tmp) != 0 {
		t.Errorf("%d files left in tmp", len(tmp))
	}
}

func TestALongLedgerIsWrittenAnew(t *testing.T) {
	for name, opt := range map[string]Options{"durable": {}, "relaxed": {Relaxed: true}} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			d := openTest(t, dir, c, opt)
			put(t, d, item("a", "x"), item("b", "x"))
			long := strings.Repeat("v", maxAttributes-10)
			for range 100 {
				c.add(time.Second)
				_, err := d.Apply(Change{Edit: []Edit{{"a", func(o *Object) error {
					o.Modified, o.Attributes = c.Now(), map[string]string{"k": long}
					return nil
				}}}})
				if err != nil {
					t.Fatal(err)
				}
				settle(t, d)
			}
			info, err := os.Stat(blobFiles(t, dir)[0])
			if err != nil || info.Size() > longLedger+maxRecord {
				t.Errorf("the file has %d bytes, %v", info.Size(), err)
			}
			want := everything(t, d)
			d.Close()
			if _, err := Rebuild(dir); err != nil {
				t.Fatal(err)
			}
			d = openTest(t, dir, c, opt)
			defer d.Close()
			got := everything(t, d)
			if len(got) != 2 || !same(got["a"], want["a"]) || !same(got["b"], want["b"]) || read(t, d, "b") != "x" {
				t.Errorf("%d objects after Rebuild", len(got))
			}
		})
	}
}

func TestAReplacementIsLaterThanWhatItReplaces(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	slow := item("a", "slow, put last")
	slow.Created = c.Now()
	c.add(time.Minute)
	fast := put(t, d, item("a", "fast"))[0]
	settle(t, d)
	kept := blobFiles(t, dir)[0]
	os.Link(kept, kept+".kept")
	got := put(t, d, slow)[0]
	if !got.LastModified().After(fast.LastModified()) || !got.Created.Equal(slow.Created) {
		t.Errorf("changed at %v after %v", got.LastModified(), fast.LastModified())
	}
	if stored, err := d.Stat("a"); err != nil || !same(stored, got) {
		t.Errorf("Stat = %+v, %v, want %+v", stored, err, got)
	}
	_, err := d.Apply(Change{Edit: []Edit{{"a", func(o *Object) error { o.Modified = slow.Created; return nil }}}})
	if edited, _ := d.Stat("a"); err != nil || !edited.LastModified().After(got.LastModified()) {
		t.Errorf("edited at %v, %v", edited.LastModified(), err)
	}
	d.Close()
	os.Rename(kept+".kept", kept) // its removal did not reach the disk
	if _, err := Rebuild(dir); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	if got := read(t, d, "a"); got != "slow, put last" {
		t.Errorf("after Rebuild a is %q", got)
	}
}

func TestAStoreOfFormat1IsBroughtUp(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	put(t, d, item("a", "x"), item("b", "y"))
	want := everything(t, d)
	d.Close()
	for _, path := range blobFiles(t, dir) {
		inner := filepath.Join(filepath.Dir(path), filepath.Base(path)[2:4])
		if err := errors.Join(os.Mkdir(inner, 0o700), os.Rename(path, filepath.Join(inner, filepath.Base(path)))); err != nil {
			t.Fatal(err)
		}
	}
	index := filepath.Join(dir, indexName)
	os.Remove(index)
	db, err := bbolt.Open(index, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("meta"))
		return errors.Join(err, meta.Put([]byte(keyFormat), seal([]byte(keyFormat), []byte{1})))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	got := everything(t, d)
	if len(got) != 2 || !same(got["a"], want["a"]) || read(t, d, "b") != "y" {
		t.Errorf("after it: %v", got)
	}
}
