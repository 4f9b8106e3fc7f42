package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// now is what readers see of a worker's names.
func (w *worker) now() world { return w.states[len(w.states)-1] }

// did notes what a change has made of the world, and says whether there may be
// another.
func (w *worker) did(next world, err error) bool {
	switch {
	case err == nil && !w.opt.Relaxed:
		w.states = []world{next}
	case err == nil || w.machine.isOff():
		w.states = append(w.states, next)
		w.doubt = err != nil
	default:
		w.bad("Apply: %v", err)
	}
	return err == nil
}

// change does something to some of the worker's names.
func (w *worker) change() bool {
	names := w.rand.Perm(14)
	pick := func() string {
		n := names[0]
		names = names[1:]
		return fmt.Sprintf("%s/%d", w.name, n)
	}
	var ch Change
	switch w.rand.IntN(12) {
	case 0:
		if w.flush() {
			w.flushed()
		}
		return true
	case 1:
		return w.read(pick())
	case 2, 3:
		ch.Delete = []string{pick(), pick()}[:1+w.rand.IntN(2)]
	case 4:
		ch.Edit = []Edit{w.edit(pick(), "")}
	case 5:
		ch.Edit = []Edit{w.edit(pick(), pick())}
	case 6:
		name := pick()
		ch.Edit = []Edit{w.edit(name, "trash/"+name)}
	case 7:
		ch.Delete, ch.Put = []string{pick()}, []Item{w.item(pick())}
		ch.Edit = []Edit{w.edit(pick(), pick())}
	default:
		for range 1 + w.rand.IntN(3) {
			ch.Put = append(ch.Put, w.item(pick()))
		}
	}
	if w.rand.IntN(3) == 0 { // found out when it is decided
		later := ch.Delete
		ch.Delete = nil
		ch.Decide = func(_ View, c *Change) error {
			c.Delete = slices.Clone(later)
			return nil
		}
		return w.apply(ch, later)
	}
	return w.apply(ch, ch.Delete)
}

// item returns something to be put.
func (w *worker) item(name string) Item {
	c := contents()[w.rand.IntN(50)]
	if w.rand.IntN(3) > 0 {
		c = contents()[w.rand.IntN(12)]
	}
	it := Item{Object: Object{Name: name, Owner: "app", MediaType: "image/png", Width: w.rand.IntN(100)}, Body: strings.NewReader(c.bytes)}
	it.New = w.rand.IntN(6) == 0
	if w.rand.IntN(4) == 0 {
		it.Expires = w.clock.Now().Add(time.Duration(w.rand.IntN(120)) * time.Second)
	}
	if w.rand.IntN(2) == 0 {
		it.Attributes = map[string]string{"k": strings.Repeat("v", w.rand.IntN(300))}
	}
	if w.rand.IntN(2) == 0 {
		w.mu.Lock()
		it.ID = fmt.Sprint("id ", len(w.ids))
		w.ids = append(w.ids, it.ID)
		w.mu.Unlock()
	}
	// what Apply fills in, for the map
	it.Digest, it.Size = c.digest, int64(len(c.bytes))
	return it
}

// edit returns a change of what is told of an object, or with another name a move.
func (w *worker) edit(name, to string) Edit {
	owner, now := fmt.Sprint("owner ", w.rand.IntN(5)), w.clock.Now()
	return Edit{name, func(o *Object) error {
		o.Owner, o.Modified = owner, now
		if to != "" {
			o.Name = to
		}
		if strings.HasPrefix(o.Name, "trash/") {
			o.Deleted = now
		}
		return nil
	}}
}

// apply does ch, with deletes, to the store and to the map.
func (w *worker) apply(ch Change, deletes []string) bool {
	next, want := w.predict(ch, deletes)
	objs, err := w.disk.Apply(ch)
	if noSpace(err) && !w.machine.isOff() {
		return true // refused, and nothing is done
	}
	if want != nil {
		if err == nil {
			w.bad("Apply: no error, want %v", want)
		} else if !errors.Is(err, want) && !w.machine.isOff() {
			w.bad("Apply: %v, want %v", err, want)
		}
		return !w.machine.isOff()
	}
	for i, o := range objs {
		if !alike(o, next[o.Name]) || o.Name != ch.Put[i].Name {
			w.bad("Apply: %v, want %v", brief(o), brief(next[o.Name]))
		}
		next[o.Name] = o
	}
	return w.did(next, err)
}

