package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func init() { maxStays = 3 } // so that residents move out

// TestModel has a Disk do random changes on a machine whose power goes off at random
// moments, and compares what is there after the next start with a map. TINTYPE_MODEL
// is the number of rounds, TINTYPE_MODEL_SEED the first of their seeds. Under the tag
// seedbug it passes only if it notices the bug that TINTYPE_SEEDBUG names.
func TestModel(t *testing.T) {
	rounds, seed := number("TINTYPE_MODEL", 120), uint64(number("TINTYPE_MODEL_SEED", 1))
	bug := os.Getenv("TINTYPE_SEEDBUG")
	wantBad := bug != "" && seeded(bug)
	bad, i := 0, 0
	for ; i < rounds || wantBad && bad == 0 && i < 10*rounds; i++ {
		m := newModel(seed + uint64(i))
		m.round()
		if len(m.wrong) == 0 {
			continue
		}
		if bad++; wantBad {
			continue
		}
		t.Errorf("seed %d (relaxed: %v): %s", seed+uint64(i), m.opt.Relaxed, strings.Join(m.wrong, "\n\t"))
		if bad == 10 {
			t.Fatalf("%d of %d rounds", bad, i+1)
		}
	}
	t.Logf("%d of %d rounds with violations", bad, i)
	if wantBad && bad == 0 {
		t.Errorf("%s was not noticed", bug)
	}
}

// number returns a number of the environment.
func number(name string, without int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return without
}

// content is bytes that many objects share.
type content struct {
	bytes  string
	digest Digest
}

// contents are few, so that blobs often lose and gain their last name: most small,
// some beside the length from which on they have a file at once.
var contents = sync.OnceValue(func() (all []content) {
	for i := range 50 {
		size := i * i
		switch {
		case i >= 48:
			size = maxInline + 3 - i%2*3
		case i >= 44:
			size = maxInline + i*1000
		case i >= 36:
			size = i * 700
		}
		b := bytes.Repeat([]byte(fmt.Sprintf("content %d ", i)), size/10+1)[:size]
		all = append(all, content{string(b), Sum(b)})
	}
	return all
})

func bytesOf(d Digest) string {
	for _, c := range contents() {
		if c.digest == d {
			return c.bytes
		}
	}
	return "not a content of the model"
}

// world is what is stored, by name.
type world map[string]Object

// model is one round: a machine, what was done to it, and what must be there.
type model struct {
	rand    *rand.Rand
	machine *machine
	clock   *clock
	opt     Options
	disk    *Disk
	workers []*worker
	full    int // one write in so many finds no room; 0: there is room
	care    int // what goes on beside the changes

	mu    sync.Mutex // guards wrong and ids
	wrong []string
	ids   []string // that were ever given
}

// worker changes names of its own, one change after the other.
type worker struct {
	*model
	rand *rand.Rand
	name string
	// states are what may be there after a power cut, each after one change more: the
	// first is safe, the last is what readers see.
	states []world
	doubt  bool // the last has not been acknowledged
	seen   map[string]remembered
}

func newModel(seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 1))
	m := &model{rand: r, machine: newMachine(r), clock: newClock()}
	m.opt = Options{Now: m.clock.Now, Relaxed: r.IntN(3) == 0, Log: slog.New(slog.DiscardHandler)}
	m.full, m.care = []int{0, 0, 0, 40, 150}[r.IntN(5)], r.IntN(7)
	for i := range []int{1, 1, 2, 4}[r.IntN(4)] {
		m.workers = append(m.workers, &worker{model: m, name: fmt.Sprint("w", i), states: []world{{}}, seen: make(map[string]remembered)})
	}
	return m
}

