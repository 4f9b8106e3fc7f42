package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func noProgress(int64, int64) {}

func openData(t *testing.T, dir string) *Data {
	t.Helper()
	d, err := OpenData(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// backedUp is a data directory with a little of everything, and its backup.
func backedUp(t *testing.T) (*Data, []byte) {
	t.Helper()
	d := openData(t, t.TempDir())
	must(d.Registry.AddApp("app", "secret", time.Now()))
	named := item("c/f/f_full.jpg", "full")
	named.ID = "0123"
	put(t, d.Pictures, named, item("twice", "full"), item("thrice", "full"), item("big", strings.Repeat("big", maxInline)), item("empty", ""))
	short := item("cache1/M00/00/00/x.jpg", "short-lived")
	short.Expires = time.Now().Add(time.Hour)
	put(t, d.Cache, short)
	var out bytes.Buffer
	b, err := d.Backup(&out, noProgress)
	if err != nil || b.Damaged != 0 || b.Pictures != must(d.Pictures.Stats()) || b.Cache != must(d.Cache.Stats()) {
		t.Fatalf("Backup = %+v, %v", b, err)
	}
	return d, out.Bytes()
}

func TestABackupIsRestoredWhole(t *testing.T) {
	d, backup := backedUp(t)
	defer d.Close()
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := RestoreData(dir, bytes.NewReader(backup), noProgress); err != nil {
		t.Fatal(err)
	}
	got := openData(t, dir)
	defer got.Close()
	for _, tier := range [][2]*Disk{{d.Pictures.(*Disk), got.Pictures.(*Disk)}, {d.Cache.(*Disk), got.Cache.(*Disk)}} {
		want, have := everything(t, tier[0]), everything(t, tier[1])
		if len(want) != len(have) {
			t.Errorf("%d objects, want %d", len(have), len(want))
		}
		_, owners, err := tier[0].counters()
		if _, got, err2 := tier[1].counters(); errors.Join(err, err2) != nil || !maps.Equal(got, owners) {
			t.Errorf("usage %+v, %v, want %+v, %v", got, err2, owners, err)
		}
		for name, o := range want {
			if !same(have[name], o) || read(t, tier[1], name) != read(t, tier[0], name) {
				t.Errorf("%q = %+v\nwant %+v", name, have[name], o)
			}
		}
	}
	if app, err := got.Registry.App("app"); err != nil || app.Secret != "secret" || !bytes.Equal(got.Registry.AccountKey(), d.Registry.AccountKey()) {
		t.Errorf("application %+v, %v", app, err)
	}
	if _, err := RestoreData(dir, bytes.NewReader(backup), noProgress); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("into a directory in use: %v", err)
	}
}

func TestADamagedBackupIsRefused(t *testing.T) {
	d, backup := backedUp(t)
	d.Close()
	dir := t.TempDir()
	refused := func(what string, b []byte) {
		t.Helper()
		if n, err := RestoreData(dir, bytes.NewReader(b), noProgress); err == nil {
			t.Errorf("%s: restored %+v", what, n)
			os.RemoveAll(dir)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Fatalf("%s: %v left", what, left)
		}
	}
	for range 20 {
		n := rand.IntN(bytes.LastIndex(backup, []byte("end.json")))
		refused(fmt.Sprintf("cut at %d", n), backup[:n])
	}
	for _, text := range []string{"full", "bigbig", "short-lived", "app-nothing-of-it"} {
		at := bytes.Index(backup, []byte(text))
		if at < 0 {
			continue
		}
		flipped := bytes.Clone(backup)
		flipped[at] ^= 1
		refused("a bit of "+text, flipped)
	}
	refused("nothing", nil)
	refused("no backup", []byte("hello"))
}

// What is acknowledged before a backup begins is in it, whatever goes on meanwhile.
func TestABackupUnderLoadHoldsWhatWasAcknowledged(t *testing.T) {
	d := openData(t, t.TempDir())
	defer d.Close()
	stop := make(chan struct{})
	var mu sync.Mutex // guards before
	before := make(map[string]string)
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name, body := fmt.Sprintf("%d/%d", client, n), fmt.Sprintf("%d of %d, %s", n%50, client, strings.Repeat("x", 1000))
				if _, err := tryPut(d.Pictures, item(name, body)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				before[name] = body
				mu.Unlock()
				if n%3 == 2 { // one that was there, and may be in the backup or not
					gone := fmt.Sprintf("%d/%d", client, n-1)
					mu.Lock()
					delete(before, gone)
					mu.Unlock()
					if err := del(d.Pictures, gone); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	mu.Lock()
	want := make(map[string]string, len(before))
	for name, body := range before {
		want[name] = body
	}
	mu.Unlock()
	r, w := io.Pipe()
	go func() {
		_, err := d.Backup(w, noProgress)
		w.CloseWithError(err)
	}()
	dir := t.TempDir()
	n, err := RestoreData(dir, r, noProgress)
	close(stop)
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	restored := openData(t, dir)
	defer restored.Close()
	lost := 0
	for name, body := range want {
		mu.Lock()
		_, still := before[name]
		mu.Unlock()
		if !still { // deleted since
			continue
		}
		_, b, err := restored.Pictures.Open(name)
		if err != nil {
			lost++
			continue
		}
		data, err := b.Whole()
		if b.Close(); err != nil || string(data) != body {
			lost++
		}
	}
	t.Logf("%d acknowledged before, %d in the backup, %d lost", len(want), n.Pictures.Objects, lost)
	if lost > 0 {
		t.Errorf("%d of %d lost", lost, len(want))
	}
	if err := d.Pictures.(*Disk).Flush(); err != nil {
		t.Error(err)
	}
	if n, err := d.Pictures.(*Disk).unnamed(false, noProgress); err != nil || n != 0 {
		t.Errorf("%d files without a name after the backup, %v", n, err)
	}
}