// predict returns what a change makes of the world, or its error.
func (w *worker) predict(ch Change, deletes []string) (next world, err error) {
	next = maps.Clone(w.now())
	there := func(name string) (Object, bool) {
		o, ok := next[name]
		return o, ok && !o.Expired(w.clock.Now())
	}
	for _, name := range deletes {
		if _, ok := there(name); !ok {
			return nil, ErrNotFound
		}
		delete(next, name)
	}
	for _, e := range ch.Edit {
		old, ok := there(e.Name)
		if !ok {
			return nil, ErrNotFound
		}
		o := old
		e.Do(&o)
		if !o.Modified.Equal(old.Modified) && !o.Modified.After(old.LastModified()) {
			o.Modified = old.LastModified().Add(time.Microsecond)
		}
		delete(next, e.Name)
		next[o.Name] = o
	}
	for _, it := range ch.Put {
		if _, ok := there(it.Name); ok && it.New {
			return nil, ErrExists
		}
		o := it.Object
		o.Created = w.clock.Now()
		next[o.Name] = o
	}
	return next, nil
}

// alike compares objects but for what depends on what had the name before, which
// may have expired and be gone, and for what predict does not work out.
func alike(a, b Object) bool {
	a.CRC, a.Modified, b.CRC, b.Modified = 0, time.Time{}, 0, time.Time{}
	return same(a, b)
}

// flushed notes that all that was acknowledged is on the disk.
func (w *worker) flushed() {
	if !w.doubt {
		w.states = w.states[len(w.states)-1:]
	}
}

// read compares what is under a name now.
func (w *worker) read(name string) bool {
	want, ok := w.now()[name]
	ok = ok && !want.Expired(w.clock.Now())
	version := w.disk.Version(name)
	o, body, err := slurp(w.disk, name)
	if was, again := w.seen[name]; again && was.disk == w.disk && was.version == version && ok && err == nil && !same(was.Object, o) {
		w.bad("%v has the version of %v", brief(o), brief(was.Object))
	}
	w.seen[name] = remembered{o, w.disk, version}
	switch {
	case w.machine.isOff():
		return false
	case !ok && !errors.Is(err, ErrNotFound):
		w.bad("Open(%q): %+v, %v, want ErrNotFound", name, o, err)
	case ok && (err != nil || !same(o, want) || body != bytesOf(want.Digest)):
		w.bad("Open(%q): %v, %d bytes, %v, want %v", name, brief(o), len(body), err, brief(want))
	}
	return true
}

// remembered is what was under a name, as who keeps it in memory has it.
type remembered struct {
	Object
	disk    *Disk
	version uint64
}

// find returns which of the states that may be there is there.
func (w *worker) find(d *Disk, when string) world {
	got := make(world)
	for _, prefix := range [...]string{w.name + "/", "trash/" + w.name + "/"} {
		objs, err := d.List(prefix, "", "", 1000)
		if err != nil {
			w.bad("%s: List: %v", when, err)
		}
		for _, o := range objs {
			got[o.Name] = o
		}
	}
	var diff []string
	for i, want := range slices.Backward(w.states) {
		want = maps.Clone(want)
		maps.DeleteFunc(want, func(_ string, o Object) bool { return o.Expired(w.clock.Now()) })
		compare := same
		if w.doubt && i == len(w.states)-1 {
			compare = alike
		}
		if maps.EqualFunc(got, want, compare) {
			return got
		}
		diff = append(diff, difference(got, want, compare))
	}
	w.bad("%s: %s has none of the states that it may have: %s", when, w.name, strings.Join(diff, "\n\t\tor "))
	return got
}

// brief is an object in a message.
type brief Object

func (o brief) String() string {
	when := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("15:04:05.999999")
	}
	return fmt.Sprintf("%q (%.8v of %d bytes, %q of %s, created %s, modified %s, expires %s, deleted %s)",
		o.Name, o.Digest.String(), o.Size, o.ID, o.Owner, when(o.Created), when(o.Modified), when(o.Expires), when(o.Deleted))
}

func difference(got, want world, compare func(a, b Object) bool) string {
	var text []string
	for name, o := range want {
		if have, ok := got[name]; !ok {
			text = append(text, fmt.Sprintf("%q is lost", name))
		} else if !compare(have, o) {
			text = append(text, fmt.Sprintf("%v, want %v", brief(have), brief(o)))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			text = append(text, fmt.Sprintf("%q is there", name))
		}
	}
	return strings.Join(text, ", ")
}