func (m *model) bad(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// round is some lives of one store, each ended by a power cut.
func (m *model) round() {
	if m.disk = must(m.machine.start(m.opt)); m.disk == nil {
		return
	}
	for range 1 + m.rand.IntN(4) {
		if m.rand.IntN(4) > 0 {
			m.machine.cutAfter(1+m.rand.IntN(250), m.rand.IntN(2) == 0)
		}
		for part := 1 + m.rand.IntN(3); part > 0 && !m.machine.isOff(); part-- {
			m.work(1 + m.rand.IntN(25))
			m.sweep()
		}
		m.machine.cut()
		crash(m.disk)
		m.rebuild(false)
		m.restart()
		if len(m.wrong) > 0 {
			return
		}
		m.haveRoom()
		m.compare()
	}
	m.haveRoom()
	if err := m.disk.Close(); err != nil {
		m.bad("Close: %v", err)
	}
	if left, err := leftOver(m.disk, stays(m.disk)...); len(left) > 0 || err != nil {
		m.bad("after Close: %v, %v", left, err)
	}
	if m.disk.fs.SyncAll() == nil {
		m.rebuild(true)
	}
}

// runOut lets some writes find no room.
func (m *model) runOut() {
	if m.full == 0 || m.rand.IntN(2) == 0 {
		return
	}
	r := rand.New(rand.NewPCG(m.rand.Uint64(), 4))
	m.machine.failing(func(call string, _ int) error {
		if slices.Contains([]string{"create", "write", "commit", "mkdir"}, call) && r.IntN(m.full) == 0 {
			return syscall.ENOSPC
		}
		return nil
	})
}

// haveRoom lets all writes find room again, and what has waited for it end.
func (m *model) haveRoom() {
	m.machine.failing(nil)
	for m.disk.Flush() != nil && m.disk.Ready() == nil {
		time.Sleep(time.Millisecond)
	}
}

// careFor does the work that goes on beside changes in this round, if there is one.
func (m *model) careFor(r *rand.Rand) {
	var err error
	quiet := func(int64, int64) {}
	switch m.care {
	case 0: // as a backup does
		m.disk.pin(1)
		time.Sleep(time.Duration(r.IntN(10)) * 100 * time.Microsecond)
		err = m.disk.unpin()
	case 1:
		var s Scrubbed
		if s, err = m.disk.Scrub(false, quiet); !m.machine.isOff() && len(s.Damaged)+len(s.Nameless) > 0 {
			m.bad("Scrub: %+v", s)
		}
	case 2, 3:
		_, err = m.disk.unnamed(true, quiet)
	}
	if err != nil && !m.machine.isOff() && !noSpace(err) {
		m.bad("beside changes: %v", err)
	}
}

// work has all workers do so many changes, with a Flush now and then beside them.
func (m *model) work(changes int) {
	var working, flushing sync.WaitGroup
	done := make(chan struct{})
	for _, w := range m.workers {
		w.rand = rand.New(rand.NewPCG(m.rand.Uint64(), 2))
		working.Go(func() {
			for range changes {
				if m.machine.isOff() || !w.change() {
					return
				}
			}
		})
	}
	if pause := time.Duration(m.rand.IntN(4)) * 100 * time.Microsecond; pause > 0 {
		flushing.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(pause):
					m.flush()
				}
			}
		})
	}
	if r := rand.New(rand.NewPCG(m.rand.Uint64(), 3)); m.care < 4 {
		flushing.Go(func() {
			for !m.machine.isOff() {
				select {
				case <-done:
					return
				case <-time.After(time.Duration(r.IntN(5)) * 100 * time.Microsecond):
					m.careFor(r)
				}
			}
		})
	}
	m.runOut()
	working.Wait()
	close(done)
	flushing.Wait()
	if m.rand.IntN(2) == 0 {
		m.machine.failing(nil)
	}
	if m.rand.IntN(2) == 0 && m.flush() {
		for _, w := range m.workers {
			w.flushed()
		}
	}
}

func (m *model) flush() bool {
	err := m.disk.Flush()
	if err != nil && !m.machine.isOff() && !noSpace(err) {
		m.bad("Flush: %v", err)
	}
	return err == nil
}

// sweep lets time pass and what is due go.
func (m *model) sweep() {
	if m.machine.isOff() {
		return
	}
	m.clock.add(time.Duration(m.rand.IntN(90)) * time.Second)
	if m.rand.IntN(2) == 0 {
		return
	}
	until := m.clock.Now().Add(-time.Minute)
	_, err := m.disk.Sweep(until)
	if noSpace(err) {
		return
	}
	for _, w := range m.workers {
		next := maps.Clone(w.now())
		maps.DeleteFunc(next, func(_ string, o Object) bool {
			return o.Expired(m.clock.Now()) || !o.Deleted.IsZero() && !o.Deleted.After(until)
		})
		w.did(next, err)
	}
}

