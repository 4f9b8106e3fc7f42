package store

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// scanBatch is how many keys one SCAN looks at: a millisecond or so of a Redis that does
// nothing else meanwhile.
const scanBatch = 512

// List implements View. It looks at all keys.
func (r *Redis) List(prefix, from, delimiter string, limit int) ([]Object, error) {
	if limit <= 0 {
		return nil, nil
	}
	l := merging{prefix: prefix, from: max(prefix, from), delimiter: delimiter, limit: limit}
	objs, err := r.rest.List(prefix, from, delimiter, limit)
	if err != nil {
		return nil, err
	}
	for _, o := range objs {
		l.found.Set(o.Name, o)
	}
	err = r.eachKey(escapeGlob(objectPrefix+prefix)+"*", func(keys []string) error { return l.look(r, keys) })
	if err != nil {
		return nil, err
	}
	return l.found.Values(), nil
}

// merging is a List on its way: of what was found so far, the first by name.
type merging struct {
	prefix, from, delimiter string
	limit                   int
	found                   btree.Map[string, Object]
}

// look adds what is under keys, as far as it belongs to the list. Only then it is read.
func (l *merging) look(r *Redis, keys []string) error {
	var wanted []string
	for _, key := range keys {
		name := strings.TrimPrefix(key, objectPrefix)
		if name < l.from || !strings.HasPrefix(name, l.prefix) {
			continue
		}
		as, folded := l.fold(name)
		_, known := l.found.Get(as)
		last, _, some := l.found.Max()
		if folded && known || some && l.found.Len() >= l.limit && as > last {
			continue
		}
		wanted = append(wanted, key)
	}
	var failed error
	r.readEach(wanted, usualFront, func(i int, b []byte, err error) {
		name := strings.TrimPrefix(wanted[i], objectPrefix)
		var f front
		if err == nil {
			f, err = r.parseFront(name, b)
		}
		switch {
		case errors.Is(r.damaged(name, err), ErrDamaged) || errors.Is(err, ErrNotFound):
			// others are listed all the same
		case err != nil:
			failed = err
		case !f.Expired(r.opt.Now()):
			l.add(f.Object)
		}
	})
	return failed
}

func (l *merging) add(o Object) {
	if as, folded := l.fold(o.Name); folded {
		o = Object{Name: as}
	}
	l.found.Set(o.Name, o)
	if l.found.Len() > l.limit {
		l.found.PopMax()
	}
}

// fold returns under what an object is listed.
func (l *merging) fold(name string) (as string, folded bool) {
	if i := strings.Index(name[len(l.prefix):], l.delimiter); l.delimiter != "" && i >= 0 {
		return name[:len(l.prefix)+i+len(l.delimiter)], true
	}
	return name, false
}

// escapeGlob returns the pattern that text alone matches.
func escapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

// estimate is what there is in Redis, more or less.
type estimate struct {
	mu sync.Mutex // guards what follows
	at time.Time
	Stats
}

const (
	estimateEvery = time.Minute
	usualRow      = 150 // bytes in front of a picture's
)

// Stats implements Store: what rest has, and an estimate of what Redis has, from what was
// there within the last minute.
func (r *Redis) Stats() (Stats, error) {
	s, err := r.rest.Stats()
	if err != nil {
		return Stats{}, err
	}
	e := &r.estimate
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := r.opt.Now(); e.at.IsZero() || now.Sub(e.at) >= estimateEvery {
		e.at = now
		if guess, err := r.guess(); err == nil { // else what was there before is as good as any
			e.Stats = guess
		}
	}
	for i, n := range s.all() {
		*n += *e.all()[i]
	}
	return s, nil
}

// guess takes some keys of each master for all of them.
func (r *Redis) guess() (s Stats, err error) {
	err = r.sample(func(all int64, keys []string, lengths []int64) {
		var objects, bytes int64
		for i, key := range keys {
			if strings.HasPrefix(key, objectPrefix) {
				objects++
				bytes += max(0, lengths[i]-usualRow)
			}
		}
		s.Objects += objects * all / int64(len(keys))
		s.ObjectBytes += bytes * all / int64(len(keys))
	})
	s.Blobs, s.BlobBytes = s.Objects, s.ObjectBytes
	return s, err
}

// Collect implements Tier, for rest.
func (r *Redis) Collect(trashedBefore time.Time, progress Progress) (freed Stats, unnamed int64, err error) {
	return r.rest.Collect(trashedBefore, progress)
}

// Scrub implements Tier, for rest: what is in Redis is checked by each read.
func (r *Redis) Scrub(repair bool, progress Progress) (Scrubbed, error) {
	return r.rest.Scrub(repair, progress)
}
