package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Apply implements Store. See doc.go for what holds between servers.
func (b *Bucket) Apply(ch Change) ([]Object, error) {
	objs := make([]Object, len(ch.Put))
	bodies := make([]*bodyAt, 0, len(ch.Put))
	defer func() {
		for _, s := range bodies {
			b.discard(s)
		}
	}()
	for i, item := range ch.Put {
		objs[i] = item.Object
		s, err := b.stage(&objs[i], item)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, s)
		if _, err := b.atUpTo(maxPutKey, objs[i].Name); err != nil {
			return nil, err
		}
	}
	var done []Object
	err := b.locks.hold(changed(ch, objs), func(h *holding) (err error) {
		done, err = b.apply(h, ch, slices.Clone(objs), bodies)
		return err
	})
	return done, err
}

// changed returns the names that ch is known to change.
func changed(ch Change, objs []Object) []string {
	all := slices.Clone(ch.Delete)
	for _, e := range ch.Edit {
		all = append(all, e.Name)
	}
	for _, o := range objs {
		all = append(all, o.Name)
	}
	return all
}

// apply does all of ch, and returns objs as they are stored. Where h cannot have a name it does
// nothing.
func (b *Bucket) apply(h *holding, ch Change, objs []Object, bodies []*bodyAt) ([]Object, error) {
	c := &bucketChange{Bucket: b, held: h, all: make(map[string]*named)}
	if err := h.decide(&ch, c); err != nil {
		return nil, err
	}
	if err := c.run(ch, objs, bodies); err != nil {
		return nil, err
	}
	defer func() {
		for name := range c.all {
			b.versions.of(name).Add(1)
		}
	}()
	if err := c.do(); err != nil {
		return nil, err
	}
	return objs, nil
}

// bucketChange is a Change on its way: what is under the names that it has looked at, and what is to be.
type bucketChange struct {
	*Bucket
	held  *holding // all that it has looked at, or puts
	all   map[string]*named
	order []*named // those that are changed, as they came
}

// named is a name, with what is under it.
type named struct {
	name    string
	was     kept // Created is zero: nothing
	is      kept // likewise
	changed bool

	// Where the bytes of is come from, unless they stay where they are.
	body *bodyAt
	from *named
	// first: there was nothing, or it has not been looked whether there is: S3 puts it if there is
	// not, so that an attempt that comes late does nothing. Then replaces: it takes the place of
	// what is there.
	first, replaces bool
	done            bool    // it is put
	put             *Object // what Apply returns of it
}

func (e *named) there(now time.Time) bool { return !e.is.Created.IsZero() && !e.is.Expired(now) }

// entry returns what is known of a name, looking where nothing is.
func (c *bucketChange) entry(name string) (*named, error) {
	if err := c.lookAll([]string{name}); err != nil {
		return nil, err
	}
	return c.all[name], nil
}

// Stat implements View.
func (c *bucketChange) Stat(name string) (Object, error) {
	e, err := c.entry(name)
	if err == nil && !e.there(c.opt.Now()) {
		err = ErrNotFound
	}
	if err != nil {
		return Object{}, err
	}
	return e.is.Object, nil
}

// List implements View.
func (c *bucketChange) List(prefix, from, delimiter string, limit int) ([]Object, error) {
	objs, err := c.Bucket.List(prefix, from, delimiter, limit)
	c.held.list(objs)
	return objs, err
}

func (c *bucketChange) change(e *named) {
	if !e.changed {
		e.changed, c.order = true, append(c.order, e)
	}
}

// lookAll looks at what is under names at once, for entry. errHeld.
func (c *bucketChange) lookAll(names []string) error {
	names = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))), func(name string) bool { return c.all[name] != nil })
	if err := c.held.take(names); err != nil {
		return err
	}
	var mu sync.Mutex // guards all
	return inParallel(names, func(name string) error {
		k, err := c.look(name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		c.all[name] = &named{name: name, was: k, is: k}
		return nil
	})
}

// run works out what ch leads to, and does nothing of it.
func (c *bucketChange) run(ch Change, objs []Object, bodies []*bodyAt) error {
	// alone: what a put that is refused leaves behind can be removed
	alone := len(ch.Delete)+len(ch.Edit) == 0 && !slices.ContainsFunc(ch.Put, func(item Item) bool { return !item.New })
	names := changed(ch, nil)
	for i, item := range ch.Put {
		if !mayGuess(&objs[i], item.New, alone) {
			names = append(names, objs[i].Name)
		}
	}
	if err := c.lookAll(names); err != nil {
		return err
	}
	for _, name := range ch.Delete {
		if err := c.drop(name); err != nil {
			return err
		}
	}
	for _, edit := range ch.Edit {
		if err := c.edit(edit); err != nil {
			return err
		}
	}
	for i, item := range ch.Put {
		if err := c.place(&objs[i], bodies[i], item.New); err != nil {
			return err
		}
	}
	return nil
}

func (c *bucketChange) drop(name string) error {
	if _, err := c.Stat(name); err != nil {
		return err
	}
	e := c.all[name]
	c.change(e)
	e.is, e.body, e.from = kept{}, nil, nil
	return nil
}

func (c *bucketChange) edit(edit Edit) error {
	old, err := c.Stat(edit.Name)
	if err != nil {
		return err
	}
	o, err := edit.of(old)
	if err != nil {
		return err
	}
	e := c.all[edit.Name]
	c.change(e)
	if o.Name == old.Name {
		e.is.Object = o
		return nil
	}
	if _, err := c.at(o.Name); err != nil {
		return err
	}
	to, err := c.entry(o.Name)
	if err != nil {
		return err
	}
	c.change(to)
	to.is, to.body, to.from, to.first = e.is, e.body, e.source(), false
	to.is.Object, to.is.doubts = o, to.was.doubts
	if to.from == to {
		to.from = nil
	}
	e.is, e.body, e.from = kept{}, nil, nil
	return nil
}

// source returns the entry whose bytes in S3 are those of e.
func (e *named) source() *named {
	if e.from != nil {
		return e.from
	}
	return e
}

// maxTwice is up to how many bytes are sent to S3 a second time where there is something in
// their place, so that it need not be asked whether there is.
const maxTwice = 1 << 20

// mayGuess says whether o is put without a look at what is there: S3 tells then.
func mayGuess(o *Object, isNew, alone bool) bool {
	return isNew && alone || !isNew && o.Size <= maxTwice
}

// follow makes o later than what it takes the place of.
func (o *Object) follow(old Object) {
	if !old.Created.IsZero() && !o.LastModified().After(old.LastModified()) {
		o.Modified = old.LastModified().Add(time.Microsecond)
	}
}

// place names staged bytes.
func (c *bucketChange) place(o *Object, body *bodyAt, isNew bool) error {
	e := c.all[o.Name]
	if e == nil { // mayGuess
		e = &named{name: o.Name}
		c.all[o.Name] = e
	}
	if isNew && e.there(c.opt.Now()) {
		return fmt.Errorf("%w: %q", ErrExists, o.Name)
	}
	if e.was.Created.IsZero() && !e.was.gone {
		e.first, e.replaces = true, !isNew
	}
	o.follow(e.is.Object)
	c.change(e)
	e.put = o
	e.is, e.body, e.from = kept{Object: *o, put: strconv.FormatUint(rand.Uint64(), 36), doubts: e.was.doubts}, body, nil
	return nil
}
