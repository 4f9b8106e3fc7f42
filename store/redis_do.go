package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// do does what run has worked out. What is new in Redis comes first, and what is to go there
// last: where it breaks off, no object has lost its name without having another.
func (b *blend) do() error {
	defer func() {
		for _, t := range b.order {
			b.versions.of(t.name).Add(1)
		}
	}()
	if err := b.assign(); err != nil {
		return err
	}
	put := rand.Uint64()
	for _, t := range b.order {
		if t.inRedis {
			if err := b.write(t, put); err != nil {
				return err
			}
		}
	}
	if err := b.applyRest(); err != nil {
		return err
	}
	for _, t := range b.order {
		if err := b.clear(t); err != nil {
			return err
		}
	}
	return nil
}

// assign says where everything is to be, and reads what has to leave its place in Redis.
func (b *blend) assign() error {
	now := b.opt.Now()
	for _, t := range b.order {
		t.gone = t.is == nil || t.is.Expired(now)
		if t.gone {
			continue
		}
		here := t.body != nil || t.from.live
		t.inRedis = here && !t.is.Expires.IsZero() && t.is.Size <= MaxWhole
		if t.body != nil || !t.from.live {
			continue
		}
		f, data, err := b.value(t.from.name)
		if err == nil && f.Digest != t.is.Digest {
			err = fmt.Errorf("%w: %q was replaced meanwhile", ErrNotFound, t.from.name)
		}
		if err != nil {
			return err
		}
		t.bytes = data
	}
	return nil
}

// pack returns the value of an object.
func (t *tiered) pack(put uint64) ([]byte, error) {
	size := int(t.is.Size)
	value := front{*t.is, put}.append(make([]byte, 0, usualFront+size))
	if t.body == nil {
		return append(value, t.bytes...), nil
	}
	n := len(value)
	value = slices.Grow(value, size)[:n+size]
	if _, err := io.ReadFull(io.NewSectionReader(t.body, 0, t.is.Size), value[n:]); err != nil {
		return nil, fmt.Errorf("store: read %q: %w", t.name, err)
	}
	return value, nil
}

// write puts an object into Redis, its ID first. put is a random number by which it is known
// again.
func (b *blend) write(t *tiered, put uint64) error {
	value, err := t.pack(put)
	if err != nil {
		return err
	}
	key, idKey := objectPrefix+t.name, idPrefix+t.is.ID
	named := seal([]byte(idKey), []byte(t.name))
	first := t.first && !t.redis
	return persist(func(ctx context.Context) error {
		life := t.is.Expires.Sub(b.opt.Now())
		if life <= 0 {
			return b.unlink(ctx, key)
		}
		if t.is.ID != "" {
			if err := b.set(ctx, idKey, named, life, false); err != nil {
				return err
			}
		}
		err := b.set(ctx, key, value, life, first)
		if !errors.Is(err, errTaken) {
			return err
		}
		switch f, err := b.front(t.name); {
		case errors.Is(err, ErrNotFound) || err == nil && f.Expired(b.opt.Now()):
			return b.set(ctx, key, value, life, false)
		case err == nil && f.put != put:
			return fmt.Errorf("%w: %q", ErrExists, t.name)
		default: // an earlier attempt has done it
			return err
		}
	})
}

// applyRest changes rest.
func (b *blend) applyRest() error {
	var ch Change
	moved := make(map[*tiered]bool) // what an edit gives another name
	for _, t := range b.order {
		if t.gone || t.inRedis {
			continue
		}
		do := func(o *Object) error { *o = *t.is; return nil }
		switch {
		case t.body != nil:
			var from io.Reader = io.NewSectionReader(t.body, 0, t.is.Size)
			if r, ok := t.body.ReaderAt.(*bytes.Reader); ok { // which may stay where it is
				from = r
			}
			ch.Put = append(ch.Put, Item{Object: *t.is, Body: from, New: t.first && !t.rest})
		case t.from.live:
			ch.Put = append(ch.Put, Item{Object: *t.is, Body: bytes.NewReader(t.bytes)})
		case t.from == t:
			ch.Edit = append(ch.Edit, Edit{t.name, do})
		case slices.ContainsFunc(b.order, func(o *tiered) bool { return o != t && !o.gone && o.from == t }):
			// what is here goes elsewhere too, maybe in a circle: edits would be in each other's way
			_, blob, err := b.rest.Open(t.from.name)
			if err != nil {
				return err
			}
			defer blob.Close()
			ch.Put = append(ch.Put, Item{Object: *t.is, Body: blob})
		default:
			moved[t.from] = true
			ch.Edit = append(ch.Edit, Edit{t.from.name, do})
		}
	}
	for _, t := range b.order {
		if t.rest && (t.gone || t.inRedis) && !moved[t] {
			ch.Delete = append(ch.Delete, t.name)
		}
	}
	if len(ch.Delete)+len(ch.Edit)+len(ch.Put) == 0 {
		return nil
	}
	_, err := b.rest.Apply(ch)
	return err
}

// clear removes from Redis what is not to be there any more.
func (b *blend) clear(t *tiered) error {
	if t.redis && !t.inRedis {
		if err := b.remove(objectPrefix + t.name); err != nil {
			return err
		}
	}
	if !t.gone && !t.inRedis && t.is.ID != "" { // rest tells it
		return b.remove(idPrefix + t.is.ID)
	}
	if !t.live || t.was.ID == "" || slices.ContainsFunc(b.order, func(o *tiered) bool { return o.inRedis && o.is.ID == t.was.ID }) {
		return nil
	}
	name, err := b.named(t.was.ID)
	if err == nil && name == t.name {
		return b.remove(idPrefix + t.was.ID)
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound) {
		err = nil
	}
	return err
}
