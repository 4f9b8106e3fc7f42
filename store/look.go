package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// look is what is stored at one moment, as objects.
type look struct {
	rows
	now       time.Time
	uncounted error // why usage is not known; nil: it is
}

var _ View = look{}

// object returns the object called name, expired or not.
func (l look) object(name string) (Object, error) {
	value, err := l.get(tableNames, name)
	if err != nil {
		return Object{}, err
	}
	return parseRow(name, value)
}

// Stat implements View.
func (l look) Stat(name string) (Object, error) {
	o, err := l.object(name)
	if err == nil && o.Expired(l.now) {
		return Object{}, ErrNotFound
	}
	return o, err
}

// List implements View.
func (l look) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	cur := l.cursor(tableNames)
	r, ok, err := cur.seek(max(prefix, from))
	for err == nil && ok && strings.HasPrefix(r.key, prefix) && len(objs) < limit {
		o, parseErr := parseRow(r.key, r.value)
		if parseErr != nil {
			return nil, parseErr
		}
		if o.Expired(l.now) {
			r, ok, err = cur.next()
			continue
		}
		if i := strings.Index(o.Name[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			o = Object{Name: o.Name[:len(prefix)+i+len(delimiter)]}
			r, ok, err = seekBehind(cur, o.Name)
		} else {
			r, ok, err = cur.next()
		}
		objs = append(objs, o)
	}
	if err != nil {
		return nil, err
	}
	return objs, nil
}

// seekBehind moves cur to the first key that does not begin with prefix and sorts
// behind those that do.
func seekBehind(cur cursor, prefix string) (row, bool, error) {
	next := behind(prefix)
	if next == "" {
		return row{}, false, nil
	}
	return cur.seek(next)
}

// behind returns the first name that sorts behind all that begin with prefix; "" if there is
// none.
func behind(prefix string) string {
	next := bytes.TrimRight([]byte(prefix), "\xff")
	if len(next) == 0 {
		return ""
	}
	next[len(next)-1]++
	return string(next)
}

// byID returns the name under an id.
func (l look) byID(id string) (string, error) {
	name, err := l.get(tableIDs, id)
	return string(name), err
}

// has says whether there is a row.
func (l look) has(t table, key string) (bool, error) {
	_, err := l.get(t, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// blob returns how many names a blob has, and its size; no names if it is not known.
func (l look) blob(d Digest) (names, size int64, err error) {
	value, err := l.get(tableBlobs, string(d[:]))
	if errors.Is(err, ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return parseBlob(d, value)
}

func parseBlob(d Digest, value []byte) (names, size int64, err error) {
	u, used := binary.Uvarint(value)
	s, used2 := binary.Uvarint(value[max(used, 0):])
	if used <= 0 || used2 <= 0 || u == 0 || u > 1<<62 || s > 1<<62 {
		return 0, 0, fmt.Errorf("%w: count of names of %v", ErrDamaged, d)
	}
	return int64(u), int64(s), nil
}

func packBlob(names, size int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(names)), uint64(size))
}

func (l look) stats() (s Stats, err error) {
	value, err := l.get(tableMeta, keyStats)
	if err != nil {
		return s, err
	}
	if len(value) != 32 {
		return s, fmt.Errorf("%w: counters", ErrDamaged)
	}
	for i, n := range s.all() {
		*n = int64(binary.BigEndian.Uint64(value[8*i:]))
	}
	return s, nil
}

func (s *Stats) all() [4]*int64 {
	return [...]*int64{&s.Objects, &s.ObjectBytes, &s.Blobs, &s.BlobBytes}
}

func (s Stats) pack() (b []byte) {
	for _, n := range s.all() {
		b = binary.BigEndian.AppendUint64(b, uint64(*n))
	}
	return b
}

// dueKey orders names by time.
func dueKey(t time.Time, name string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro()))) + name
}

// due returns up to limit keys of a table by time that are not after t, and none
// for the zero time.
func (l look) due(t table, until time.Time, limit int) (keys []string, err error) {
	if until.UnixMicro() < 0 {
		return nil, nil
	}
	end := dueKey(until.Add(time.Microsecond), "")
	cur := l.cursor(t)
	r, ok, err := cur.seek("")
	for ; err == nil && ok && r.key < end && len(keys) < limit; r, ok, err = cur.next() {
		keys = append(keys, r.key)
	}
	return keys, err
}
