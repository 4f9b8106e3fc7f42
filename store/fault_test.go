package store

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	faultBig   = strings.Repeat("big ", maxInline/4+1)
	faultOther = strings.Repeat("other", maxInline/4)
)

// faultOps are what TestEveryCallFails does while a call fails. On what before has
// made, after must be true when do was acknowledged.
var faultOps = map[string]struct {
	do    func(d *Disk) error
	after map[string]string // bytes by name; none: not there
}{
	"put inline": {
		func(d *Disk) error {
			_, err := tryPut(d, item("new", "new bytes"), item("old", "bytes again"))
			return err
		},
		map[string]string{"new": "new bytes", "old": "bytes again"},
	},
	"put large": {
		func(d *Disk) error { _, err := tryPut(d, item("new", faultOther), item("old", "with it")); return err },
		map[string]string{"new": faultOther, "old": "with it"},
	},
	"delete": {
		func(d *Disk) error { return del(d, "old", "big") },
		map[string]string{"old": "", "big": ""},
	},
	"move": {
		func(d *Disk) error { return move(d, rename{"old", "new", time.Unix(1, 0)}) },
		map[string]string{"old": "", "new": "old bytes"},
	},
	"flush": {func(d *Disk) error { return d.Flush() }, nil},
}

// faultBefore is what is there when a call fails.
var faultBefore = map[string]string{
	"old": "old bytes", "big": faultBig, "staged": faultOther + "2", "news": "news", "second": "shared",
	"again": "put again", "gone": "", "first": "",
}

// prepareFaults leaves some of faultBefore in blob files, and some in the journal.
func prepareFaults(t *testing.T, d *Disk) {
	put(t, d, item("old", "old bytes"), item("big", faultBig), item("gone", "gone bytes"), item("again", "put again"), item("first", "shared"))
	settle(t, d)
	put(t, d, item("staged", faultOther+"2"), item("news", "news"), item("second", "shared"), item("useless", faultOther+"3"))
	if err := del(d, "gone", "first", "again", "useless"); err != nil {
		t.Fatal(err)
	}
	put(t, d, item("again", "put again"))
}

// TestEveryCallFails fails each call of each operation in turn, and says what the
// store must be like after that, and after a power cut.
func TestEveryCallFails(t *testing.T) {
	for name := range faultOps {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%s with %v", name, fault), func(t *testing.T) {
				for n := 1; failOne(t, name, fault, n) && !t.Failed(); n++ {
				}
			})
		}
	}
}

// prepared returns a machine with what faultBefore says.
func prepared(t *testing.T, r *rand.Rand) (*machine, *Disk) {
	m := newMachine(r)
	m.base.step = 3
	d := must(m.start(quiet()))
	prepareFaults(t, d)
	return m, d
}

func quiet() Options {
	return Options{Now: newClock().Now, Log: slog.New(slog.DiscardHandler)}
}

// failOne runs an operation whose n-th call fails; false: it has not so many.
func failOne(t *testing.T, name string, fault error, n int) (failed bool) {
	r := rand.New(rand.NewPCG(uint64(n), 3))
	m, d := prepared(t, r)
	var call string
	before := m.calls
	m.failing(func(c string, at int) error {
		if at != before+n {
			return nil
		}
		call = c
		return fault
	})
	err := faultOps[name].do(d)
	m.failing(nil)
	if t.Failed() || call == "" {
		crash(d)
		return false
	}
	at := fmt.Sprintf("%s, call %d (%s)", name, n, call)
	restarted(t, at, m, r, 3, name, err == nil)
	err = afterFault(t, at, d, name, call, fault, err)
	restarted(t, at+", once more", m, r, 3, name, err == nil)
	m.cut()
	crash(d)
	return true
}

// restarted looks at what may be there, so many times, if the power is cut now.
func restarted(t *testing.T, at string, m *machine, r *rand.Rand, times int, name string, acknowledged bool) {
	for range times {
		again := m.image(r)
		d, err := again.start(quiet())
		if err != nil {
			t.Fatalf("%s: restart: %v", at, err)
		}
		hold(t, at+", restarted", d, faultOps[name].after, acknowledged)
		for _, text := range inspect(d) {
			t.Errorf("%s, restarted: %s", at, text)
		}
		again.cut()
		crash(d)
	}
}

