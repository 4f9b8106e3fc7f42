package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const indexName = "meta.db"

// errRebuild is why an index has to be made anew from the blobs.
var errRebuild = errors.New("store: index")

// openIndex opens meta.db, and makes it in a directory without blobs. errRebuild:
// it is missing although there are blobs; or it is a relaxed one after an unclean
// stop, when a power cut may have left any mix of old and new pages.
func openIndex(dir string, relaxed bool) (*bbolt.DB, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		switch empty, err := hasNoBlobs(dir); {
		case err != nil:
			return nil, err
		case !empty:
			return nil, fmt.Errorf("%w is missing", errRebuild)
		}
		err := makeIndex(dir, path)
		if _, missing := os.Stat(path); err != nil && missing != nil {
			return nil, fmt.Errorf("store: make %s: %w", path, err)
		}
	}
	db, err := openBolt(path)
	if err == nil {
		if err = checkIndex(db, path, relaxed); err != nil {
			db.Close()
		}
	}
	if relaxed && errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %v", errRebuild, err)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

func hasNoBlobs(dir string) (bool, error) {
	outer, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	for _, e := range outer {
		files, err := filepath.Glob(filepath.Join(dir, "blobs", e.Name(), "*", "*"))
		if err != nil || len(files) > 0 {
			return false, err
		}
	}
	return true, nil
}

func checkIndex(db *bbolt.DB, path string, relaxed bool) (err error) {
	defer faults(&err)()
	return db.View(func(tx *bbolt.Tx) error {
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
		if relaxed && meta.Get(keyClean) == nil {
			if empty, err := hasNoBlobs(filepath.Dir(path)); !empty {
				return errors.Join(fmt.Errorf("%w was not closed", errRebuild), err)
			}
		}
		return nil
	})
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

// makeIndex makes an empty index: under another name first, since a half-made
// file would be taken for a damaged one.
func makeIndex(dir, path string) error {
	fresh, err := initIndex(dir)
	if err != nil {
		return err
	}
	defer os.Remove(fresh)
	// unlike a rename, a link never replaces the index of who was faster
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(dir)
}

// initIndex makes an empty index under a name of its own in tmp/.
func initIndex(dir string) (path string, err error) {
	file, err := os.CreateTemp(filepath.Join(dir, "tmp"), indexName)
	if err != nil {
		return "", err
	}
	path = file.Name()
	file.Close()
	db, err := openBolt(path)
	if err != nil {
		return "", err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketNames, bucketIDs, bucketBlobs, bucketExpiry, bucketTrash, bucketLost, bucketMeta} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(
			meta.Put(keyFormat, seal(keyFormat, binary.AppendUvarint(nil, format))),
			putStats(meta, Stats{}))
	})
	return path, errors.Join(err, db.Close())
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
	return errors.Join(d.tellLost(), d.sweepUnnamed())
}
