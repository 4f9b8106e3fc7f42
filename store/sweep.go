package store

import (
	"errors"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// sweepBatch is how many names Sweep removes in one transaction: bbolt slows
// down beyond some 10,000, and uploads wait meanwhile.
const sweepBatch = 1000

// Sweep implements Store.
func (d *Disk) Sweep(trashedBefore time.Time) (Stats, error) {
	var total Stats
	for {
		idle := false
		if err := d.view(func(c *change) error {
			idle = len(due(c.expiry, c.now, 1))+len(due(c.trash, trashedBefore, 1)) == 0
			return nil
		}); err != nil || idle {
			return total, err
		}
		var before, after Stats
		err := d.update(func(c *change) error {
			before = c.stats
			if err := errors.Join(d.dropDue(c, c.expiry, c.now), d.dropDue(c, c.trash, trashedBefore)); err != nil {
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

// dropDue drops what is due in bucket. The key goes whatever happens: one whose
// name is gone, or whose row is damaged, must not stop the others.
func (d *Disk) dropDue(c *change, bucket *bbolt.Bucket, t time.Time) error {
	for _, key := range due(bucket, t, sweepBatch) {
		name := string(key[min(8, len(key)):])
		err := c.drop(name)
		if errors.Is(err, ErrDamaged) {
			d.opt.Log.Error("cannot sweep", "name", name, "err", err)
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// sweepUnnamed removes the blobs that the index does not know: a stop came
// between their rename and the transaction, or between one and their removal.
// One whose ledger cannot be read is not of that kind, and is left alone.
func (d *Disk) sweepUnnamed() error {
	swept := 0
	err := d.db.View(func(tx *bbolt.Tx) error {
		known := tx.Bucket(bucketBlobs)
		return d.blobs.walk(func(digest Digest, size int64, path string) error {
			if known.Get(digest[:]) != nil {
				return nil
			}
			if _, whole, err := readLedger(path, digest, size); err != nil || !whole {
				d.opt.Log.Warn("a blob has neither a name nor a ledger; it is left alone", "path", path, "err", err)
				return nil
			}
			swept++
			return os.Remove(path)
		})
	})
	if swept > 0 {
		d.opt.Log.Info("removed bytes of uploads that were cut off", "dir", d.blobs.dir, "blobs", swept)
	}
	return err
}
