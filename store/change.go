package store

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// change is one Change on its way: what it sees, and what it has written so far.
type change struct {
	look           // its own rows included
	head   *layer  // what was there before them
	news   *layer  // they themselves
	writes []row   // the same, in order
	bodies []*body // bytes that the journal does not have yet
	stats  Stats
	owners map[string]usage // what it adds to that of each
}

// write changes a row.
func (c *change) write(t table, key string, value []byte) {
	r := row{table: t, key: key, value: value}
	c.news.Set(r)
	c.writes = append(c.writes, r)
}

// run does all of ch, with the staged bodies of ch.Put.
func (c *change) run(ch Change, objs []Object, bodies []*body) error {
	if ch.Decide != nil {
		if err := ch.Decide(c.look, &ch); err != nil {
			return err
		}
	}
	for _, name := range ch.Delete {
		if _, err := c.Stat(name); err != nil {
			return err
		}
		if err := c.drop(name); err != nil {
			return err
		}
	}
	for _, e := range ch.Edit {
		if err := c.edit(e); err != nil {
			return err
		}
	}
	for i, item := range ch.Put {
		if item.New {
			if _, err := c.Stat(objs[i].Name); err == nil {
				return fmt.Errorf("%w: %q", ErrExists, objs[i].Name)
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if err := c.place(&objs[i], bodies[i]); err != nil {
			return err
		}
	}
	return nil
}

// place names a staged body. What takes a name is later than what had it, whatever
// the clocks and the order of uploads say: readers and Rebuild go by that.
func (c *change) place(o *Object, b *body) error {
	old, err := c.object(o.Name)
	if err == nil && !o.LastModified().After(old.LastModified()) {
		o.Modified = old.LastModified().Add(time.Microsecond)
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	// before the old name goes, which may be the last that these bytes have
	names, _, err := c.blob(o.Digest)
	if err != nil {
		return err
	}
	damaged, err := c.has(tableDamaged, string(o.Digest[:]))
	if err != nil {
		return err
	}
	if damaged {
		c.write(tableDamaged, string(o.Digest[:]), nil)
	}
	if names == 0 || damaged {
		c.stage(o.Digest, b)
	}
	return c.put(*o)
}

// stage adds bytes that have no name yet. Those of a blob that lost its last name
// since the last checkpoint are still there.
func (c *change) stage(d Digest, b *body) {
	if r, ok := c.head.Get(row{table: tableStaged, key: string(d[:])}); ok && r.value != nil {
		return
	}
	if seeded("eager-unlink") {
		if names, _, _ := (look{rows: c.rows.(stack).base}).blob(d); names > 0 {
			return
		}
	}
	for _, have := range c.bodies {
		if have.digest == d {
			return
		}
	}
	c.bodies = append(c.bodies, b)
}

// of returns what an edit makes of an object.
func (e Edit) of(old Object) (Object, error) {
	o := old
	o.Attributes = maps.Clone(old.Attributes)
	if err := e.Do(&o); err != nil {
		return Object{}, err
	}
	o.Digest, o.CRC, o.Size = old.Digest, old.CRC, old.Size
	roundTimes(&o)
	if !o.Modified.Equal(old.Modified) && !o.Modified.After(old.LastModified()) {
		o.Modified = old.LastModified().Add(time.Microsecond)
	}
	return o, checkFields(o)
}

func (c *change) edit(e Edit) error {
	old, err := c.Stat(e.Name)
	if err != nil {
		return err
	}
	o, err := e.of(old)
	if err != nil {
		return err
	}
	// first the new name, so that the bytes are never without one
	if err := c.put(o); err != nil || o.Name == old.Name {
		return err
	}
	return c.drop(old.Name)
}

// put gives o its name, in place of what had it.
func (c *change) put(o Object) error {
	if err := c.count(o, 1); err != nil {
		return err
	}
	if err := c.drop(o.Name); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	c.write(tableNames, o.Name, appendRow(nil, o))
	if o.ID != "" {
		c.write(tableIDs, o.ID, []byte(o.Name))
	}
	if !o.Expires.IsZero() {
		c.write(tableExpiry, dueKey(o.Expires, o.Name), []byte{})
	}
	if !o.Deleted.IsZero() {
		c.write(tableTrash, dueKey(o.Deleted, o.Name), []byte{})
	}
	return nil
}

// drop takes the name from its object; ErrNotFound if it has none.
func (c *change) drop(name string) error {
	o, err := c.object(name)
	if err != nil {
		return err
	}
	if err := c.count(o, -1); err != nil {
		return err
	}
	c.write(tableNames, name, nil)
	if o.ID != "" {
		// after a move the id belongs to the new name
		if owner, err := c.byID(o.ID); err == nil && owner == name {
			c.write(tableIDs, o.ID, nil)
		}
	}
	if !o.Expires.IsZero() {
		c.write(tableExpiry, dueKey(o.Expires, name), nil)
	}
	if !o.Deleted.IsZero() {
		c.write(tableTrash, dueKey(o.Deleted, name), nil)
	}
	return nil
}

// count adds n names to o's blob; the one that goes to zero takes its row along.
func (c *change) count(o Object, n int64) error {
	names, _, err := c.blob(o.Digest)
	if err != nil {
		return err
	}
	if names+n < 0 {
		return fmt.Errorf("%w: count of names of %v is %d", ErrDamaged, o.Digest, names)
	}
	c.stats.Objects += n
	c.stats.ObjectBytes += n * o.Size
	if c.owners == nil {
		c.owners = make(map[string]usage)
	}
	c.owners[o.Owner] = c.owners[o.Owner].add(n, o)
	switch {
	case names == 0 && n > 0:
		c.stats.Blobs++
		c.stats.BlobBytes += o.Size
	case names+n == 0:
		c.stats.Blobs--
		c.stats.BlobBytes -= o.Size
		c.write(tableBlobs, string(o.Digest[:]), nil)
		if damaged, err := c.has(tableDamaged, string(o.Digest[:])); err != nil || !damaged {
			return err
		}
		c.write(tableDamaged, string(o.Digest[:]), nil)
		return nil
	}
	c.write(tableBlobs, string(o.Digest[:]), packBlob(names+n, o.Size))
	return nil
}

// markDamaged notes that a blob, if it has names still and no new bytes, is not what was
// stored.
func (c *change) markDamaged(d Digest) error {
	names, size, err := c.blob(d)
	marked, err2 := c.has(tableDamaged, string(d[:]))
	if err := errors.Join(err, err2); err != nil || marked || names == 0 || c.rows.(stack).spot(d) != nil {
		return err
	}
	c.write(tableDamaged, string(d[:]), packBlob(1, size))
	return nil
}

// checkFields refuses what a row or a ledger could not hold.
func checkFields(o Object) error {
	attributes := len(packAttributes(o.Attributes))
	if o.Name == "" || len(o.Name) > MaxName || max(len(o.ID), len(o.Owner), len(o.MediaType)) > maxField ||
		attributes > maxAttributes {
		return fmt.Errorf("%w: name of %d bytes, attributes of %d", ErrField, len(o.Name), attributes)
	}
	return nil
}

// roundTimes keeps what a row keeps, so that an object returned by Apply equals
// the one that Stat returns later.
func roundTimes(o *Object) {
	for _, t := range []*time.Time{&o.Created, &o.Modified, &o.Expires, &o.Deleted} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
}
