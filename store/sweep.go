package store

import (
	"errors"
	"time"
)

// sweepBatch is how many names Sweep removes in one change: others wait meanwhile.
const sweepBatch = 1000

// Sweep implements Store.
func (d *Disk) Sweep(trashedBefore time.Time) (Stats, error) {
	var total Stats
	for {
		idle := false
		if err := d.view(func(l look) error {
			expired, err1 := l.due(tableExpiry, l.now, 1)
			trashed, err2 := l.due(tableTrash, trashedBefore, 1)
			idle = len(expired)+len(trashed) == 0
			return errors.Join(err1, err2)
		}); err != nil || idle {
			return total, err
		}
		var before, after Stats
		err := d.commit(func(c *change) error {
			before = c.stats
			if err := errors.Join(d.dropDue(c, tableExpiry, c.now), d.dropDue(c, tableTrash, trashedBefore)); err != nil {
				return err
			}
			after = c.stats
			return nil
		})
		if err != nil {
			return total, err
		}
		total.Objects += before.Objects - after.Objects
		total.ObjectBytes += before.ObjectBytes - after.ObjectBytes
		total.Blobs += before.Blobs - after.Blobs
		total.BlobBytes += before.BlobBytes - after.BlobBytes
	}
}

// dropDue drops what is due in a table. The key goes whatever happens: one whose
// name is gone, or whose row is damaged, must not stop the others.
func (d *Disk) dropDue(c *change, t table, until time.Time) error {
	keys, err := c.due(t, until, sweepBatch)
	if err != nil {
		return err
	}
	for _, key := range keys {
		name := key[min(8, len(key)):]
		err := c.drop(name)
		if errors.Is(err, ErrDamaged) {
			d.opt.Log.Error("cannot sweep", "name", name, "err", err)
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		c.write(t, key, nil)
	}
	return nil
}
