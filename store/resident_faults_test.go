package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A flipped bit must not keep every later segment for ever.
func TestResidentsMoveOutBesideADamagedOne(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: true, Log: quietLog})
	defer d.Close()
	for i := range 10 * maxStays {
		put(t, d, item(fmt.Sprint(i), fmt.Sprint("body ", i)))
		settle(t, d)
		if i == 0 {
			at, _ := d.residentSpot(Sum([]byte("body 0")))
			flipBit(t, at.stays, 8*at.offset+3)
		}
	}
	if _, n := files(t, d); n > maxStays+2 {
		t.Errorf("%d segments, %d may stay", n, maxStays)
	}
}

// A bad sector in a segment that is leaving.
func TestResidentsMoveOutOfABadSector(t *testing.T) {
	r := newRig(40)
	d := r.open(t, relaxed)
	put(t, d, item("0", "body 0"))
	settle(t, d)
	at, _ := d.residentSpot(Sum([]byte("body 0")))
	bad := func(op, path string) error {
		if op == "read" && path == at.stays {
			return syscall.EIO
		}
		return nil
	}
	r.h.hook(bad)
	for i := 1; i < 10; i++ {
		if _, err := tryPut(d, item(fmt.Sprint(i), fmt.Sprint("body ", i))); err != nil {
			t.Errorf("put %d: %v", i, err)
			break
		}
		if err := d.Flush(); err != nil {
			t.Errorf("flush %d: %v", i, err)
			break
		}
	}
	r.die(d)
	r.h.hook(bad)
	if _, err := start(machineDir, r.h, r.base, Options{Relaxed: true, Log: quietLog}.withDefaults()); err != nil {
		t.Errorf("the next start: %v", err)
	}
}

// What a commit made free that found no room at its end must not come back with the
// next Rebuild.
func TestSegmentsGoAfterACommitThatFoundNoRoom(t *testing.T) {
	r := newRig(1)
	d := r.open(t, relaxed)
	put(t, d, item("n", "to be deleted"))
	settle(t, d) // segment 1
	if err := del(d, "n"); err != nil {
		t.Fatal(err)
	}
	put(t, d, item("x", "other"))
	commits := 0
	r.failing(func(call string, n int) error {
		if call == "commit" {
			if commits++; commits == 2 {
				return syscall.ENOSPC
			}
		}
		return nil
	})
	if err := d.Flush(); !noSpace(err) {
		t.Fatalf("Flush: %v", err)
	}
	r.failing(nil)
	settle(t, d)
	if left, _ := leftOver(d, stays(d)...); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if err := del(d, "x"); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	r.die(d)
	d = r.lostIndex(t, relaxed)
	if _, body, err := slurp(d, "n"); !errors.Is(err, ErrNotFound) {
		t.Errorf("n is there again: %q, %v", body, err)
	}
}

// The same where a segment cannot be removed once (EIO, EACCES, a reader on Windows).
func TestSegmentsGoWhenOneCouldNotBeRemovedOnce(t *testing.T) {
	r := newRig(100)
	d := r.open(t, relaxed)
	put(t, d, item("n", "to be deleted"))
	settle(t, d)
	if err := del(d, "n"); err != nil {
		t.Fatal(err)
	}
	put(t, d, item("x", "other"))
	once := false
	r.h.hook(func(op, path string) error {
		if op == "remove" && strings.Contains(path, "journal") && !once {
			once = true
			return syscall.EACCES
		}
		return nil
	})
	settle(t, d)
	put(t, d, item("y", "third"))
	if err := del(d, "x", "y"); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	settle(t, d)
	if left, _ := leftOver(d, stays(d)...); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	r.die(d)
	d = r.lostIndex(t, relaxed)
	if _, body, err := slurp(d, "n"); !errors.Is(err, ErrNotFound) {
		t.Errorf("n is there again: %q, %v", body, err)
	}
}

// A blob whose file is kept for a backup comes again.
func TestABlobThatABackupKeepsComesAgain(t *testing.T) {
	for _, again := range []string{"during", "after"} {
		t.Run(again, func(t *testing.T) {
			d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: true, Log: quietLog})
			defer d.Close()
			put(t, d, item("a", "bytes"))
			settle(t, d)
			d.pin(1)
			if err := del(d, "a"); err != nil {
				t.Fatal(err)
			}
			settle(t, d)
			if again == "during" {
				put(t, d, item("b", "bytes"))
				settle(t, d)
				if err := d.unpin(); err != nil {
					t.Fatal(err)
				}
			} else {
				d.pin(-1)
				put(t, d, item("b", "bytes"))
			}
			intact(t, d)
			if err := del(d, "b"); err != nil {
				t.Fatal(err)
			}
			intact(t, d)
		})
	}
}

// A start has no room for one checkpoint and joins it with the next.
func TestAStartWithoutRoomForOneCheckpoint(t *testing.T) {
	for name, opt := range map[string]Options{"relaxed": relaxed, "durable": {}} {
		for _, two := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " known ", two), func(t *testing.T) {
				r := newRig(100)
				d := r.open(t, opt)
				if two {
					put(t, d, item("n", "bytes"))
					settle(t, d)
				}
				// a checkpoint that cannot end, so that a second segment is begun
				r.failing(func(call string, _ int) error {
					if call == "commit" {
						return syscall.ENOSPC
					}
					return nil
				})
				put(t, d, item("n", "bytes"), item("m", "bytes"))
				if err := d.Flush(); !noSpace(err) {
					t.Fatal(err)
				}
				if err := del(d, "n", "m"); err != nil {
					t.Fatal(err)
				}
				put(t, d, item("o", "others"))
				r.die(d)
				commits := 0
				r.failing(func(call string, _ int) error {
					if call == "commit" {
						if commits++; commits == 1 {
							return syscall.ENOSPC
						}
					}
					return nil
				})
				d = r.open(t, opt)
				intact(t, d)
				if err := del(d, "o"); err != nil {
					t.Fatal(err)
				}
				settle(t, d)
				r.die(d)
				d = r.lostIndex(t, opt)
				if _, body, err := slurp(d, "n"); !errors.Is(err, ErrNotFound) {
					t.Errorf("n is there again: %q, %v", body, err)
				}
			})
		}
	}
}

