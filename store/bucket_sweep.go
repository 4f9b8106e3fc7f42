package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// dueTime is the time in a key of keyDue or keyTrashed, in UTC: an hour to list by, and
// minute and second. It is never before the time that is meant.
const dueTime = "2006010215/0405"

// atDue is the key that leads to an object when it is due.
func (b *Bucket) atDue(kind string, at time.Time, name string) address {
	at = at.UTC().Add(time.Second - 1).Truncate(time.Second)
	i, _ := b.bucketOf(name)
	key := append([]byte(b.key(kind)), at.Format(dueTime)+"/"...)
	return address{b.bucket(i), string(appendKey(key, name)) + nameEnd}
}

// parseDue reads a key that atDue has made, without what is before the time.
func parseDue(text string) (at time.Time, name string, err error) {
	if len(text) <= len(dueTime) || text[len(dueTime)] != '/' {
		return at, "", fmt.Errorf("%w: key %q", ErrDamaged, text)
	}
	if at, err = time.Parse(dueTime, text[:len(dueTime)]); err != nil {
		return at, "", err
	}
	name, err = parseKey(text[len(dueTime)+1:])
	return at, name, err
}

// Sweep implements Store. Any number of servers may sweep at once.
func (b *Bucket) Sweep(trashedBefore time.Time) (total Stats, err error) {
	var mu sync.Mutex // guards total
	for _, due := range []struct {
		kind  string
		until time.Time
	}{{keyDue, b.opt.Now()}, {keyTrashed, trashedBefore}} {
		for i := range b.opt.Buckets {
			if sweepErr := b.sweepBucket(b.bucket(i), due.kind, due.until, func(o Object) {
				mu.Lock()
				defer mu.Unlock()
				total.Objects, total.ObjectBytes = total.Objects+1, total.ObjectBytes+o.Size
				total.Blobs, total.BlobBytes = total.Objects, total.ObjectBytes
			}); sweepErr != nil {
				err = errors.Join(err, sweepErr)
			}
		}
	}
	return total, err
}

// sweepBucket removes what is due, and tells of each.
func (b *Bucket) sweepBucket(bucket, kind string, until time.Time, removed func(Object)) error {
	base := b.key(kind)
	for after, more := "", true; more; {
		keys, truncated, err := b.s3.list(bucket, base, after, listPage)
		if err != nil {
			return err
		}
		more = truncated
		var due []string
		for _, key := range keys {
			after = key
			at, _, err := parseDue(strings.TrimPrefix(key, base))
			if err == nil && at.After(until) {
				more = false
				break
			}
			if err == nil {
				due = append(due, key)
			}
		}
		// in no order, so that servers that sweep at once seldom count the same one twice
		rand.Shuffle(len(due), func(i, k int) { due[i], due[k] = due[k], due[i] })
		if err := inParallel(due, func(key string) error {
			return b.sweepKey(address{bucket, key}, kind, until, removed)
		}); err != nil {
			return err
		}
	}
	return nil
}

// inFlight is how long after the key that leads to it an object may come.
const inFlight = time.Hour

// sweepKey removes what one key of keyDue or keyTrashed leads to, if it is due, and the key.
func (b *Bucket) sweepKey(marker address, kind string, until time.Time, removed func(Object)) error {
	at, name, err := parseDue(strings.TrimPrefix(marker.key, b.key(kind)))
	if err != nil {
		return err
	}
	b.locks.lock([]string{name})
	defer b.locks.unlock([]string{name})
	k, err := b.look(name)
	switch {
	case errors.Is(err, ErrNotFound) && !k.gone:
		if b.opt.Now().Sub(at) < inFlight {
			return nil
		}
	case k.gone && b.opt.Now().Before(k.doubts):
		// another key leads there when it may go
	case k.gone:
		if err := b.removeGone(name); err != nil {
			return err
		}
	case errors.Is(err, ErrDamaged):
		// it stays, for who looks into it
	case err != nil:
		return err
	case kind == keyDue && k.Expired(until), kind == keyTrashed && !k.Deleted.IsZero() && !k.Deleted.After(until):
		if err := b.removeForGood(k); err != nil {
			return err
		}
		removed(k.Object)
	}
	return b.s3.remove(marker)
}

// removeGone removes what is in the way of a put that came late.
func (b *Bucket) removeGone(name string) error {
	at, err := b.at(name)
	if err != nil {
		return err
	}
	return b.s3.remove(at)
}

