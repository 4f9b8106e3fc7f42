package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// files returns how many blob files and how many segments there are.
func files(t *testing.T, d *Disk) (blobs, segments int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.blobs.root(), "*/*"))
	parts, err2 := d.fs.List(d.journal.dir)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return len(found), len(parts)
}

func wantFiles(t *testing.T, d *Disk, blobs, segments int) {
	t.Helper()
	intact(t, d)
	if b, s := files(t, d); b != blobs || s != segments {
		t.Errorf("%d blob files and %d segments, want %d and %d", b, s, blobs, segments)
	}
}

func TestSmallBlobsOfARelaxedDiskStayInTheJournal(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{Relaxed: true})
	put(t, d, item("a", "first"), item("b", "second"), item("empty", ""))
	put(t, d, item("c", "third"))
	wantFiles(t, d, 0, 1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{Relaxed: true})
	defer d.Close()
	wantFiles(t, d, 0, 1)
	for name, want := range map[string]string{"a": "first", "b": "second", "c": "third", "empty": ""} {
		if got := read(t, d, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	// another name, a change and a move each bring a blob to its file
	put(t, d, item("again", "first"))
	if err := edit(d, "b", func(o *Object) { o.Width = 9 }); err != nil {
		t.Fatal(err)
	}
	if err := move(d, rename{From: "c", To: "d"}); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d, 3, 2) // the empty one keeps both
	if err := del(d, "empty"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d, 3, 0)
	for name, want := range map[string]string{"a": "first", "again": "first", "b": "second", "d": "third"} {
		if got := read(t, d, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	// bytes that lose their only name and come again have moved too
	put(t, d, item("x", "fourth"))
	settle(t, d)
	if err := del(d, "x"); err != nil {
		t.Fatal(err)
	}
	put(t, d, item("y", "fourth"))
	wantFiles(t, d, 4, 0)
	if err := del(d, "a", "again", "b", "d", "y"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d, 0, 0)
}

func edit(s Store, name string, do func(*Object)) error {
	_, err := s.Apply(Change{Edit: []Edit{{Name: name, Do: func(o *Object) error { do(o); return nil }}}})
	return err
}

// TestResidentsMoveOutOfTooManySegments has one blob in each of more segments than may
// stay.
func TestResidentsMoveOutOfTooManySegments(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: true})
	defer d.Close()
	for i := range 3 * maxStays {
		put(t, d, item(fmt.Sprint(i), fmt.Sprint("body ", i)))
		settle(t, d)
	}
	intact(t, d)
	blobs, segments := files(t, d)
	if segments > maxStays || blobs+segments != 3*maxStays {
		t.Errorf("%d blob files and %d segments", blobs, segments)
	}
	for i := range 3 * maxStays {
		if got := read(t, d, fmt.Sprint(i)); got != fmt.Sprint("body ", i) {
			t.Errorf("%d = %q", i, got)
		}
	}
}

func TestADamagedResidentIsFoundAndMended(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: true})
	defer d.Close()
	put(t, d, item("a", "the first body"), item("b", "the second body"))
	settle(t, d)
	at, err := d.residentSpot(Sum([]byte("the first body")))
	if err != nil || at == nil {
		t.Fatal(at, err)
	}
	flipBit(t, at.stays, 8*at.offset+3)
	found, err := d.Scrub(false, func(int64, int64) {})
	if err != nil || len(found.Damaged) != 1 || found.Damaged[0].Names[0] != "a" {
		t.Errorf("Scrub: %+v, %v", found, err)
	}
	if _, got, err := slurp(d, "a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("a = %q, %v", got, err)
	}
	put(t, d, item("c", "the first body"))
	wantFiles(t, d, 1, 2)
	for name, want := range map[string]string{"a": "the first body", "b": "the second body", "c": "the first body"} {
		if got := read(t, d, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestRebuildFindsWhatStaysInTheJournal(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{Relaxed: true})
	put(t, d, item("a", "first"), item("b", "second"))
	settle(t, d)
	put(t, d, item("c", "third"))
	if err := del(d, "b"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{Relaxed: true})
	defer d.Close()
	wantFiles(t, d, 2, 0)
	if _, _, err := slurp(d, "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("b is there again: %v", err)
	}
	if a, c := read(t, d, "a"), read(t, d, "c"); a != "first" || c != "third" {
		t.Errorf("a = %q, c = %q", a, c)
	}
}

func TestAnIndexOfAnEarlierFormatIsBroughtUp(t *testing.T) {
	for _, earlier := range []byte{2, 3} {
		dir, c := t.TempDir(), newClock()
		d := openTest(t, dir, c, Options{})
		put(t, d, item("a", "first"))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := openBolt(filepath.Join(dir, indexName))
		if err != nil {
			t.Fatal(err)
		}
		err = b.db.Update(func(tx *bbolt.Tx) (err error) {
			if earlier == 2 {
				err = errors.Join(tx.DeleteBucket([]byte{'0' + byte(tableResidents)}), tx.DeleteBucket([]byte{'0' + byte(tableSegments)}))
			}
			return errors.Join(err, putRow(tx, row{table: tableMeta, key: keyFormat, value: []byte{earlier}}),
				putRow(tx, row{table: tableMeta, key: keyOwner + "app"}), putRow(tx, row{table: tableMeta, key: keyOwner + "left", value: usage{1, 1}.pack()}))
		})
		if err := errors.Join(err, b.close()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // then it is of this one
			d = openTest(t, dir, c, Options{})
			if got := read(t, d, "a"); got != "first" {
				t.Errorf("a = %q", got)
			}
			intact(t, d)
			d.base.view(func(base rows) error {
				if value, err := base.get(tableMeta, keyFormat); err != nil || value[0] != format {
					t.Errorf("from %d: format %d, %v", earlier, value, err)
				}
				return nil
			})
			d.Close()
		}
	}
}
