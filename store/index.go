package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Buckets of meta.db. Every value is sealed (row.go) but those of the time
// indexes, which have none.
var (
	bucketNames  = []byte("names")  // name -> row
	bucketIDs    = []byte("ids")    // id -> name
	bucketBlobs  = []byte("blobs")  // digest -> number of names, size
	bucketExpiry = []byte("expiry") // microseconds u64 big endian, name -> nothing
	bucketTrash  = []byte("trash")  // likewise, by time of deletion
	bucketLost   = []byte("lost")   // digest, name -> row: not yet in the blob's ledger
	bucketMeta   = []byte("meta")   // keys below
	keyFormat    = []byte("format")
	keyClean     = []byte("clean") // there after Close, gone while open
	keyStats     = []byte("stats")
)

// format is the version of everything below a Disk's directory. A newer one is
// refused, an older one migrated (there is none yet).
const format = 1

// change is one index transaction. The maps say what release has to do once it
// is committed.
type change struct {
	names, ids, blobs, expiry, trash, lost, meta *bbolt.Bucket

	now      time.Time
	keepLost bool // an earlier release has failed
	stats    Stats
	touched  map[Digest]int64 // blobs that lost a name, with their size
	dropped  []Object         // names that a blob lost
	adds     []action         // what happens to files before the commit
}

// lookup opens the buckets for reading or writing.
func lookup(tx *bbolt.Tx, now time.Time) (*change, error) {
	c := &change{
		names: tx.Bucket(bucketNames), ids: tx.Bucket(bucketIDs), blobs: tx.Bucket(bucketBlobs),
		expiry: tx.Bucket(bucketExpiry), trash: tx.Bucket(bucketTrash),
		lost: tx.Bucket(bucketLost), meta: tx.Bucket(bucketMeta),
		now: now, touched: make(map[Digest]int64),
	}
	value, err := unseal(keyStats, c.meta.Get(keyStats))
	if err != nil || len(value) != 32 {
		return nil, fmt.Errorf("%w: counters", ErrDamaged)
	}
	for i, n := range []*int64{&c.stats.Objects, &c.stats.ObjectBytes, &c.stats.Blobs, &c.stats.BlobBytes} {
		*n = int64(binary.BigEndian.Uint64(value[8*i:]))
	}
	return c, nil
}

func putStats(meta *bbolt.Bucket, s Stats) error {
	var b []byte
	for _, n := range []int64{s.Objects, s.ObjectBytes, s.Blobs, s.BlobBytes} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return meta.Put(keyStats, seal(keyStats, b))
}

// get returns the object called name, expired or not.
func get(names *bbolt.Bucket, name string) (Object, error) {
	key := []byte(name)
	value := names.Get(key)
	if value == nil {
		return Object{}, ErrNotFound
	}
	row, err := unseal(key, value)
	if err != nil {
		return Object{}, err
	}
	return parseRow(name, row)
}

// Stat implements View.
func (c *change) Stat(name string) (Object, error) {
	o, err := get(c.names, name)
	if err == nil && o.expired(c.now) {
		return Object{}, ErrNotFound
	}
	return o, err
}

// List implements View.
func (c *change) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	cur := c.names.Cursor()
	k, _ := cur.Seek([]byte(max(prefix, from)))
	for k != nil && bytes.HasPrefix(k, []byte(prefix)) && len(objs) < limit {
		o, err := c.Stat(string(k))
		if errors.Is(err, ErrNotFound) {
			k, _ = cur.Next()
			continue
		}
		if err != nil {
			return nil, err
		}
		if i := strings.Index(o.Name[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			o = Object{Name: o.Name[:len(prefix)+i+len(delimiter)]}
			k = seekBehind(cur, o.Name)
		} else {
			k, _ = cur.Next()
		}
		objs = append(objs, o)
	}
	return objs, nil
}

// seekBehind moves cur to the first key that does not begin with prefix and sorts
// behind those that do.
func seekBehind(cur *bbolt.Cursor, prefix string) []byte {
	next := bytes.TrimRight([]byte(prefix), "\xff")
	if len(next) == 0 {
		return nil
	}
	next[len(next)-1]++
	k, _ := cur.Seek(next)
	return k
}

