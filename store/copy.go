package store

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// Copied counts what Copy did.
type Copied struct {
	Objects int64 `json:"copied"` // and read back
	Bytes   int64 `json:"bytes"`  // of these
	There   int64 `json:"there"`  // were there already
	Newer   int64 `json:"newer"`  // left as they are, since they changed later than what would replace them
	// Failed are names that are not there, each with why: damaged at their source, or of no
	// length that is possible. Up to MaxFailed of them.
	Failed  map[string]string `json:"failed"`
	Refused int64             `json:"refused"` // how many there are
}

// MaxFailed is how many failures a Copy tells.
const MaxFailed = 1000

// Copy brings every object of from to to, with all that is known of it: those in the trash and
// those that will expire as well. Each is read through, compared with its digest, and read back.
// What is there already is passed over, so that a Copy that broke off is gone on with by another one;
// nothing is deleted. done and total count objects.
func Copy(to, from Store, progress Progress) (Copied, error) {
	c := &copying{to: to, from: from, progress: progress}
	c.done.Failed = make(map[string]string)
	if s, err := from.Stats(); err == nil {
		c.total = s.Objects
	}
	for next := ""; ; {
		objs, err := from.List("", next, "", listPage)
		if err != nil || len(objs) == 0 {
			return c.done, err
		}
		if err := inParallel(objs, c.one); err != nil {
			return c.done, err
		}
		next = objs[len(objs)-1].Name + "\x00"
	}
}

// copying is a Copy on its way.
type copying struct {
	to, from Store
	progress Progress
	total    int64

	mu   sync.Mutex // guards what follows
	done Copied
	seen int64
}

// one brings one object. An error ends all of it.
func (c *copying) one(o Object) error {
	there, err := c.to.Stat(o.Name)
	switch {
	case err == nil && there.Digest == o.Digest && there.Size == o.Size && there.LastModified().Equal(o.LastModified()) && there.Deleted.Equal(o.Deleted):
		return c.count(func(n *Copied) { n.There++ })
	case err == nil && there.LastModified().After(o.LastModified()):
		return c.count(func(n *Copied) { n.Newer++ })
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	err = c.bytes(o)
	switch {
	case errors.Is(err, ErrNotFound): // deleted or expired meanwhile
		return c.count(func(*Copied) {})
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrField):
		return c.count(func(n *Copied) {
			n.Refused++
			if len(n.Failed) < MaxFailed {
				n.Failed[o.Name] = err.Error()
			}
		})
	case err != nil:
		return err
	}
	return c.count(func(n *Copied) { n.Objects, n.Bytes = n.Objects+1, n.Bytes+o.Size })
}

// bytes brings an object, and reads it back.
func (c *copying) bytes(o Object) error {
	now, blob, err := c.from.Open(o.Name)
	if err != nil {
		return err
	}
	defer blob.Close()
	want := now.Digest
	_, err = c.to.Apply(Change{Put: []Item{{Object: now, Body: blob, Inspect: func(got *Object, _ io.ReadSeeker) error {
		if got.Digest != want {
			return fmt.Errorf("%w: digest is %v", ErrDamaged, got.Digest)
		}
		return nil
	}}}})
	if err == nil {
		_, err = verify(c.to, o.Name)
	}
	return err
}

func (c *copying) count(add func(*Copied)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.done)
	c.seen++
	c.progress(c.seen, max(c.total, c.seen))
	return nil
}
