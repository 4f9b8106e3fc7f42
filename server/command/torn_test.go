//go:build fire && linux

package command

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// statesPerLog is how many crash states are made from one recorded run.
const statesPerLog = 60

// TestTornWrites records every write and flush of a disk under a loaded server, and
// makes of them TINTYPE_STATES disks as a power cut might have left them: all that
// was flushed, and of what was written since, any part. What was acknowledged before
// has to be there whole, and no file that nothing names. A third of the cuts fall
// into the first second of a new data directory. Built with the tag seedbug, the
// server has the bug that TINTYPE_SEEDBUG names, and the test must notice.
func TestTornWrites(t *testing.T) {
	states := times(t, "TINTYPE_STATES", 40)
	l := newLab(t, "mkfs.ext4", "e2fsck")
	total, bad := newKiller(t, ""), 0
	v := l.volume("ext4", "crashed")
	var checking time.Duration
	for done := 0; done < states; done += statesPerLog {
		run := recordRun(l)
		began := time.Now()
		for i, cut := range run.cuts(min(statesPerLog, states-done)) {
			if run.check(v, cut, survival(i%int(survivals)), i%5 == 0) > 0 {
				bad++
			}
		}
		checking += time.Since(began)
		total.add(run.killer)
	}
	t.Logf("%.1f states a second", float64(states)/checking.Seconds())
	total.report(states, "crash states", bad)
}

// recorded is a run of the server on a disk that remembers.
type recorded struct {
	*killer
	settled []byte // the disk with all records before the next to be settled
	next    int
	records []record
	first   time.Time // acknowledgement
	young   time.Time // until then the data directory is new
}

// recordRun loads a server on a new data directory for a second, starts it anew,
// and loads it until time-limited pictures are promised too.
func recordRun(l *lab) *recorded {
	l.t.Helper()
	w, v, unmount := l.logged("ext4", "recorded", 64)
	defer unmount()
	v.mkfs()
	if err := v.mount("commit=1"); err != nil {
		l.t.Fatal(err)
	}
	r := &recorded{killer: newKiller(l.t, filepath.Join(v.dir, "data")), settled: w.start()}
	began := time.Now()
	p := killServer(l.t, r.dir)
	r.load(p.url, func() {
		time.Sleep(max(time.Until(began.Add(time.Second)), 300*time.Millisecond))
		r.young = time.Now()
		p.kill()
	})
	p = killServer(l.t, r.dir)
	r.load(p.url, func() {
		time.Sleep(2500 * time.Millisecond)
		p.kill()
	})
	r.records = w.stop()
	v.unmount()
	if len(r.all) == 0 {
		l.t.Fatal("nothing was acknowledged")
	}
	r.first = slices.MinFunc(r.all, func(a, b *stored) int { return a.acked.Compare(b.acked) }).acked
	return r
}

// cuts returns indexes of records that a power cut comes just before, in order: a
// sixth before the first acknowledgement, a sixth later in the first second.
func (r *recorded) cuts(n int) []int {
	index := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(r.records, t, func(w record, t time.Time) int { return w.at.Compare(t) })
		return min(i, len(r.records)-1)
	}
	among := func(from, to int) int { return from + rand.IntN(max(1, to-from)) }
	first, young := index(r.first), index(r.young)
	cuts := make([]int, n)
	for i := range cuts {
		switch i % 6 {
		case 0:
			cuts[i] = among(0, first)
		case 1:
			cuts[i] = among(first, young)
		default:
			cuts[i] = among(young, len(r.records))
		}
	}
	slices.Sort(cuts)
	return cuts
}

// check makes the disk of a power cut just before a record, and counts what is not
// as promised, by a server too if it is asked. Cuts come in order.
func (r *recorded) check(v *volume, cut int, how survival, byServer bool) (bad int) {
	if err := r.crash(v, cut, how); err != nil {
		r.t.Fatal(err)
	}
	if err := v.mount(""); err != nil {
		r.log("%v", err)
		return 1
	}
	r.dir = filepath.Join(v.dir, "data")
	m := powerCut(r.records[cut].at, r.records[cut].at)
	if byServer {
		bad = r.examineCut(m)
	}
	if bad == 0 { // otherwise the store may be beyond reading
		bad, _ = r.autopsy(m)
	}
	v.unmount()
	if err := v.fsck(); err != nil {
		r.log("%v", err)
		bad++
	}
	return bad
}

// crash puts on v what the disk may have had just before a record.
func (r *recorded) crash(v *volume, cut int, how survival) error {
	flushed := cut
	for flushed > 0 && r.records[flushed-1].data != nil {
		flushed--
	}
	for ; r.next < flushed; r.next++ {
		w := r.records[r.next]
		copy(r.settled[w.offset:], w.data)
	}
	f, err := os.OpenFile(v.image, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(r.settled, 0)
	return errors.Join(err, how.write(f, r.records[flushed:cut]), f.Close())
}