// holds says whether the index knows the blob; a file alone may be the left-over
// of an Apply that was cut off.
func (c *change) holds(d Digest) bool { return c.blobs.Get(d[:]) != nil }

// put gives o its name, in place of what had it.
func (c *change) put(o Object) error {
	if err := c.drop(o.Name); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	key := []byte(o.Name)
	errs := []error{c.names.Put(key, seal(key, appendRow(nil, o))), c.count(o, 1)}
	if o.ID != "" {
		errs = append(errs, c.ids.Put([]byte(o.ID), seal([]byte(o.ID), key)))
	}
	if !o.Expires.IsZero() {
		errs = append(errs, c.expiry.Put(dueKey(o.Expires, o.Name), nil))
	}
	if !o.Deleted.IsZero() {
		errs = append(errs, c.trash.Put(dueKey(o.Deleted, o.Name), nil))
	}
	return errors.Join(errs...)
}

// drop takes the name from its object; ErrNotFound if it has none.
func (c *change) drop(name string) error {
	o, err := get(c.names, name)
	if err != nil {
		return err
	}
	errs := []error{c.names.Delete([]byte(name)), c.count(o, -1)}
	if o.ID != "" {
		// after a move the id belongs to the new name
		if owner, err := c.byID(o.ID); err == nil && owner == name {
			errs = append(errs, c.ids.Delete([]byte(o.ID)))
		}
	}
	if !o.Expires.IsZero() {
		errs = append(errs, c.expiry.Delete(dueKey(o.Expires, name)))
	}
	if !o.Deleted.IsZero() {
		errs = append(errs, c.trash.Delete(dueKey(o.Deleted, name)))
	}
	c.touched[o.Digest] = o.Size
	c.dropped = append(c.dropped, o)
	return errors.Join(errs...)
}

// byID returns the name under an id.
func (c *change) byID(id string) (string, error) {
	value := c.ids.Get([]byte(id))
	if value == nil {
		return "", ErrNotFound
	}
	name, err := unseal([]byte(id), value)
	return string(name), err
}

// count adds n names to o's blob; the one that goes to zero takes its row along.
func (c *change) count(o Object, n int64) error {
	var refs int64
	if value := c.blobs.Get(o.Digest[:]); value != nil {
		row, err := unseal(o.Digest[:], value)
		if err != nil {
			return err
		}
		u, used := binary.Uvarint(row)
		if used <= 0 {
			return fmt.Errorf("%w: reference count of %v", ErrDamaged, o.Digest)
		}
		refs = int64(u)
	}
	c.stats.Objects += n
	c.stats.ObjectBytes += n * o.Size
	switch {
	case refs == 0 && n > 0:
		c.stats.Blobs++
		c.stats.BlobBytes += o.Size
	case refs+n == 0:
		c.stats.Blobs--
		c.stats.BlobBytes -= o.Size
		return c.blobs.Delete(o.Digest[:])
	case refs+n < 0:
		return fmt.Errorf("%w: reference count of %v is %d", ErrDamaged, o.Digest, refs)
	}
	row := binary.AppendUvarint(nil, uint64(refs+n))
	row = binary.AppendUvarint(row, uint64(o.Size))
	return c.blobs.Put(o.Digest[:], seal(o.Digest[:], row))
}

// dueKey orders names by time.
func dueKey(t time.Time, name string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())), name...)
}

// due returns up to limit keys of bucket whose time is not after t, and none for
// the zero time.
func due(bucket *bbolt.Bucket, t time.Time, limit int) (keys [][]byte) {
	if t.UnixMicro() < 0 {
		return nil
	}
	end := uint64(t.UnixMicro())
	cur := bucket.Cursor()
	for k, _ := cur.First(); k != nil && len(keys) < limit; k, _ = cur.Next() {
		if len(k) >= 8 && binary.BigEndian.Uint64(k) > end {
			break
		}
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}
