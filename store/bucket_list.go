package store

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// listPage is how many keys S3 tells in one answer.
const listPage = 1000

// page returns names that begin with prefix and are not before from, in order: some of the
// first, and whether there are more.
func (b *Bucket) page(prefix, from string, limit int) (found []string, more bool, err error) {
	first, last := 0, b.opt.Buckets-1
	if i, known := b.bucketOf(prefix); known {
		first, last = i, i
	}
	base := b.key(keyObject)
	before := string(appendKey([]byte(base), max(prefix, from))) // a name's own key is behind it
	var mu sync.Mutex                                            // guards found and cut
	cut := ""
	err = inParallel(numbers(first, last), func(i int) error {
		keys, truncated, err := b.s3.list(b.bucket(i), string(appendKey([]byte(base), prefix)), before, limit)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		var name string
		for _, key := range keys {
			if name, err = parseKey(key[len(base):]); err != nil {
				b.opt.Log.Warn("a key is none of tintype's", "bucket", b.bucket(i), "key", key)
				continue
			}
			found = append(found, name)
		}
		if truncated && (cut == "" || name < cut) {
			cut = name
		}
		return nil
	})
	slices.Sort(found)
	if i := slices.Index(found, cut); cut != "" && i >= 0 { // what is behind it in one bucket may be missing of another
		return found[:i+1], true, err
	}
	return found, false, err
}

func numbers(first, last int) (all []int) {
	for i := first; i <= last; i++ {
		all = append(all, i)
	}
	return all
}

// candidate is what one name is in a list.
type candidate struct {
	name   string
	folded string // what it has in common with others; empty: it is listed itself
	Object
	there bool
}

// List implements Store. It costs one call for every 1,000 names, and one for each object or
// group of them, as S3 does not tell in a list what is kept beside the bytes.
func (b *Bucket) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	for len(objs) < limit {
		want := min(limit-len(objs), listPage)
		batch, next, err := b.candidates(prefix, from, delimiter, want)
		if err != nil {
			return nil, err
		}
		if err := inParallel(batch, b.stat); err != nil {
			return nil, err
		}
		from = next
		for _, l := range batch {
			switch {
			case l.there && l.folded != "":
				objs = append(objs, Object{Name: l.folded})
			case l.there:
				objs = append(objs, l.Object)
			case l.folded != "": // another one behind the same may be there
				from = l.name + "\x00"
			}
			if from != next {
				break
			}
		}
		if from == "" {
			break
		}
	}
	return objs, nil
}

// stat fills in whether l is there.
func (b *Bucket) stat(l *candidate) (err error) {
	l.Object, err = b.Stat(l.name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	l.there = err == nil
	return err
}

// candidates returns up to limit names to be looked at, folded at the delimiter, and where to
// go on; "" at the end.
func (b *Bucket) candidates(prefix, from, delimiter string, limit int) (batch []*candidate, next string, err error) {
	for {
		names, more, err := b.page(prefix, from, min(max(limit, 50), listPage))
		if err != nil {
			return nil, "", err
		}
		for _, name := range names {
			if name < from {
				continue // folded into the last one
			}
			if len(batch) == limit {
				return batch, name, nil
			}
			l := &candidate{name: name}
			from = name + "\x00"
			if i := strings.Index(name[len(prefix):], delimiter); delimiter != "" && i >= 0 {
				l.folded = name[:len(prefix)+i+len(delimiter)]
				from = behind(l.folded)
			}
			batch = append(batch, l)
			if from == "" {
				return batch, "", nil
			}
		}
		if !more {
			return batch, "", nil
		}
	}
}
