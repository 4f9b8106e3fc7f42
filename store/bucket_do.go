package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// errQuicker is returned when another server has changed something in the middle of a change
// that has to do with it. It may well go the next time.
var errQuicker = fmt.Errorf("%w: another server was quicker", ErrUnreachable)

// maxParallel is how many calls to S3 one change, list or sweep has under way at once.
const maxParallel = 16

// do does what run has worked out: first what finds objects by their ID and by when they are
// due, then variants, then originals, the IDs of what has moved, and last what is to go. Where
// it breaks off, each object is as it was or as it is to be, and none has lost its name or ID
// without having another.
func (c *bucketChange) do() error {
	var writes, removes []*named
	for _, e := range c.order {
		switch {
		case e.is.Created.IsZero() && !e.was.Created.IsZero():
			removes = append(removes, e)
		case !e.is.Created.IsZero() && (e.body != nil || e.from != nil || !reflect.DeepEqual(e.is, e.was)):
			writes = append(writes, e)
		}
	}
	if err := c.point(writes); err != nil {
		return err
	}
	for len(writes) > 0 {
		now, later := ready(writes)
		if len(now) == 0 {
			return fmt.Errorf("%w: objects would change their names in a circle", ErrField)
		}
		if err := inParallel(now, c.write); err != nil {
			return errors.Join(err, c.undo(err))
		}
		writes = later
	}
	moved := slices.DeleteFunc(slices.Clone(c.order), func(e *named) bool { return e.body != nil })
	if err := inParallel(moved, c.identify); err != nil {
		return err
	}
	for _, originals := range []bool{false, true} {
		some := slices.DeleteFunc(slices.Clone(removes), func(e *named) bool { return isOriginal(e) != originals })
		if err := inParallel(some, func(e *named) error { return c.removeKept(e.name, e.was) }); err != nil {
			return err
		}
	}
	c.count()
	return c.forgetIDs()
}

// isOriginal says whether an object has not been made from another one.
func isOriginal(e *named) bool {
	return (e.is.Created.IsZero() && e.was.Original == (Digest{})) || (!e.is.Created.IsZero() && e.is.Original == (Digest{}))
}

// ready parts writes into those that can be done now, and those that have to wait: for what
// still needs the bytes that they replace, and originals for everything else.
func ready(writes []*named) (now, later []*named) {
	variants := slices.ContainsFunc(writes, func(e *named) bool { return !isOriginal(e) })
	for _, e := range writes {
		needed := slices.ContainsFunc(writes, func(o *named) bool { return o != e && o.from == e })
		if needed || variants && isOriginal(e) {
			later = append(later, e)
		} else {
			now = append(now, e)
		}
	}
	if len(now) == 0 && variants { // a variant takes the place of an original that moves
		for i, e := range later {
			if !slices.ContainsFunc(writes, func(o *named) bool { return o != e && o.from == e }) {
				return []*named{e}, slices.Delete(later, i, i+1)
			}
		}
	}
	return now, later
}

// inParallel does all of list, and returns one of the errors.
func inParallel[T any](list []T, do func(T) error) error {
	if len(list) == 1 {
		return do(list[0])
	}
	var g errgroup.Group
	g.SetLimit(maxParallel)
	for _, e := range list {
		g.Go(func() error { return do(e) })
	}
	return g.Wait()
}

// point writes what leads to objects that are about to be written.
func (c *bucketChange) point(writes []*named) error {
	var calls []func() error
	for _, e := range writes {
		if e.body != nil { // of what moves, the ID still leads to where it is
			calls = append(calls, func() error { return c.identify(e) })
		}
		for kind, times := range map[string][2]time.Time{keyDue: {e.is.Expires, e.was.Expires}, keyTrashed: {e.is.Deleted, e.was.Deleted}} {
			if at := times[0]; !at.IsZero() && !at.Equal(times[1]) {
				calls = append(calls, func() error { return c.s3.putSmall(c.atDue(kind, at, e.name), nil, false) })
			}
		}
	}
	return inParallel(calls, func(call func() error) error { return call() })
}

// identify writes what leads from an ID to its object.
func (c *bucketChange) identify(e *named) error {
	if o := e.is.Object; o.ID != "" && (o.ID != e.was.ID || e.from != nil) {
		return c.s3.putSmall(c.atID(o.ID), []byte(o.Name), false)
	}
	return nil
}

// forgetIDs removes what leads from the IDs that nothing has any more.
func (c *bucketChange) forgetIDs() error {
	return inParallel(c.order, func(e *named) error {
		id := e.was.ID
		if id == "" || slices.ContainsFunc(c.order, func(o *named) bool { return o.is.ID == id }) {
			return nil
		}
		return c.s3.remove(c.atID(id))
	})
}

// write brings one object to S3.
func (c *bucketChange) write(e *named) error {
	at, err := c.at(e.name)
	if err != nil {
		return err
	}
	m, tail := e.is.meta()
	src := e.source()
	switch {
	case e.body != nil:
		return c.put(e, at, e.body, tail)
	case len(tail) > 0 && (src.was.tail == 0 || !maps.Equal(e.is.Attributes, src.was.Attributes)):
		return c.rewrite(e, at, tail) // S3 copies bytes as they are
	}
	from, err := c.at(src.name)
	if err != nil {
		return err
	}
	copied, err := c.s3.copy(from, at, src.was.Size+src.was.tail, m)
	if err != nil || copied == src.was.tag || src == e {
		return err
	}
	// another server has replaced them, or the tag is not of the bytes alone
	if err = c.rewrite(e, at, tail); errors.Is(err, errQuicker) {
		err = errors.Join(err, c.s3.remove(at))
	}
	return err
}

