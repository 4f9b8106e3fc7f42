package store

import (
	"bytes"
	"errors"
	"time"
)

// front returns what Redis has under a name, expired or not.
func (r *Redis) front(name string) (front, error) {
	b, err := r.read(objectPrefix+name, usualFront)
	if err != nil {
		return front{}, err
	}
	f, err := r.parseFront(name, b)
	return f, r.damaged(name, err)
}

// parseFront reads a front of which there may be more.
func (r *Redis) parseFront(name string, b []byte) (front, error) {
	n, err := frontLength(name, b)
	if err == nil && n > len(b) && len(b) == usualFront {
		b, err = r.read(objectPrefix+name, valueHeader+maxRow) // it may be another one by now
	}
	if err != nil {
		return front{}, err
	}
	f, _, err := parseFront(name, b)
	return f, err
}

// value returns what Redis has under a name, with its bytes.
func (r *Redis) value(name string) (front, []byte, error) {
	b, err := r.read(objectPrefix+name, maxValue)
	if err != nil {
		return front{}, nil, err
	}
	f, data, err := parseValue(name, b)
	return f, data, r.damaged(name, err)
}

// damaged counts and logs an ErrDamaged of what is under a name.
func (r *Redis) damaged(name string, err error) error {
	if errors.Is(err, ErrDamaged) {
		r.damage.Add(1)
		r.opt.Log.Error("a value in Redis is damaged", "name", name, "err", err)
	}
	return err
}

// Damage implements Store: values in Redis that were not as they were stored, and what rest
// found.
func (r *Redis) Damage() (blobs, index int64) {
	blobs, index = r.rest.Damage()
	return blobs + r.damage.Load(), index
}

// Stat implements Store.
func (r *Redis) Stat(name string) (Object, error) {
	f, err := r.front(name)
	if errors.Is(err, ErrNotFound) || err == nil && f.Expired(r.opt.Now()) {
		return r.rest.Stat(name)
	}
	return f.Object, err
}

// Open implements Store. The bytes are in memory, and were compared with their checksum.
func (r *Redis) Open(name string) (Object, Blob, error) {
	f, data, err := r.value(name)
	if errors.Is(err, ErrNotFound) || err == nil && f.Expired(r.opt.Now()) {
		return r.rest.Open(name)
	}
	if err != nil {
		return Object{}, nil, err
	}
	return f.Object, memory{bytes.NewReader(data), data}, nil
}

// Find implements Store.
func (r *Redis) Find(id string) (Object, error) {
	var f front
	name, err := r.named(id)
	if err == nil {
		f, err = r.front(name)
	}
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && (f.ID != id || f.Expired(r.opt.Now())): // the ID may be left over
		return r.rest.Find(id)
	case err == nil && !f.Deleted.IsZero():
		return Object{}, ErrNotFound
	}
	return f.Object, err
}

// named returns the name that Redis has under an ID.
func (r *Redis) named(id string) (string, error) {
	b, err := r.read(idPrefix+id, MaxName+4)
	if err != nil {
		return "", err
	}
	name, err := unseal([]byte(idPrefix+id), b)
	return string(name), r.damaged(id, err)
}

// Version implements Store. Other servers change names without telling this one: what is
// remembered is looked at again after RememberFor, whatever happens.
func (r *Redis) Version(name string) uint64 {
	return r.versions.remembered(name, r.opt.Now())
}

// Usage implements View: what an Owner has in rest alone.
func (r *Redis) Usage(owner string) (objects, bytes int64, err error) { return r.rest.Usage(owner) }

// Sweep implements Store: that of rest, since Redis removes by itself what has expired.
func (r *Redis) Sweep(trashedBefore time.Time) (Stats, error) { return r.rest.Sweep(trashedBefore) }
