package store

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// errOff is what every call returns after a power cut.
var errOff = errors.New("power is off")

// power is what a file system and an index in memory depend on. It counts their
// calls, and fails the ones it is told to.
type power struct {
	mu    sync.Mutex
	calls int
	cutAt int                            // the call with which the power goes off; 0: none
	late  bool                           // that call has its effect
	fail  func(call string, n int) error // nil: no call fails
	off   bool
}

// use counts a call. done: the call has its effect, even if it fails.
func (p *power) use(call string) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return false, errOff
	}
	p.calls++
	if p.calls == p.cutAt {
		p.off = true
		return p.late, errOff
	}
	if p.calls%8 == 0 {
		runtime.Gosched()
	}
	if p.fail != nil {
		if err := p.fail(call, p.calls); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *power) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
}

// cutAfter cuts the power with the n-th call from now on, a moment before or after it.
func (p *power) cutAfter(n int, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt, p.late = p.calls+n, late
}

// failing has calls fail as f says; nil: none.
func (p *power) failing(f func(call string, n int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

func (p *power) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// modelIndex is an index in memory: its commit is on the disk step by step, and a
// power cut comes between two of them.
type modelIndex struct {
	*power
	step int // rows in one

	mu   sync.Mutex
	rows *layer
}

func newModelIndex(p *power, step int) *modelIndex {
	m := &modelIndex{power: p, step: step, rows: newLayer()}
	for key, value := range map[string][]byte{
		keyFormat: binary.AppendUvarint(nil, format), keyApplied: {0}, keyStats: Stats{}.pack(),
	} {
		m.rows.Set(row{table: tableMeta, key: key, value: value})
	}
	return m
}

// crash returns the index as it is after a power cut.
func (m *modelIndex) crash(p *power) *modelIndex {
	return &modelIndex{power: p, step: m.step, rows: m.snapshot()}
}

func (m *modelIndex) snapshot() *layer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows.Copy()
}

func (m *modelIndex) view(f func(rows) error) error { return f(modelRows{m.snapshot()}) }

func (m *modelIndex) commit(first []row, each func(put func(row) error) error) error {
	step := slices.Clone(first)
	flush := func() error {
		if len(step) == 0 {
			return nil
		}
		done, err := m.use("commit")
		if done {
			m.set(step)
		}
		step = step[:0]
		if err != nil && !isFull(err) {
			return synced(err)
		}
		return err
	}
	err := each(func(r row) error {
		if step = append(step, r); len(step) < m.step {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (m *modelIndex) set(step []row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range step {
		if r.value == nil {
			m.rows.Delete(r)
		} else {
			m.rows.Set(row{table: r.table, key: r.key, value: r.value})
		}
	}
}

func (m *modelIndex) close() error { return nil }

// age makes the index of a Disk one of formatUncounted, with left-overs of a later one,
// and has the Disk go on as it did then. Nothing of it is in layers.
func (m *modelIndex) age(d *Disk) {
	rows := []row{{table: tableMeta, key: keyFormat, value: binary.AppendUvarint(nil, formatUncounted)},
		{table: tableMeta, key: keyOwner + "nobody", value: usage{3, 4}.pack()}, {table: tableMeta, key: keyOwner + "app"}}
	m.set(rows)
	d.uncounted = errors.New("in a version that does not count")
}

type modelRows struct{ l *layer }

func (m modelRows) get(t table, key string) ([]byte, error) {
	if r, ok := m.l.Get(row{table: t, key: key}); ok {
		return r.value, nil
	}
	return nil, ErrNotFound
}

func (m modelRows) cursor(t table) cursor { return &layerCursor{table: t, it: m.l.Iter()} }

// machine is a file system and an index on one power supply, with a Disk's
// directories.
type machine struct {
	*power
	files *strictFiles
	base  *modelIndex
}

const machineDir = "pictures"

func newMachine(r *rand.Rand) *machine {
	p := &power{}
	m := &machine{p, newStrictFiles(p), newModelIndex(p, 1+r.IntN(40))}
	for _, sub := range [...]string{"/blobs", "/tmp", "/journal"} {
		m.files.Mkdir(machineDir + sub)
	}
	m.files.SyncAll()
	m.files.one = r.IntN(2) == 0
	return m
}

// crash cuts the power and returns the machine as it may be after that.
func (m *machine) crash(r *rand.Rand) *machine {
	m.cut()
	return m.image(r)
}

// image returns the machine as it may be if the power were cut now.
func (m *machine) image(r *rand.Rand) *machine {
	p := &power{}
	return &machine{p, m.files.crash(r, p), m.base.crash(p)}
}

// kill returns the machine after an end of the process alone: nothing is lost, and
// nothing more on the disk.
func (m *machine) kill() *machine {
	p := &power{}
	m.files.power, m.base.power = p, p
	return &machine{p, m.files, m.base}
}

// start opens the Disk of the machine.
func (m *machine) start(opt Options) (*Disk, error) {
	return start(machineDir, m.files, m.base, opt.withDefaults())
}
