package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const indexName = "meta.db"

// openIndex opens meta.db and makes it where it is missing: under another name
// first, since a half-made file would be taken for a damaged one.
func openIndex(dir string) (*bbolt.DB, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		err := makeIndex(dir, path)
		if _, missing := os.Stat(path); err != nil && missing != nil {
			return nil, fmt.Errorf("store: make %s: %w", path, err)
		}
	}
	db, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return fmt.Errorf("%w: %s is not an index of tintype", ErrDamaged, path)
		}
		value, err := unseal(keyFormat, meta.Get(keyFormat))
		if err != nil {
			return err
		}
		if v, _ := binary.Uvarint(value); v != format {
			return fmt.Errorf("store: %s has format %d, this version of tintype reads %d", path, v, format)
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func openBolt(path string) (db *bbolt.DB, err error) {
	defer faults(&err)()
	// half a second: long enough for a predecessor that is just ending
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 500 * time.Millisecond})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %v", ErrDamaged, path, err)
	}
	return db, nil
}

// faults makes what a damaged index does to bbolt an ErrDamaged in err: panics,
// and faults where the mapped file is shorter than its pages say. Call what it
// returns when the access is over.
func faults(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: index: %v", ErrDamaged, p)
		}
	}
}

func makeIndex(dir, path string) error {
	// a name of its own: several processes may come first
	file, err := os.CreateTemp(filepath.Join(dir, "tmp"), indexName)
	if err != nil {
		return err
	}
	fresh := file.Name()
	defer os.Remove(fresh)
	file.Close()
	db, err := openBolt(fresh)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketNames, bucketIDs, bucketBlobs, bucketExpiry, bucketTrash, bucketMeta} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(
			meta.Put(keyFormat, seal(keyFormat, binary.AppendUvarint(nil, format))),
			putStats(meta, Stats{}))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	// unlike a rename, a link never replaces the index of who was faster
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// setClean says in the index whether the store was closed.
func setClean(db *bbolt.DB, clean bool) error {
	return db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if clean {
			return meta.Put(keyClean, seal(keyClean, []byte{1}))
		}
		return meta.Delete(keyClean)
	})
}

// recover brings directory and index together after an unclean stop, and notes
// that the store is open.
func (d *Disk) recover() error {
	clean := false
	if err := d.db.View(func(tx *bbolt.Tx) error {
		clean = tx.Bucket(bucketMeta).Get(keyClean) != nil
		return nil
	}); err != nil {
		return err
	}
	if err := d.blobs.clearTmp(); err != nil {
		return fmt.Errorf("store: empty tmp: %w", err)
	}
	if clean {
		return setClean(d.db, false)
	}
	if d.opt.Relaxed {
		if err := d.verify(); err != nil {
			return err
		}
	}
	return d.sweepUnnamed()
}

// verify reads the whole index. Without synced transactions a power cut can
// leave any mix of old and new pages, which bbolt may answer with a panic.
func (d *Disk) verify() (err error) {
	defer faults(&err)()
	return d.view(func(c *change) error {
		return c.names.ForEach(func(k, _ []byte) error {
			o, err := get(c.names, string(k))
			if err == nil && !c.holds(o.Digest) {
				err = fmt.Errorf("%w: %q names an unknown blob", ErrDamaged, k)
			}
			return err
		})
	})
}

// Rebuild makes the index of the store in dir anew from its blob files alone and
// returns what it holds. The old index, if any, is kept as meta.db.old. The
// store must not be open: ErrLocked.
func Rebuild(dir string) (Stats, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(filepath.Join(dir, "blobs")); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		db, err := openBolt(path)
		if errors.Is(err, ErrLocked) {
			return Stats{}, err
		}
		if err == nil {
			db.Close()
		}
	}
	return rebuild(dir)
}

// rebuild is Rebuild for a caller that knows the index to be nobody else's. It
// does not open the old one: where that panics, bbolt never unlocks it.
func rebuild(dir string) (Stats, error) {
	path := filepath.Join(dir, indexName)
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	d := newDisk(dir, Options{Now: time.Now})
	if err := d.openIndex(); err != nil {
		return Stats{}, err
	}
	if err := d.reindex(); err != nil {
		return Stats{}, errors.Join(err, d.Close())
	}
	s, err := d.Stats()
	return s, errors.Join(err, d.Close())
}

// reindex names every blob as its ledger says. Where two blobs claim a name, a
// replacement was cut off before the older ledger knew: the newer one has it.
func (d *Disk) reindex() error {
	var batch []Object
	write := func() error {
		defer func() { batch = batch[:0] }()
		return d.db.Update(func(tx *bbolt.Tx) error {
			c, err := lookup(tx, d.opt.Now())
			if err != nil {
				return err
			}
			for _, o := range batch {
				if old, err := get(c.names, o.Name); err == nil && old.Created.After(o.Created) {
					continue
				}
				if err := c.put(o); err != nil {
					return err
				}
			}
			return c.finish()
		})
	}
	err := d.blobs.walk(func(digest Digest, size int64, path string) error {
		names, err := readLedger(path, digest, size)
		if err != nil {
			return err
		}
		batch = append(batch, names...)
		if len(batch) < sweepBatch {
			return nil
		}
		return write()
	})
	if err != nil {
		return err
	}
	return write()
}

// readLedger returns the objects that a blob file says it has.
func readLedger(path string, digest Digest, size int64) ([]Object, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, size, max(info.Size()-size, 0)))
	if err != nil {
		return nil, err
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
	objs := make([]Object, 0, len(named))
	for _, o := range named {
		objs = append(objs, o)
	}
	return objs, nil
}
