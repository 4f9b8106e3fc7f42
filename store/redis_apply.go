package store

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Apply implements Store: first the bodies, then what is decided and whether that can be, and
// only then is anything written.
func (r *Redis) Apply(ch Change) ([]Object, error) {
	r.closing.RLock()
	defer r.closing.RUnlock()
	objs := make([]Object, len(ch.Put))
	bodies := make([]*bodyAt, 0, len(ch.Put))
	defer func() {
		for _, s := range bodies {
			r.discard(s)
		}
	}()
	for i, item := range ch.Put {
		objs[i] = item.Object
		s, err := r.stage(&objs[i], item)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, s)
	}
	var done []Object
	err := r.locks.hold(changed(ch, objs), func(h *holding) (err error) {
		done, err = r.apply(h, ch, slices.Clone(objs), bodies)
		return err
	})
	return done, err
}

// apply does all of ch, and returns objs as they are stored. Where h cannot have a name it does
// nothing.
func (r *Redis) apply(h *holding, ch Change, objs []Object, bodies []*bodyAt) ([]Object, error) {
	b := &blend{Redis: r, held: h, all: make(map[string]*tiered)}
	if err := h.decide(&ch, b); err != nil {
		return nil, err
	}
	if err := b.run(ch, objs, bodies); err != nil {
		return nil, err
	}
	if err := b.do(); err != nil {
		return nil, err
	}
	return objs, nil
}

// blend is a Change on its way: what is under the names that it has looked at, in Redis and in
// rest, and what is to be.
type blend struct {
	*Redis
	held  *holding // all that it has looked at
	all   map[string]*tiered
	order []*tiered // those that are changed, as they came
}

// tiered is a name.
type tiered struct {
	name    string
	redis   bool // there is something in Redis, whatever it is
	rest    bool // there is an object in rest
	live    bool // was is what is in Redis
	was     *Object
	latest  time.Time // when what is there was changed, even if it is not to be seen
	damaged error     // why was is not known

	changed bool
	is      *Object
	first   bool // there must be nothing yet

	// Where the bytes of is come from.
	body  *bodyAt
	from  *tiered // of was there; t itself where they stay
	bytes []byte  // of from, once they are read out of Redis

	gone    bool // there is to be nothing to be seen
	inRedis bool // it is to be in Redis; not gone and not inRedis: in rest
}

// look returns what is known of a name, looking where nothing is. errHeld.
func (b *blend) look(name string) (*tiered, error) {
	if t, ok := b.all[name]; ok {
		return t, nil
	}
	if err := b.held.take([]string{name}); err != nil {
		return nil, err
	}
	t := &tiered{name: name}
	f, err := b.front(name)
	switch {
	case err == nil:
		t.redis, t.latest = true, f.LastModified()
		if t.live = !f.Expired(b.opt.Now()); t.live {
			t.was = &f.Object
		}
	case errors.Is(err, ErrDamaged):
		t.redis, t.damaged = true, err
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	o, err := b.rest.Stat(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if t.rest = err == nil; t.rest {
		if t.was == nil {
			t.was = &o
		}
		if o.LastModified().After(t.latest) {
			t.latest = o.LastModified()
		}
	}
	t.is = t.was
	t.from = t
	b.all[name] = t
	return t, nil
}

// Stat implements View.
func (b *blend) Stat(name string) (Object, error) {
	t, err := b.look(name)
	switch {
	case err != nil:
		return Object{}, err
	case t.damaged != nil:
		return Object{}, t.damaged
	case t.is == nil:
		return Object{}, ErrNotFound
	}
	return *t.is, nil
}

// List implements View.
func (b *blend) List(prefix, from, delimiter string, limit int) ([]Object, error) {
	objs, err := b.Redis.List(prefix, from, delimiter, limit)
	b.held.list(objs)
	return objs, err
}

// become says what is to be under a name.
func (b *blend) become(t *tiered, is *Object, body *bodyAt, from *tiered) {
	if !t.changed {
		t.changed, b.order = true, append(b.order, t)
	}
	t.is, t.body, t.from, t.damaged = is, body, from, nil
}

// run works out what ch leads to, and does nothing of it.
func (b *blend) run(ch Change, objs []Object, bodies []*bodyAt) error {
	for _, name := range ch.Delete {
		t, err := b.look(name)
		if err != nil {
			return err
		}
		if t.is == nil && t.damaged == nil {
			return fmt.Errorf("%w: %q", ErrNotFound, name)
		}
		b.become(t, nil, nil, nil)
	}
	for _, e := range ch.Edit {
		if err := b.edit(e); err != nil {
			return err
		}
	}
	for i, item := range ch.Put {
		if err := b.place(&objs[i], bodies[i], item.New); err != nil {
			return err
		}
	}
	return nil
}

func (b *blend) edit(e Edit) error {
	t, err := b.look(e.Name)
	if err != nil {
		return err
	}
	if t.is == nil {
		return errors.Join(fmt.Errorf("%w: %q", ErrNotFound, e.Name), t.damaged)
	}
	o, err := e.of(*t.is)
	if err != nil {
		return err
	}
	to, body, from := t, t.body, t.from
	if o.Name != e.Name {
		if to, err = b.look(o.Name); err != nil {
			return err
		}
		b.become(t, nil, nil, nil)
	}
	b.become(to, &o, body, from)
	return nil
}

// place names bytes that have arrived. What takes a name is later than what had it, whatever
// the clocks say.
func (b *blend) place(o *Object, body *bodyAt, first bool) error {
	t, err := b.look(o.Name)
	if err != nil {
		return err
	}
	if first && t.damaged != nil {
		return t.damaged
	}
	if first && t.is != nil {
		return fmt.Errorf("%w: %q", ErrExists, o.Name)
	}
	if !o.LastModified().After(t.latest) {
		o.Modified = t.latest.Add(time.Microsecond)
	}
	t.first, t.latest = first, o.LastModified()
	is := *o
	b.become(t, &is, body, nil)
	return nil
}
