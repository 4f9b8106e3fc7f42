package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Stat implements View.
func (w world) Stat(name string) (Object, error) {
	if o, ok := w[name]; ok {
		return o, nil
	}
	return Object{}, ErrNotFound
}

// List implements View.
func (w world) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if !strings.HasPrefix(name, prefix) || name < from {
			continue
		}
		o := w[name]
		if i := strings.Index(name[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			o = Object{Name: name[:len(prefix)+i+len(delimiter)]}
		}
		if n := len(objs); n > 0 && objs[n-1].Name == o.Name {
			continue
		}
		if len(objs) == limit {
			break
		}
		objs = append(objs, o)
	}
	return objs, nil
}

// Usage implements View.
func (w world) Usage(owner string) (objects, bytes int64, err error) {
	for _, o := range w {
		if o.Owner == owner {
			objects, bytes = objects+1, bytes+o.Size
		}
	}
	return objects, bytes, nil
}

func describe(ch Change) string {
	var text []string
	for _, name := range ch.Delete {
		text = append(text, "delete "+name)
	}
	for _, e := range ch.Edit {
		o := Object{Name: e.Name}
		e.Do(&o)
		text = append(text, "edit "+e.Name+" to "+o.Name)
	}
	for _, in := range ch.Put {
		text = append(text, fmt.Sprintf("put %s (new: %v)", in.Name, in.New))
	}
	return fmt.Sprintf("decide: %v, %s", ch.Decide != nil, strings.Join(text, ", "))
}

// adopt takes for the world what a change that failed has left: of each name what was there, or
// what was to be.
func (w *bucketWorker) adopt(next world) {
	w.weather.set(0, -1)
	w.weather.calm(true)
	found := make(world)
	for _, name := range w.names {
		o, err := patiently(func() (Object, error) { return w.server.Stat(name) })
		if err == nil {
			found[name] = o
		} else if !errors.Is(err, ErrNotFound) {
			w.Errorf("Stat(%q): %v", name, err)
		}
		if !alike(found[name], w.world[name]) && !alike(found[name], next[name]) {
			w.Errorf("%q is neither as it was nor as it was to be: %v, was %v, to be %v", name, brief(found[name]), brief(w.world[name]), brief(next[name]))
		}
	}
	for name, was := range w.world { // what moves has one of its names
		for to, is := range next {
			moved := to != name && is.Digest == was.Digest && is.Created.Equal(was.Created) && is.ID == was.ID
			if moved && found[name].Name == "" && found[to].Name == "" {
				w.Errorf("%q is lost on its way to %q", name, to)
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.world, w.unsure = found, true
}

// patiently reads again where S3 has not answered.
func patiently[T any](read func() (T, error)) (T, error) {
	for tries := 0; ; tries++ {
		if got, err := read(); !errors.Is(err, ErrUnreachable) || tries == 9 {
			return got, err
		}
	}
}

// compare looks at what both servers read.
func (m *bucketModel) compare() {
	all := make(world)
	for _, w := range m.workers {
		w.forget(w.expired)
		maps.Copy(all, w.world)
	}
	for i, b := range m.servers {
		m.compareList(b, all, "", "", "", 1000)
		prefix := []string{"", "w0/", "w1/f/", "delete-", "w2", "nothing"}[m.rand.IntN(6)]
		from := []string{"", "delete-w1", "w0/f/a_full", "w1/f/b\x00", "z"}[m.rand.IntN(5)]
		m.compareList(b, all, prefix, from, []string{"", "/", "_"}[m.rand.IntN(3)], 1+m.rand.IntN(5))
		for _, w := range m.workers {
			for _, name := range w.names {
				if _, ok := w.world[name]; !ok && m.rand.IntN(8) > 0 {
					continue // the list has it that there is nothing
				}
				var body string
				got, err := patiently(func() (o Object, err error) { o, body, err = slurp(b, name); return o, err })
				want, ok := w.world[name]
				if !ok && !errors.Is(err, ErrNotFound) || ok && (err != nil || !alike(got, want) || body != bytesOf(want.Digest)) {
					m.Errorf("server %d: Open(%q): %v, %d bytes, %v\nwant %v", i, name, brief(got), len(body), err, brief(want))
				}
			}
			if !m.unsure {
				m.compareIDs(b, w)
			}
		}
	}
}

func (m *bucketModel) compareList(b *Bucket, all world, prefix, from, delimiter string, limit int) {
	got, err := patiently(func() ([]Object, error) { return b.List(prefix, from, delimiter, limit) })
	want, _ := all.List(prefix, from, delimiter, limit)
	if err != nil || !slices.EqualFunc(got, want, alike) {
		m.Errorf("List(%q, %q, %q, %d): %v\n%q\nwant %q", prefix, from, delimiter, limit, err, briefly(got), briefly(want))
	}
}

func briefly(objs []Object) (all []string) {
	for _, o := range objs {
		all = append(all, fmt.Sprint(brief(o)))
	}
	return all
}

func (m *bucketModel) compareIDs(b *Bucket, w *bucketWorker) {
	has := make(map[string]Object)
	for _, o := range w.world {
		if o.ID != "" && o.Deleted.IsZero() {
			has[o.ID] = o
		}
	}
	for _, id := range w.ids {
		want, ok := has[id]
		got, err := patiently(func() (Object, error) { return b.Find(id) })
		if ok != (err == nil) || !alike(got, want) || err != nil && !errors.Is(err, ErrNotFound) {
			m.Errorf("Find(%q): %v, %v\nwant %v", id, brief(got), err, brief(want))
		}
	}
}

// leftOver looks at what S3 has when everything is over that a change or a deletion leaves for
// later.
func (m *bucketModel) leftOver() {
	time.Sleep(2 * probeEvery) // until they see that S3 answers again
	for range 2 {
		m.clock.add(lateTime + inFlight + 15*time.Minute)
		m.sweep(m.servers[0], time.Time{})
	}
	m.compare()
	var objects, ids int
	now := m.clock.Now().UTC().Format(dueTime)
	for _, key := range m.weather.Keys() {
		_, key, _ = strings.Cut(key, "/p/pictures/")
		switch kind, rest := key[:min(2, len(key))], key[min(2, len(key)):]; {
		case kind == keyObject:
			objects++
		case kind == keyID:
			ids++
		case kind == keyDue && rest < now:
			m.Errorf("%s is left", key)
		}
	}
	all := make(world)
	withID := 0
	for _, w := range m.workers {
		maps.Copy(all, w.world)
	}
	for _, o := range all {
		if o.ID != "" {
			withID++
		}
	}
	if objects != len(all) || ids != withID && !m.unsure {
		m.Errorf("S3 has %d objects, %d IDs, want %d, %d", objects, ids, len(all), withID)
	}
	for _, b := range m.servers {
		if err := b.tally.flush(b, 0); err != nil {
			m.Error(err)
		}
	}
	m.clock.add(2 * tallyEvery)
	for i, b := range m.servers {
		n, bytes, err := b.Usage("app")
		if wantN, wantBytes, _ := all.Usage("app"); !m.unsure && (err != nil || n != wantN || bytes != wantBytes) {
			m.Errorf("server %d: Usage = %d, %d, %v, want %d, %d", i, n, bytes, err, wantN, wantBytes)
		}
	}
}