// TestEveryCallIsTheLast cuts the power with each call of each operation in turn, or
// kills the process with it and cuts the power with each call of the next start: with
// all of those if TINTYPE_CALLS is 1, else with one in so many.
func TestEveryCallIsTheLast(t *testing.T) {
	step := number("TINTYPE_CALLS", 120)
	for name := range faultOps {
		t.Run(name, func(t *testing.T) {
			stride := 1
			if name == "flush" { // which has most
				stride += step / 20
			}
			for n, more := 1, true; more && !t.Failed(); n += stride {
				stopTwice(t, name, n, 0, false)
				more, _ = stopTwice(t, name, n, 0, true)
				for k, starting := 1, more; starting && !t.Failed(); k += 1 + (step-1)*(n%5+1)/5 {
					_, starting = stopTwice(t, name, n, k, k%3 == 0)
				}
			}
		})
	}
}

// stopTwice cuts the power with the n-th call of an operation, or kills with it and
// cuts the power with the k-th call of the next start, before or after that call. It
// says whether there were so many.
func stopTwice(t *testing.T, name string, n, k int, late bool) (first, second bool) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	m, d := prepared(t, r)
	m.cutAfter(n, late)
	err := faultOps[name].do(d)
	first = m.isOff()
	m.cut()
	crash(d)
	if k > 0 {
		m = m.kill()
		m.cutAfter(k, n%2 == 0)
		if d, err := m.start(quiet()); err == nil {
			crash(d)
		}
		second = m.isOff()
	}
	times := 3
	if k == 0 {
		times = 12
	}
	restarted(t, fmt.Sprintf("%s, call %d, then %d", name, n, k), m, r, times, name, err == nil)
	return first, second
}

// afterFault says what a store must be like after an operation that ended with err,
// one of whose calls has failed. What it refused and may do again is done again, with
// the error that is returned.
func afterFault(t *testing.T, at string, d *Disk, name, call string, fault, err error) error {
	op := faultOps[name]
	// a checkpoint that fails for anything but room is not tried again
	readOnly := strings.HasPrefix(call, "sync") || fault != syscall.ENOSPC && (call == "commit" || name == "flush" && err != nil)
	if readOnly && err == nil {
		t.Errorf("%s: was acknowledged", at)
	}
	hold(t, at, d, op.after, err == nil)
	ready := d.Ready()
	if readOnly {
		if _, err := tryPut(d, item("more", "more")); !errors.Is(err, ErrReadOnly) || !errors.Is(ready, ErrReadOnly) {
			t.Errorf("%s: then Put: %v, Ready: %v, want ErrReadOnly", at, err, ready)
		}
		return err
	}
	if full := errors.Is(err, ErrFull); err != nil && name != "flush" && call != "room" && full != (fault == syscall.ENOSPC) {
		t.Errorf("%s: %v, ErrFull: %v", at, err, full)
	}
	if err != nil {
		err = op.do(d)
	}
	if err != nil || ready != nil {
		t.Errorf("%s: again: %v, Ready: %v", at, err, ready)
	}
	if intact(t, d); t.Failed() {
		t.Log(at)
	}
	return err
}

// hold compares what is there with faultBefore, and with what was acknowledged, or
// else all of it or nothing may have happened; before a restart, nothing.
func hold(t *testing.T, at string, d *Disk, after map[string]string, acknowledged bool) {
	t.Helper()
	is := func(name, want string) bool {
		_, body, err := slurp(d, name)
		if want == "" {
			return errors.Is(err, ErrNotFound)
		}
		return err == nil && body == want
	}
	for name, want := range faultBefore {
		if _, changes := after[name]; !changes && !is(name, want) {
			t.Errorf("%s: %q is not what it was", at, name)
		}
	}
	done, undone := true, true
	for name, want := range after {
		done = done && is(name, want)
		undone = undone && is(name, faultBefore[name])
	}
	switch {
	case acknowledged && !done:
		t.Errorf("%s: acknowledged, and is not there", at)
	case !done && !undone:
		t.Errorf("%s: half of it is there", at)
	case !acknowledged && !undone && !strings.HasSuffix(at, "restarted"):
		t.Errorf("%s: refused, and is there", at)
	}
}
