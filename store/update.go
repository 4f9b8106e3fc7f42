package store

import (
	"errors"
	"io/fs"

	"go.etcd.io/bbolt"
)

// action is what a change does to the files before it commits, and how that is
// taken back.
type action struct{ do, undo func() error }

// gain puts off the ledger record of a blob's new name, or of what is new about
// one, until all of the change is known to be allowed.
func (c *change) gain(d *Disk, o Object) {
	before := entry{lost, o}
	if old, ok := c.before(o.Name); ok && old.Digest == o.Digest {
		before = entry{gained, old}
	}
	c.adds = append(c.adds, action{
		do:   func() error { return d.blobs.note(gained, o) },
		undo: func() error { return d.blobs.note(before.op, before.obj) },
	})
}

// before returns the object that had a name when the change began.
func (c *change) before(name string) (Object, bool) {
	for _, o := range c.dropped {
		if o.Name == name {
			return o, true
		}
	}
	o, err := get(c.names, name)
	return o, err == nil
}

// update runs one index transaction. f checks and changes the index; only then
// are the files of what it adds put in place, and then it commits. What it
// dropped is released after. A change that fails leaves nothing behind.
func (d *Disk) update(f func(c *change) error) error {
	d.commit.Lock()
	defer d.commit.Unlock()
	if err := d.Ready(); err != nil {
		return err
	}
	var c *change
	done := 0 // actions, the last perhaps in part
	committing := false
	err := d.db.Update(func(tx *bbolt.Tx) error {
		var err error
		if c, err = lookup(tx, d.opt.Now()); err != nil {
			return err
		}
		c.keepLost = d.keepLost
		if err := f(c); err != nil {
			return err
		}
		if err := c.settle(); err != nil {
			return err
		}
		for !seededBug && done < len(c.adds) {
			done++
			if err := c.adds[done-1].do(); err != nil {
				return err
			}
		}
		committing = true
		return nil
	})
	if err != nil && committing && !noSpace(err) {
		err = &syncError{err} // bbolt does not say which of its calls failed
	}
	if err != nil {
		d.rollBack(c, done, err)
		return d.fail(err)
	}
	for seededBug && done < len(c.adds) {
		done++
		if err := c.adds[done-1].do(); err != nil {
			return err
		}
	}
	d.release(c)
	return nil
}

// rollBack takes the files back to before a change that failed. After a failed
// sync it keeps its hands off: the index may have the change on the disk.
func (d *Disk) rollBack(c *change, done int, why error) {
	if done == 0 {
		return
	}
	d.unclean = true // so that the next open looks at every file
	var s *syncError
	if errors.As(why, &s) {
		return
	}
	for i := done - 1; i >= 0; i-- {
		if err := c.adds[i].undo(); err != nil {
			d.opt.Log.Error("cannot undo a change", "dir", d.blobs.dir, "err", err)
		}
	}
}

// settle completes a change before it commits: which names were really lost,
// which blobs have none left, and the counters. Names lost by blobs that stay are
// written to bucketLost, for release has yet to tell their ledgers.
func (c *change) settle() error {
	for digest := range c.touched {
		if c.holds(digest) {
			delete(c.touched, digest)
		}
	}
	if !c.keepLost {
		if err := empty(c.lost); err != nil {
			return err
		}
	}
	dropped := c.dropped
	c.dropped = nil
	for _, o := range dropped {
		_, gone := c.touched[o.Digest]
		now, err := get(c.names, o.Name)
		if gone || err == nil && now.Digest == o.Digest { // put again with the same bytes
			continue
		}
		c.dropped = append(c.dropped, o)
		key := append(o.Digest[:], o.Name...)
		if err := c.lost.Put(key, seal(key, appendRow(nil, o))); err != nil {
			return err
		}
	}
	return putStats(c.meta, c.stats)
}

func empty(b *bbolt.Bucket) error {
	cur := b.Cursor()
	for k, _ := cur.First(); k != nil; k, _ = cur.First() {
		if err := cur.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// release takes away what a committed change left without a name. The change has
// happened: what fails here is logged, and made good by the next open.
func (d *Disk) release(c *change) {
	for digest, size := range c.touched {
		d.opt.Cache.remove(digest)
		if err := d.blobs.remove(digest, size); err != nil {
			d.unclean = true
			d.opt.Log.Error("cannot remove a blob", "err", err)
		}
	}
	dropped := make(map[Digest][]Object)
	for _, o := range c.dropped {
		dropped[o.Digest] = append(dropped[o.Digest], o)
	}
	for _, names := range dropped {
		if err := d.fail(d.blobs.note(lost, names...)); err != nil {
			d.keepLost, d.unclean = true, true // until the next open has told it
			d.opt.Log.Error("cannot tell a ledger of a lost name", "err", err)
		}
	}
}

// tellLost tells ledgers of the names that a stop or a failure kept release from
// telling. A name that its blob has again since is not lost.
func (d *Disk) tellLost() error {
	return d.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketLost)
		err := b.ForEach(func(k, v []byte) error {
			if len(k) <= len(Digest{}) {
				return nil
			}
			row, err := unseal(k, v)
			if err != nil {
				return err
			}
			o, err := parseRow(string(k[len(Digest{}):]), row)
			if err != nil || tx.Bucket(bucketBlobs).Get(o.Digest[:]) == nil {
				return err
			}
			if now, err := get(tx.Bucket(bucketNames), o.Name); err == nil && now.Digest == o.Digest {
				return nil
			}
			err = d.blobs.note(lost, o)
			if errors.Is(err, fs.ErrNotExist) {
				d.opt.Log.Error("a blob has no file", "err", err)
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		return empty(b)
	})
}
