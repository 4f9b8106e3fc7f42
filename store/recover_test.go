package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// everything returns all objects by name.
func everything(t *testing.T, s Store) map[string]Object {
	t.Helper()
	objs, err := s.List("", "", 1<<20)
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
	if err := d.Delete("deleted", "lost a name"); err != nil {
		t.Fatal(err)
	}
	if err := d.Move(Rename{"second name", "delete-second", c.Now()}); err != nil {
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
		if got[name] != o {
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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRebuildPrefersTheNewerOfTwoClaims(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	// a crash between the index and the ledger of the blob that lost the name
	for _, body := range []string{"old 1", "old 2", "new"} {
		o := Object{Name: "a", Created: c.Now()}
		f, err := d.blobs.stage(&o, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.blobs.place(f, o); err != nil {
			t.Fatal(err)
		}
		c.add(time.Second)
	}
	d.Close()
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
	put(t, d, item("b", "bytes"))
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

func TestARelaxedIndexThatAPowerCutDamagedIsRebuilt(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"pages of zeros": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 3*4096), 2*4096)
			return err
		},
		"a cut file": func(path string) error { return os.Truncate(path, 5000) },
		"no bytes":   func(path string) error { return os.Truncate(path, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			d := openTest(t, dir, c, Options{Relaxed: true})
			put(t, d, item("a", "x"), item("b", "y"))
			crash(d)
			if err := damage(filepath.Join(dir, indexName)); err != nil {
				t.Fatal(err)
			}
			d = openTest(t, dir, c, Options{Relaxed: true})
			defer d.Close()
			if read(t, d, "a") != "x" || read(t, d, "b") != "y" {
				t.Error("bytes differ")
			}
		})
	}
}
