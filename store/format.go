package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// format is the version of everything below a Disk's directory. A newer one is
// refused; an older one is brought up, by making the index anew if need be.
const format = 4

const indexName = "meta.db"

// openIndex opens meta.db, and makes it in a directory without blobs. errRebuild:
// it is missing although there are blobs, or of an earlier format.
func openIndex(dir string) (boltIndex, error) {
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		switch empty, err := holdsNothing(dir); {
		case err != nil:
			return boltIndex{}, err
		case !empty:
			return boltIndex{}, fmt.Errorf("%w is missing", errRebuild)
		}
		if err := makeIndex(dir, path); err != nil {
			return boltIndex{}, fmt.Errorf("store: make %s: %w", path, err)
		}
	} else if err != nil {
		return boltIndex{}, fmt.Errorf("store: %w", err)
	}
	b, err := openBolt(path)
	if err != nil {
		return b, err
	}
	if err := b.checkFormat(path); err != nil {
		return b, errors.Join(err, b.close())
	}
	return b, nil
}

func holdsNothing(dir string) (bool, error) {
	for _, pattern := range []string{"journal/*", "blobs/*/*"} {
		if found, err := fs.Glob(os.DirFS(dir), pattern); err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// makeIndex makes an empty index: under another name first, since a half-made
// file would be taken for a damaged one.
func makeIndex(dir, path string) error {
	fresh, err := initIndex(dir)
	defer os.Remove(fresh)
	if err == nil {
		// unlike a rename, a link never replaces the index of who was faster
		err = os.Link(fresh, path)
	}
	if _, missing := os.Stat(path); err != nil && missing != nil {
		return err
	}
	return syncDir(dir)
}

// initIndex makes an empty index under a name of its own in tmp/.
func initIndex(dir string) (path string, err error) {
	file, err := os.CreateTemp(filepath.Join(dir, "tmp"), indexName)
	if err != nil {
		return "", err
	}
	path = file.Name()
	file.Close()
	b, err := openBolt(path)
	if err != nil {
		return path, err
	}
	err = b.db.Update(func(tx *bbolt.Tx) error {
		for t := range tables {
			if _, err := tx.CreateBucket([]byte{'0' + byte(t)}); err != nil {
				return err
			}
		}
		return errors.Join(
			putRow(tx, row{table: tableMeta, key: keyFormat, value: binary.AppendUvarint(nil, format)}),
			putRow(tx, row{table: tableMeta, key: keyApplied, value: binary.AppendUvarint(nil, 0)}),
			putRow(tx, row{table: tableMeta, key: keyStats, value: Stats{}.pack()}))
	})
	return path, errors.Join(err, b.close())
}

// checkFormat returns errRebuild for an index of format 1, and brings up one of format
// 2, which has fewer tables, to the next. From there countOwners goes on.
func (b boltIndex) checkFormat(path string) (err error) {
	defer faults(&err)()
	earlier := false
	err = b.db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket([]byte("meta")); meta != nil && meta.Get([]byte(keyFormat)) != nil {
			return fmt.Errorf("%w has format 1", errRebuild)
		}
		value, err := (&boltRows{tx: tx}).get(tableMeta, keyFormat)
		if err != nil {
			return fmt.Errorf("%w: %s is not an index of tintype", ErrDamaged, path)
		}
		v, _ := binary.Uvarint(value)
		if earlier = v == 2; !earlier && v != formatUncounted && v != format {
			return fmt.Errorf("store: %s has format %d, this version of tintype reads %d", path, v, format)
		}
		return nil
	})
	if err != nil || !earlier {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error {
		for t := tableResidents; int(t) < tables; t++ {
			if _, err := tx.CreateBucketIfNotExists([]byte{'0' + byte(t)}); err != nil {
				return err
			}
		}
		return putRow(tx, row{table: tableMeta, key: keyFormat, value: binary.AppendUvarint(nil, formatUncounted)})
	})
}
