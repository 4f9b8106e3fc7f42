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
			for _, name := range append(due(c.expiry, c.now, sweepBatch), due(c.trash, trashedBefore, sweepBatch)...) {
				// a name may be due for both reasons
				if err := c.drop(name); err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
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

// sweepUnnamed removes the blobs that the index does not know: a stop came
// between their rename and the transaction, or between one and their removal.
func (d *Disk) sweepUnnamed() error {
	swept := 0
	err := d.db.View(func(tx *bbolt.Tx) error {
		known := tx.Bucket(bucketBlobs)
		return d.blobs.walk(func(digest Digest, _ int64, path string) error {
			if known.Get(digest[:]) != nil {
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
