package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func scrub(t *testing.T, d *Disk, repair bool) Scrubbed {
	t.Helper()
	s, err := d.Scrub(repair, noProgress)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flip changes one bit of a blob's bytes.
func flip(t *testing.T, d *Disk, o Object) {
	t.Helper()
	path := d.blobs.path(o.Digest, o.Size)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[o.Size/2] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScrubFindsEveryDamageAndNoOther(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{})
	defer d.Close()
	var objs []Object
	for i := range 60 {
		objs = append(objs, put(t, d, item(fmt.Sprint("n", i), fmt.Sprint("body ", i)))...)
	}
	put(t, d, item("second name", "body 7"))
	settle(t, d)
	if s := scrub(t, d, false); s.Bad() || s.Objects != 61 || s.Blobs != 60 {
		t.Errorf("of a sound store: %+v", s)
	}
	flip(t, d, objs[7])
	flip(t, d, objs[8])
	os.Remove(d.blobs.path(objs[9].Digest, objs[9].Size))
	os.Truncate(d.blobs.path(objs[10].Digest, objs[10].Size), 3)
	s := scrub(t, d, false)
	if len(s.Damaged) != 4 || len(s.Nameless) != 0 || s.Unnamed != 0 || s.Counts {
		t.Fatalf("%+v", s)
	}
	for _, dm := range s.Damaged {
		if dm.Digest == objs[7].Digest.String() && strings.Join(dm.Names, " ") != "n7 second name" {
			t.Errorf("names of the first: %v", dm.Names)
		}
	}
	if q, _ := os.ReadDir(filepath.Join(d.dir, "quarantine")); len(q) != 3 {
		t.Errorf("%d files in quarantine, want 3", len(q))
	}
	if s := scrub(t, d, false); len(s.Damaged) != 4 {
		t.Errorf("found once more: %+v", s.Damaged)
	}
	for i := range objs {
		if _, _, err := d.Open(objs[i].Name); (err != nil) != (i >= 7 && i <= 10) {
			t.Errorf("%s: %v", objs[i].Name, err)
		}
	}
}

// Whoever puts the same bytes again mends a damaged blob, for all of its names, and
// for those that only its ledger knows.
func TestTheSameBytesMendADamagedBlob(t *testing.T) {
	for name, notice := range map[string]func(*testing.T, *Disk, Object){
		"found by scrub": func(t *testing.T, d *Disk, _ Object) { scrub(t, d, false) },
		"found by a read": func(t *testing.T, d *Disk, o Object) {
			_, b, err := d.Open("a")
			if err != nil {
				t.Fatal(err)
			}
			b.Whole()
			b.Close()
			for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				settle(t, d) // until the note of it is there
				if noted := false; d.view(func(l look) (err error) {
					noted, err = l.has(tableDamaged, string(o.Digest[:]))
					return err
				}) == nil && noted {
					return
				}
			}
			t.Fatal("the damage was not noted")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			d := openTest(t, dir, c, Options{})
			o := put(t, d, item("a", "precious"), item("b", "precious"))[0]
			settle(t, d)
			flip(t, d, o)
			notice(t, d, o)
			put(t, d, item("c", "precious"))
			for range 2 {
				for _, name := range []string{"a", "b", "c"} {
					if got := read(t, d, name); got != "precious" {
						t.Errorf("%s = %q", name, got)
					}
				}
				settle(t, d)
			}
			if s := scrub(t, d, false); s.Bad() {
				t.Errorf("scrub: %+v", s)
			}
			d.Close()
			if n, err := Rebuild(dir); err != nil || n.Objects != 3 {
				t.Errorf("Rebuild = %+v, %v, want 3 names", n, err)
			}
		})
	}
}

func TestCollectRemovesWhatNothingNames(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	defer d.Close()
	short := item("short", "expires")
	short.Expires = c.Now().Add(time.Minute)
	kept := put(t, d, item("kept", "kept"), short)[0]
	settle(t, d)
	path := d.blobs.path(kept.Digest, kept.Size)
	data, _ := os.ReadFile(path)
	lone := d.blobs.path(Sum([]byte("lone")), 4)
	os.MkdirAll(filepath.Dir(lone), 0o700)
	os.WriteFile(lone, append([]byte("lone"), appendRecord(nil, gained, Object{Name: "gone", Digest: Sum([]byte("lone")), Size: 4})...), 0o600)
	foreign := filepath.Join(filepath.Dir(path), Sum([]byte("foreign")).String()+".7")
	os.WriteFile(foreign, []byte("foreign"), 0o600)
	if s := scrub(t, d, false); s.Unnamed != 1 || !s.Bad() {
		t.Errorf("scrub: %+v", s)
	}
	c.add(time.Hour)
	freed, unnamed, err := d.Collect(time.Time{}, noProgress)
	if err != nil || freed.Objects != 1 || freed.BlobBytes != 7 || unnamed != 1 {
		t.Errorf("Collect = %+v, %d, %v", freed, unnamed, err)
	}
	if files := blobFiles(t, dir); len(files) != 2 {
		t.Errorf("left: %v, want the kept and the foreign one", files)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(data) {
		t.Error("the kept one has changed")
	}
}
