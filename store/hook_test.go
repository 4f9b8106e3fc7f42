package store

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// hookFS asks before a file is opened, read or removed.
type hookFS struct {
	fileSystem
	on atomic.Pointer[func(op, path string) error]
}

func (h *hookFS) hook(f func(op, path string) error) {
	if f == nil {
		h.on.Store(nil)
		return
	}
	h.on.Store(&f)
}
func (h *hookFS) ask(op, path string) error {
	if f := h.on.Load(); f != nil {
		return (*f)(op, path)
	}
	return nil
}
func (h *hookFS) Open(p string) (file, error) {
	if err := h.ask("open", p); err != nil {
		return nil, err
	}
	f, err := h.fileSystem.Open(p)
	if err != nil {
		return nil, err
	}
	return &hookFile{f, h, p}, nil
}
func (h *hookFS) Remove(p string) error {
	if err := h.ask("remove", p); err != nil {
		return err
	}
	return h.fileSystem.Remove(p)
}

type hookFile struct {
	file
	h *hookFS
	p string
}

func (f *hookFile) ReadAt(b []byte, at int64) (int, error) {
	if err := f.h.ask("read", f.p); err != nil {
		return 0, err
	}
	return f.file.ReadAt(b, at)
}

// rig is a machine whose files can be made to fail by path.
type rig struct {
	*machine
	h *hookFS
}

func newRig(step int) *rig {
	m := newMachine(rand.New(rand.NewPCG(7, 7)))
	m.base.step = step
	return &rig{m, &hookFS{fileSystem: m.files}}
}

var quietLog = slog.New(slog.DiscardHandler)

func (r *rig) open(t *testing.T, opt Options) *Disk {
	t.Helper()
	opt.Now, opt.Log = newClock().Now, quietLog
	d, err := start(machineDir, r.h, r.base, opt.withDefaults())
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return d
}

// die ends the process; nothing of what was written is lost.
func (r *rig) die(d *Disk) {
	r.machine.cut()
	crash(d)
	r.machine = r.machine.kill()
	r.h.hook(nil)
}

// lostIndex rebuilds.
func (r *rig) lostIndex(t *testing.T, opt Options) *Disk {
	t.Helper()
	r.machine.base = newModelIndex(r.machine.power, 100)
	opt.Now, opt.Log = newClock().Now, quietLog
	if err := newDisk(machineDir, r.h, r.machine.base, opt.withDefaults()).reindex(); err != nil {
		t.Fatal(err)
	}
	return r.open(t, opt)
}

var relaxed = Options{Relaxed: true}