// Tintype rebuild is cut off, and the server goes on with the old index.
func TestARebuildThatIsCutOff(t *testing.T) {
	for name, opt := range map[string]Options{"relaxed": relaxed, "durable": {}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(100)
			d := r.open(t, opt)
			put(t, d, item("n", "bytes"))
			settle(t, d)
			r.die(d)
			// Rebuild fills a fresh index aside; the process ends before it is renamed
			aside := newModelIndex(r.machine.power, 100)
			if err := newDisk(machineDir, r.h, aside, Options{Log: quietLog}.withDefaults()).reindex(); err != nil {
				t.Fatal(err)
			}
			d = r.open(t, opt)
			settle(t, d)
			if err := del(d, "n"); err != nil {
				t.Fatal(err)
			}
			intact(t, d)
			r.die(d)
			d = r.lostIndex(t, opt)
			if _, body, err := slurp(d, "n"); !errors.Is(err, ErrNotFound) {
				t.Errorf("n is there again: %q, %v", body, err)
			}
		})
	}
}

// findDamage has a reader find a blob damaged, and waits until that is noted.
func findDamage(t *testing.T, d *Disk, name string) {
	t.Helper()
	if _, _, err := slurp(d, name); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	for noted := false; !noted; time.Sleep(time.Millisecond) {
		must(0, d.view(func(l look) (err error) { _, noted, err = l.cursor(tableDamaged).seek(""); return err }))
	}
}

// A damaged resident moves out, and is mended: its first name is not in the ledger.
func TestADamagedResidentThatHasMovedIsMended(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{Relaxed: true, Log: quietLog})
	put(t, d, item("a", "the first body"))
	settle(t, d)
	at, _ := d.residentSpot(Sum([]byte("the first body")))
	flipBit(t, at.stays, 8*at.offset+3)
	if err := edit(d, "a", func(o *Object) { o.Width = 9 }); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	findDamage(t, d, "a")
	put(t, d, item("c", "the first body"))
	intact(t, d)
	if a := read(t, d, "a"); a != "the first body" {
		t.Error(a)
	}
	d.Close()
	if _, err := Rebuild(dir); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{Relaxed: true, Log: quietLog})
	defer d.Close()
	if _, body, err := slurp(d, "a"); err != nil {
		t.Errorf("a after a rebuild: %q, %v", body, err)
	}
}

// Mending that is taken back before the checkpoint.
func TestWhoMendedABlobIsGone(t *testing.T) {
	for name, opt := range map[string]Options{"relaxed": relaxed, "durable": {}} {
		t.Run(name, func(t *testing.T) {
			opt.Log = quietLog
			d := openTest(t, t.TempDir(), newClock(), opt)
			defer d.Close()
			o := put(t, d, item("a", "the first body"))[0]
			settle(t, d)
			if at, _ := d.residentSpot(o.Digest); at != nil {
				flipBit(t, at.stays, 8*at.offset+3)
			} else {
				flipBit(t, d.blobs.path(o.Digest, o.Size), 3)
			}
			findDamage(t, d, "a")
			put(t, d, item("m", "the first body"))
			if got := read(t, d, "a"); got != "the first body" {
				t.Error(got)
			}
			if err := del(d, "m"); err != nil {
				t.Fatal(err)
			}
			settle(t, d)
			if _, body, err := slurp(d, "a"); err != nil {
				t.Errorf("a, which was mended: %q, %v", body, err)
			}
			put(t, d, item("m2", "the first body"))
			settle(t, d)
			if _, body, err := slurp(d, "m2"); err != nil {
				t.Errorf("m2, acknowledged: %q, %v", body, err)
			}
		})
	}
}

// A kill in a checkpoint beside a backup.
func TestAKillBesideABackup(t *testing.T) {
	r := newRig(100)
	d := r.open(t, relaxed)
	put(t, d, item("a", "bytes"))
	settle(t, d)
	d.pin(1)
	if err := del(d, "a"); err != nil {
		t.Fatal(err)
	}
	r.failing(func(call string, _ int) error {
		if call == "commit" {
			return syscall.ENOSPC
		}
		return nil
	})
	d.Flush()
	r.die(d)
	d = r.open(t, relaxed)
	intact(t, d)
}

// A blob has begun to move out beside a backup; the start that ends it is stopped as well,
// and in the end the power goes off.
func TestNoFileComesBackAfterAStoppedStart(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	opt := Options{Relaxed: true, Now: newClock().Now, Log: quietLog}
	for first, off := 1, true; off; first++ {
		for second := 1; second < 20; second++ {
			m := newMachine(r)
			d := must(m.start(opt))
			put(t, d, item("a", "bytes"))
			settle(t, d)
			d.pin(1)
			if err := del(d, "a"); err != nil {
				t.Fatal(err)
			}
			m.cutAfter(first, false)
			d.Flush()
			off = m.isOff()
			m.cut()
			crash(d)
			m = m.kill()
			m.cutAfter(second, false)
			if d, err := m.start(opt); err == nil {
				m.cut()
				crash(d)
			}
			m = m.kill()
			crash(must(m.start(opt)))
			d = must(m.crash(r).start(opt))
			for _, text := range inspect(d) {
				t.Errorf("calls %d and %d: %s", first, second, text)
			}
			crash(d)
		}
	}
}