// stays returns the segments that stay.
func stays(d *Disk) (all []*stay) {
	d.base.view(func(base rows) (err error) {
		all, err = look{rows: base}.stays()
		return err
	})
	return all
}

// rebuild makes the index anew on the side, from what another power cut may leave.
// That of a relaxed Disk may hold more than a start would keep, but for one that has
// been closed.
func (m *model) rebuild(closed bool) {
	if m.opt.Relaxed && !closed || m.rand.IntN(3) > 0 {
		return
	}
	aside := m.machine.image(m.rand)
	aside.base = newModelIndex(aside.power, 100)
	if err := newDisk(machineDir, aside.files, aside.base, m.opt).reindex(); err != nil {
		m.bad("rebuild: %v", err)
		return
	}
	d, err := aside.start(m.opt)
	if err != nil {
		m.bad("start after a rebuild: %v", err)
		return
	}
	defer crash(d)
	for _, w := range m.workers {
		w.find(d, "after a rebuild")
	}
	for _, text := range inspect(d) {
		if !strings.HasPrefix(text, "nothing names") { // blobs that the journal took their names from are left to Collect
			m.bad("after a rebuild: %s", text)
		}
	}
}

// restart starts the machine again, with a stop while it does, or two.
func (m *model) restart() {
	for cuts := m.rand.IntN(3); ; cuts-- {
		if m.rand.IntN(3) == 0 {
			m.machine = m.machine.kill()
		} else {
			m.machine = m.machine.crash(m.rand)
		}
		if cuts > 0 {
			m.machine.cutAfter(1+m.rand.IntN(30), m.rand.IntN(2) == 0)
		}
		m.runOut()
		d, err := m.machine.start(m.opt)
		if err == nil && cuts > 0 {
			m.machine.cut()
			crash(d)
			continue
		}
		if err != nil && m.machine.isOff() {
			continue
		}
		if m.disk = d; err != nil {
			m.bad("start: %v", err)
		}
		return
	}
}

// compare looks at everything that is there after a start.
func (m *model) compare() {
	if left, err := leftOver(m.disk, stays(m.disk)...); len(left) > 0 || err != nil {
		m.bad("after the start: %v, %v", left, err)
	}
	for _, text := range inspect(m.disk) {
		m.bad("after the start: %s", text)
	}
	if _, err := m.disk.Sweep(time.Time{}); err != nil { // of what has expired, which no map has
		m.bad("Sweep: %v", err)
	}
	all := make(world)
	for _, w := range m.workers {
		now := w.find(m.disk, "after the start")
		w.states, w.doubt = []world{now}, false
		maps.Copy(all, now)
	}
	if m.full == 0 && m.disk.uncounted != nil {
		m.bad("after the start: %v", m.disk.uncounted)
	}
	var want Stats
	owners := make(map[string]usage)
	blobs, byID := make(map[Digest]bool), make(map[string]Object)
	for name, o := range all {
		want.Objects++
		want.ObjectBytes += o.Size
		owners[o.Owner] = owners[o.Owner].add(1, o)
		if !blobs[o.Digest] {
			want.Blobs++
			want.BlobBytes += o.Size
		}
		blobs[o.Digest] = true
		if o.Deleted.IsZero() {
			byID[o.ID] = o
		}
		if got, body, err := slurp(m.disk, name); err != nil || !same(got, o) || body != bytesOf(o.Digest) {
			m.bad("Open(%q): %v, %d bytes, %v, want %v", name, brief(got), len(body), err, brief(o))
		}
	}
	for _, id := range m.ids {
		want, ok := byID[id]
		if got, err := m.disk.Find(id); ok != (err == nil) || !same(got, want) || err != nil && !errors.Is(err, ErrNotFound) {
			m.bad("Find(%q): %v, %v, want %v", id, brief(got), err, brief(want))
		}
	}
	if got, err := m.disk.Stats(); err != nil || got != want {
		m.bad("Stats: %+v, %v\nwant %+v", got, err, want)
	}
	for _, owner := range []string{"app", "owner 0", "owner 1", "owner 2", "owner 3", "owner 4", "nobody"} {
		if objects, bytes, err := m.disk.Usage(owner); m.disk.uncounted == nil && (err != nil || owners[owner] != usage{objects, bytes}) {
			m.bad("Usage(%q): %d, %d, %v, want %+v", owner, objects, bytes, err, owners[owner])
		}
	}
}