// removeForGood removes an object with its ID.
func (b *Bucket) removeForGood(k kept) error {
	defer b.versions.of(k.Name).Add(1)
	if err := b.removeKept(k.Name, k); err != nil {
		return err
	}
	b.tally.add(k.Object, -1)
	if k.ID == "" {
		return nil
	}
	return b.s3.remove(b.atID(k.ID))
}

// eachName calls visit for some names at a time, in order, with no folder in two parts
// unless it has over listPage names.
func (b *Bucket) eachName(visit func(names []string) error) error {
	for from, more := "", true; more; {
		names, truncated, err := b.page("", from, listPage)
		if err != nil || len(names) == 0 {
			return err
		}
		more = truncated
		if more {
			last := folderOf(names[len(names)-1])
			n := len(names)
			for n > 0 && folderOf(names[n-1]) == last {
				n--
			}
			if n > 0 {
				names = names[:n]
			}
		}
		if err := visit(names); err != nil {
			return err
		}
		from = names[len(names)-1] + "\x00"
	}
	return nil
}

func folderOf(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }

// Collect implements Tier. unnamed counts variants whose original never came, as the server
// that put them was stopped in between: those that are an hour old are removed.
func (b *Bucket) Collect(trashedBefore time.Time, progress Progress) (freed Stats, unnamed int64, err error) {
	if freed, err = b.Sweep(trashedBefore); err != nil {
		return freed, 0, err
	}
	var mu sync.Mutex // guards done and unnamed
	done := int64(0)
	err = b.eachName(func(names []string) error {
		var folders [][]string
		for len(names) > 0 {
			folder := folderOf(names[0])
			n := 1
			for n < len(names) && folderOf(names[n]) == folder {
				n++
			}
			folders, names = append(folders, names[:n]), names[n:]
		}
		return inParallel(folders, func(folder []string) error {
			removed, err := b.collect(folder)
			mu.Lock()
			defer mu.Unlock()
			done, unnamed = done+int64(len(folder)), unnamed+removed
			progress(done, done)
			return err
		})
	})
	return freed, unnamed, err
}

// collect removes the orphans of a folder. What is beside the names of blobs, as their blocks
// are, belongs to nothing in its own folder.
func (b *Bucket) collect(folder []string) (removed int64, err error) {
	if strings.HasPrefix(folder[0], "\x00") {
		return 0, nil
	}
	b.locks.lock(folder)
	defer b.locks.unlock(folder)
	orphans, err := b.orphans(folder)
	for _, k := range orphans {
		if err := b.removeForGood(k); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, err
}

// orphans returns the variants in a folder that has no originals. These sort behind variants
// in the folders of uploads, so that one look tells in most cases.
func (b *Bucket) orphans(names []string) (all []kept, err error) {
	for i := len(names) - 1; i >= 0; i-- {
		k, err := b.look(names[i])
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil || k.Original == (Digest{}) || !k.Deleted.IsZero() || b.opt.Now().Sub(k.Created) < inFlight {
			return nil, err
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, nil
	}
	// nor of one that was moved to the trash alone
	trashed, _, err := b.page(trashPrefix+strings.TrimSuffix(folderOf(names[0]), "/"), "", 1)
	if err != nil || len(trashed) > 0 {
		return nil, err
	}
	return all, nil
}

// trashPrefix begins the names of what was moved to the trash: see CheckAppKey.
const trashPrefix = "delete-"

// Scrub implements Tier. There is nothing that repair could do.
func (b *Bucket) Scrub(_ bool, progress Progress) (s Scrubbed, err error) {
	stats, err := b.Stats()
	if err != nil {
		return s, err
	}
	var mu sync.Mutex // guards s
	err = b.eachName(func(names []string) error {
		return inParallel(names, func(name string) error {
			o, err := verify(b, name)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if errors.Is(err, ErrDamaged) { // not all of which tells what it is of
				o, _ = b.Stat(name)
			}
			mu.Lock()
			defer mu.Unlock()
			s.Objects, s.Blobs, s.Bytes = s.Objects+1, s.Blobs+1, s.Bytes+o.Size
			if errors.Is(err, ErrDamaged) {
				s.Damaged = append(s.Damaged, Damage{Digest: o.Digest.String(), Size: o.Size, Why: err.Error(), Names: []string{name}})
				err = nil
			}
			progress(s.Bytes, max(s.Bytes, stats.BlobBytes))
			return err
		})
	})
	return s, err
}