// rewrite puts an object's bytes again, with another tail behind them.
func (c *bucketChange) rewrite(e *named, at address, tail []byte) error {
	src := e.source()
	from, err := c.at(src.name)
	if err != nil {
		return err
	}
	r := &remote{bucket: c.Bucket, kept: src.was, at: from}
	defer r.Close()
	s := &bodyAt{}
	defer func() { c.discard(s) }()
	err = c.receive(s, &incoming{sum: sha256.New()}, r)
	if errors.Is(err, ErrNotFound) {
		return errQuicker
	}
	if err != nil {
		return err
	}
	return c.put(e, at, s, tail)
}

// put stores bytes with a tail under the name of e. Of a put that is to be the first, and
// finds its own earlier attempt, that one counts.
func (c *bucketChange) put(e *named, at address, body io.ReaderAt, tail []byte) error {
	size, sum := e.is.Size, e.is.Digest
	if len(tail) > 0 {
		body, sum = withTail(body, size, tail)
		size += int64(len(tail))
	}
	for tries := 0; ; tries++ {
		err := c.s3.put(at, body, size, sum, func(try int) meta {
			if try > 1 {
				e.is.doubts = latest(e.is.doubts, c.opt.Now().Add(lateTime))
			}
			m, _ := e.is.meta()
			return m
		}, e.first)
		if !errors.Is(err, errTaken) || !e.first {
			e.done = err == nil
			return err
		}
		unanswered := errors.Is(err, errThere)
		k, err := c.look(e.name)
		if unanswered && k.put != e.is.put {
			e.is.doubts = c.opt.Now().Add(lateTime)
		}
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		case err == nil && k.put == e.is.put:
			e.done = true // by the one that is not answered, if there was no other
			return c.doubt(e, at, k)
		case err == nil && !e.replaces && !k.Expired(c.opt.Now()):
			return fmt.Errorf("%w: %q", ErrExists, e.name)
		case err == nil || k.gone:
			e.first, e.was = false, k
			e.is.doubts = latest(e.is.doubts, k.doubts)
			e.put.follow(k.Object)
			e.is.Modified = e.put.Modified
		case tries == maxBreaks: // it comes and goes
			return fmt.Errorf("%w: %q", ErrExists, e.name)
		}
	}
}

// doubt writes beside what the first try of a put has brought that later ones may still come, if
// there were any.
func (c *bucketChange) doubt(e *named, at address, k kept) error {
	if e.is.doubts.IsZero() || !k.doubts.IsZero() {
		return nil
	}
	m, tail := e.is.meta()
	_, err := c.s3.copy(at, at, k.Size+int64(len(tail)), m)
	if errors.Is(err, ErrNotFound) { // deleted by then
		return nil
	}
	return err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// withTail returns bytes with others behind them, and the SHA-256 of all.
func withTail(body io.ReaderAt, size int64, tail []byte) (io.ReaderAt, Digest) {
	all := &tailed{body, size, tail}
	h := sha256.New()
	io.Copy(h, io.NewSectionReader(all, 0, size+int64(len(tail)))) // an error is one of the put as well
	return all, Digest(h.Sum(nil))
}

type tailed struct {
	body io.ReaderAt
	size int64
	tail []byte
}

func (t *tailed) ReadAt(p []byte, at int64) (n int, err error) {
	if at < t.size {
		n, err = t.body.ReadAt(p[:min(int64(len(p)), t.size-at)], at)
		if err != nil && err != io.EOF || int64(n) < min(int64(len(p)), t.size-at) {
			return n, err
		}
	}
	m := copy(p[n:], t.tail[min(max(at+int64(n)-t.size, 0), int64(len(t.tail))):])
	if n += m; n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// undo removes what a change has put that was refused, where there was nothing to be seen before.
func (c *bucketChange) undo(why error) error {
	if !errors.Is(why, ErrExists) {
		return nil // what cannot be reached cannot be undone, and does no harm
	}
	return inParallel(c.order, func(e *named) error {
		var err error
		if e.body != nil && e.is.ID != "" && e.is.ID != e.was.ID {
			err = c.s3.remove(c.atID(e.is.ID))
		}
		switch {
		case !e.done:
			return err
		case e.was.Expired(c.opt.Now()):
			c.tally.add(e.was.Object, -1)
			if e.was.ID != "" {
				err = errors.Join(err, c.s3.remove(c.atID(e.was.ID)))
			}
		case !e.was.Created.IsZero():
			return err
		}
		return errors.Join(err, c.removeKept(e.name, e.is))
	})
}

// lateTime is how long after it was sent S3 may still do what it was asked for: its signature
// holds for 15 minutes, and clocks differ by up to skewToStop.
const lateTime = 15*time.Minute + skewToStop + 5*time.Minute

// removeKept removes what is under a name. Where a put may still come that is to be the first,
// something stays that is in its way: it would come back otherwise.
func (b *Bucket) removeKept(name string, k kept) error {
	at, err := b.at(name)
	if err != nil {
		return err
	}
	if !b.opt.Now().Before(k.doubts) {
		return b.s3.remove(at)
	}
	if err := b.s3.putSmall(b.atDue(keyDue, k.doubts, name), nil, false); err != nil {
		return err
	}
	return b.s3.put(at, bytes.NewReader(nil), 0, Sum(nil), func(int) meta {
		return meta{mediaType: octets, user: map[string]string{metaGone: "1", metaDoubts: strconv.FormatInt(k.doubts.Unix(), 10)}}
	}, false)
}

// count tells what has changed.
func (c *bucketChange) count() {
	for _, e := range c.order {
		if !e.was.Created.IsZero() {
			c.tally.add(e.was.Object, -1)
		}
		if !e.is.Created.IsZero() {
			c.tally.add(e.is.Object, 1)
		}
	}
}
