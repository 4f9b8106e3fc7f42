package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Rebuild makes the index of the store in dir anew from its blob files alone and
// returns what it holds. The old index, if any, is kept as meta.db.old. The
// store must not be open: ErrLocked.
func Rebuild(dir string) (Stats, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(filepath.Join(dir, "blobs")); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		old, err := openBolt(path)
		if errors.Is(err, ErrLocked) {
			return Stats{}, err
		}
		if err == nil {
			defer old.Close() // locked until the new one has taken its place
		}
	}
	return rebuild(dir, Options{Now: time.Now, Log: slog.Default()})
}

// rebuild is Rebuild for a caller that knows the index to be nobody else's. It
// does not open the old one: where that panics, bbolt never unlocks it. The new
// one is filled aside, so that a stop half-way changes nothing.
func rebuild(dir string, opt Options) (Stats, error) {
	d := newDisk(dir, opt)
	if err := d.blobs.clearTmp(); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	fresh, err := initIndex(dir)
	if err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	if d.db, err = openBolt(fresh); err != nil {
		return Stats{}, err
	}
	d.db.NoSync = true // until the end
	err = d.reindex()
	s, statsErr := d.Stats()
	err = errors.Join(err, statsErr, setClean(d.db, true), d.db.Sync(), d.db.Close())
	if err != nil {
		return Stats{}, errors.Join(fmt.Errorf("store: rebuild: %w", err), os.Remove(fresh))
	}
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); err == nil {
		if err := os.Rename(path, path+".old"); err != nil {
			return Stats{}, fmt.Errorf("store: rebuild: %w", err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	return s, syncPath(dir)
}

// reindex names every blob as its ledger says. Where two blobs claim a name, a
// replacement was cut off before the older ledger knew: the newer one has it. A
// blob that has lost all its names is removed.
func (d *Disk) reindex() error {
	var batch []Object
	err := d.blobs.walk(func(digest Digest, size int64, path string) error {
		names, whole, err := readLedger(path, digest, size)
		switch {
		case err != nil:
			return err
		case len(names) > 0:
			batch = append(batch, names...)
		case whole:
			return os.Remove(path)
		default:
			d.opt.Log.Warn("a blob has no ledger that can be read; it is left alone", "path", path)
		}
		if len(batch) < sweepBatch {
			return nil
		}
		err = d.addRows(batch)
		batch = batch[:0]
		return err
	})
	return errors.Join(err, d.addRows(batch))
}

func (d *Disk) addRows(objs []Object) error {
	return d.db.Update(func(tx *bbolt.Tx) error {
		c, err := lookup(tx, d.opt.Now())
		if err != nil {
			return err
		}
		for _, o := range objs {
			if old, err := get(c.names, o.Name); err == nil && old.LastModified().After(o.LastModified()) {
				continue
			}
			if err := c.put(o); err != nil {
				return err
			}
		}
		return putStats(c.meta, c.stats)
	})
}

// readLedger returns the objects that a blob file says it has. whole: nothing of
// the ledger is missing or damaged but for a torn record at its end.
func readLedger(path string, digest Digest, size int64) (objs []Object, whole bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, size, max(info.Size()-size, 0)))
	if err != nil {
		return nil, false, err
	}
	entries, _ := parseLedger(b)
	named := make(map[string]Object)
	for _, e := range entries {
		switch {
		case e.op == lost:
			delete(named, e.obj.Name)
		case e.obj.Digest == digest && e.obj.Size == size:
			named[e.obj.Name] = e.obj
		}
	}
	for _, o := range named {
		objs = append(objs, o)
	}
	return objs, len(entries) > 0, nil
}
