package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCountsEqualNames puts and deletes few contents under many names, and then
// compares every count with the names that are left. TINTYPE_OPERATIONS is how often.
func TestCountsEqualNames(t *testing.T) {
	for name, test := range map[string]struct {
		opt        Options
		operations int
	}{
		"durable": {Options{}, 4_000},
		"relaxed": {Options{Relaxed: true}, 8_000},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			d := openTest(t, dir, c, test.opt)
			defer d.Close()
			var workers sync.WaitGroup
			stop := flushing(t, d)
			const n = 16
			for i := range uint64(n) {
				workers.Go(func() {
					w := &churner{Disk: d, t: t, rand: rand.New(rand.NewPCG(1, i)), has: make(map[string]content)}
					for range number("TINTYPE_OPERATIONS", test.operations) / n {
						w.operate(fmt.Sprintf("%d/%d", i, w.rand.IntN(20)))
					}
					w.verify()
				})
			}
			workers.Wait()
			stop()
			intact(t, d)
			for _, o := range everything(t, d) {
				if err := del(d, o.Name); err != nil {
					t.Error(err)
				}
			}
			if intact(t, d); len(blobFiles(t, dir)) > 0 || must(d.Stats()) != (Stats{}) {
				t.Errorf("all is deleted and there are %+v, %q", must(d.Stats()), blobFiles(t, dir))
			}
		})
	}
}

// flushing flushes a store all the time until it is called off.
func flushing(t *testing.T, d *Disk) (stop func()) {
	var flusher sync.WaitGroup
	done := make(chan struct{})
	flusher.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				if err := d.Flush(); err != nil {
					t.Errorf("Flush: %v", err)
				}
			}
		}
	})
	return func() { close(done); flusher.Wait() }
}

// churner changes names of its own and knows what they have.
type churner struct {
	*Disk
	t    *testing.T
	rand *rand.Rand
	has  map[string]content
}

func (w *churner) operate(name string) {
	if _, ok := w.has[name]; ok && w.rand.IntN(2) == 0 {
		if err := del(w.Disk, name); err != nil {
			w.t.Errorf("Delete(%q): %v", name, err)
		}
		delete(w.has, name)
		return
	}
	c := contents()[w.rand.IntN(44)]
	if w.rand.IntN(50) == 0 {
		c = contents()[w.rand.IntN(50)]
	}
	if _, err := tryPut(w.Disk, item(name, c.bytes)); err != nil {
		w.t.Errorf("Put(%q): %v", name, err)
	}
	w.has[name] = c
}

func (w *churner) verify() {
	for name, c := range w.has {
		if _, body, err := slurp(w.Disk, name); err != nil || body != c.bytes {
			w.t.Errorf("%q: %d bytes of %d, %v", name, len(body), len(c.bytes), err)
		}
	}
}

// TestReadersAndDeleters reads names while others put, delete and flush them: a reader
// gets all bytes of what was there at some moment, or ErrNotFound. For
// TINTYPE_CONTENTION_SECONDS.
func TestReadersAndDeleters(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: true})
	defer d.Close()
	end := time.Now().Add(time.Duration(number("TINTYPE_CONTENTION_SECONDS", 2)) * time.Second)
	var all sync.WaitGroup
	run := func(seed uint64, f func(r *rand.Rand, name string) error) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 4))
			for time.Now().Before(end) && !t.Failed() {
				if err := f(r, fmt.Sprint("name ", r.IntN(12))); err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	for i := range uint64(8) {
		run(i, func(r *rand.Rand, name string) error { return readWhole(d, name, r.IntN(2) == 0) })
		run(i+8, func(r *rand.Rand, name string) error {
			if r.IntN(2) == 0 {
				return del(d, name)
			}
			_, err := tryPut(d, item(name, contents()[30+r.IntN(20)].bytes))
			return err
		})
	}
	run(16, func(*rand.Rand, string) error { return d.Flush() })
	all.Wait()
	intact(t, d)
}

// readWhole reads an object in one of two ways and compares it with its digest.
func readWhole(d *Disk, name string, stream bool) error {
	o, b, err := d.Open(name)
	if err != nil {
		return err
	}
	defer b.Close()
	var data []byte
	if stream {
		data, err = io.ReadAll(b)
	} else {
		data, err = b.Whole()
	}
	if err == nil && Sum(data) != o.Digest {
		err = fmt.Errorf("%d bytes of %q are not those of %v", len(data), name, o.Digest)
	}
	return err
}

// TestRottenBlobs flips a bit in a tenth of TINTYPE_ROT blobs: none of those is read,
// and Scrub finds them and no other.
func TestRottenBlobs(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{})
	defer d.Close()
	r := rand.New(rand.NewPCG(5, 5))
	bodies := make(map[string]string)
	for i := range number("TINTYPE_ROT", 500) {
		bodies[fmt.Sprint(i)] = fmt.Sprint(i) + strings.Repeat("x", r.IntN(3000))
	}
	batch := Change{}
	for name, body := range bodies {
		if batch.Put = append(batch.Put, item(name, body)); len(batch.Put) < 100 {
			continue
		}
		put(t, d, batch.Put...)
		batch.Put = nil
	}
	put(t, d, batch.Put...)
	settle(t, d)
	rotten, i := make(map[string]bool), 0
	for name, o := range everything(t, d) {
		if i++; i%10 == 0 {
			rotten[name] = true
			flipBit(t, d.blobs.path(o.Digest, o.Size), r.Int64N(8*o.Size))
		}
	}
	for name, body := range bodies {
		_, got, err := slurp(d, name)
		whole := readWhole(d, name, false)
		if rotten[name] && (!errors.Is(err, ErrDamaged) || got == body || !errors.Is(whole, ErrDamaged)) {
			t.Errorf("%q is rotten: read %d bytes, %v, %v", name, len(got), err, whole)
		}
		if !rotten[name] && (err != nil || got != body || whole != nil) {
			t.Errorf("%q: %v, %v", name, err, whole)
		}
	}
	found, err := d.Scrub(false, func(int64, int64) {})
	if err != nil || len(found.Damaged) != len(rotten) || found.Blobs != int64(len(bodies)) {
		t.Errorf("Scrub: %d damaged of %d blobs, %v; %d are rotten", len(found.Damaged), found.Blobs, err, len(rotten))
	}
	for _, dm := range found.Damaged {
		if len(dm.Names) != 1 || !rotten[dm.Names[0]] {
			t.Errorf("Scrub: %v is damaged: %s", dm.Names, dm.Why)
		}
	}
	t.Logf("%d of %d blobs rotten, %d found", len(rotten), len(bodies), len(found.Damaged))
}

// flipBit changes one bit of a file.
func flipBit(t *testing.T, path string, bit int64) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
