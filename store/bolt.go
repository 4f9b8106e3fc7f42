package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// index is the durable rows, of which layers are the news.
type index interface {
	// view runs f on one state. What a damaged file does to f is ErrDamaged.
	view(f func(rows) error) error
	// commit changes rows and forces that to the disk: first all at once, with or before
	// the others, which may take several steps, in their order. noSpace of its error:
	// nothing is lost, try again.
	commit(first []row, each func(put func(row) error) error) error
	close() error
}

// commitRows is how many rows go into one transaction: of a large index each row is on
// another page, and what bbolt does to them at the end keeps a processor to itself for so
// long. Beyond some 10,000 it slows down, as it splits a page only then.
const commitRows = 1000

// boltIndex is an index in a bbolt file: a bucket for each table. bbolt has no
// checksums, so each value carries one over its key and itself.
//
// It syncs its freelist, unlike what is advised for speed: commits are rare and off
// the way of any upload here, and the next start, of a killed server too, then has
// not to scan the file.
type boltIndex struct {
	db *bbolt.DB
	// writing is held by commit, which may move the mapped file, and by trim.
	writing *sync.Mutex
}

var _ index = boltIndex{}

func openBolt(path string) (b boltIndex, err error) {
	defer faults(&err)()
	b.writing = new(sync.Mutex)
	var opened *os.File
	// half a second: long enough for a predecessor that is just ending
	b.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 500 * time.Millisecond, NoStatistics: true,
		// an index that is missing is made aside, and never by bbolt
		OpenFile: func(path string, flag int, mode os.FileMode) (f *os.File, err error) {
			opened, err = os.OpenFile(path, flag&^os.O_CREATE, mode)
			return opened, err
		}})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return b, fmt.Errorf("%w: %s", ErrLocked, filepath.Dir(path))
	}
	if err != nil {
		return b, fmt.Errorf("%w: open %s: %v", ErrDamaged, path, err)
	}
	// who has waited for the lock may have that of a file which was moved meanwhile
	had, err := opened.Stat()
	has, err2 := os.Stat(path)
	if err := errors.Join(err, err2); err != nil || !os.SameFile(had, has) {
		return b, errors.Join(fmt.Errorf("%w: %s has been replaced", ErrLocked, path), err, b.db.Close())
	}
	return b, nil
}

// faults makes what a damaged index does to bbolt an ErrDamaged in err: panics,
// and faults where the mapped file cannot be read. Call what it returns when the
// access is over.
func faults(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: index: %v", ErrDamaged, p)
		}
	}
}

func (b boltIndex) view(f func(rows) error) (err error) {
	defer faults(&err)()
	return b.db.View(func(tx *bbolt.Tx) error { return f(&boltRows{tx: tx}) })
}

func (b boltIndex) commit(first []row, each func(put func(row) error) error) (err error) {
	defer faults(&err)()
	b.writing.Lock()
	defer b.writing.Unlock()
	var tx *bbolt.Tx
	defer func() {
		if tx != nil {
			tx.Rollback()
		}
	}()
	n := 0
	flush := func() error {
		if tx == nil {
			return nil
		}
		err := tx.Commit()
		tx, n = nil, 0
		return commitError(err)
	}
	put := func(r row) error {
		if tx == nil {
			if tx, err = b.db.Begin(true); err != nil {
				return err
			}
		}
		return putRow(tx, r)
	}
	for _, r := range first {
		if err := put(r); err != nil {
			return err
		}
	}
	err = each(func(r row) error {
		if err := put(r); err != nil {
			return err
		}
		if n++; n%32 == 0 {
			runtime.Gosched() // who waits for an answer comes first
		}
		if n < commitRows {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	// bbolt has two places for the root and takes the one it can read: the other has to
	// be of the same state, or damage to the newer would bring the last state back
	return commitError(b.db.Update(func(*bbolt.Tx) error { return nil }))
}

// commitError tells what of a commit has failed. bbolt returns a failed write as
// os.File does, with its path, and a failed sync without.
func commitError(err error) error {
	var write *fs.PathError
	if err == nil || errors.As(err, &write) && isFull(err) {
		return err
	}
	return &syncError{err}
}

func putRow(tx *bbolt.Tx, r row) error {
	bucket, err := bucketOf(tx, r.table)
	if err != nil {
		return err
	}
	key := []byte(r.key)
	if r.value == nil {
		return bucket.Delete(key)
	}
	return bucket.Put(key, seal(key, r.value))
}

func bucketOf(tx *bbolt.Tx, t table) (*bbolt.Bucket, error) {
	if bucket := tx.Bucket([]byte{'0' + byte(t)}); bucket != nil {
		return bucket, nil
	}
	return nil, fmt.Errorf("%w: index without table %d", ErrDamaged, t)
}

func (b boltIndex) close() (err error) {
	defer faults(&err)()
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.db.Close()
}

// boltRows are the rows of one bbolt transaction.
type boltRows struct {
	tx      *bbolt.Tx
	buckets [tables]*bbolt.Bucket // that were asked for
	file    *bbolt.Info           // where it is mapped, once that was asked for
	recent  [4]answer             // of get, in turn: a change asks for the same rows again
	asked   int
}

type answer struct {
	row
	err error
}

func (b *boltRows) bucket(t table) (*bbolt.Bucket, error) {
	if int(t) < tables && b.buckets[t] != nil {
		return b.buckets[t], nil
	}
	bucket, err := bucketOf(b.tx, t)
	if err == nil {
		b.buckets[t] = bucket
	}
	return bucket, err
}

func (b *boltRows) get(t table, key string) ([]byte, error) {
	for _, a := range b.recent[:min(b.asked, len(b.recent))] {
		if a.table == t && a.key == key {
			return a.value, a.err
		}
	}
	value, err := b.find(t, key)
	b.recent[b.asked%len(b.recent)] = answer{row{table: t, key: key, value: value}, err}
	b.asked++
	return value, err
}

func (b *boltRows) find(t table, key string) ([]byte, error) {
	bucket, err := b.bucket(t)
	if err != nil {
		return nil, err
	}
	c := bucket.Cursor()
	k, v := c.Seek([]byte(key))
	if string(k) == key {
		return unseal(k, v)
	}
	return nil, b.missing(c, k, v, []byte(key))
}

// missing is ErrNotFound if there is no row with the key, and ErrDamaged where that
// cannot be known: a damaged page leads a search astray, to a place where two
// neighbours on each side do not fit around the key, or are damaged themselves. c is
// where the search has ended, at k.
func (b *boltRows) missing(c *bbolt.Cursor, k, v, key []byte) error {
	last, passed := key, 0
	for ; k != nil && passed < 2; passed++ {
		if err := b.check(k, v, last, k); err != nil {
			return err
		}
		last = k
		k, v = c.Next()
	}
	if k != nil {
		for range passed + 1 {
			k, v = c.Prev()
		}
	} else if k, _ = c.Seek(key); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for next, i := key, 0; k != nil && i < 2; i++ {
		if err := b.check(k, v, k, next); err != nil {
			return err
		}
		next = k
		k, v = c.Prev()
	}
	return ErrNotFound
}

// check is an ErrDamaged where a row, or its page, is not what was written, or where
// one key does not come before another.
func (b *boltRows) check(key, sealed, before, after []byte) error {
	if bytes.Compare(before, after) >= 0 || !b.wholePage(key) {
		return fmt.Errorf("%w: index is out of order at %.100q", ErrDamaged, key)
	}
	_, err := unseal(key, sealed)
	return err
}

// wholePage says whether the number of rows in the page of a key is right: the first
// begins where the list of them ends. A smaller number would hide the others without
// a trace.
func (b *boltRows) wholePage(key []byte) bool {
	const leaf, row = 2, 16
	if b.file == nil {
		b.file = b.tx.DB().Info()
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(key))) - b.file.Data
	if at >= uintptr(b.tx.Size()) {
		return true // of a small table, which bbolt keeps in a row of the root and has copied
	}
	size := uintptr(b.file.PageSize)
	page := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(key)), -int(at%size))), size)
	if binary.NativeEndian.Uint64(page) != uint64(at/size) || binary.NativeEndian.Uint16(page[8:]) != leaf {
		return true // the rest of a long one
	}
	return binary.NativeEndian.Uint32(page[20:]) == row*uint32(binary.NativeEndian.Uint16(page[10:]))
}

func (b *boltRows) cursor(t table) cursor {
	bucket, err := b.bucket(t)
	if err != nil {
		return &boltCursor{err: err}
	}
	return &boltCursor{table: t, rows: b, c: bucket.Cursor()}
}

type boltCursor struct {
	table table
	rows  *boltRows
	c     *bbolt.Cursor
	last  string
	err   error
}

func (c *boltCursor) seek(key string) (row, bool, error) {
	if c.err != nil {
		return row{}, false, c.err
	}
	c.last = ""
	k, v := c.c.Seek([]byte(key))
	return c.here(k, v)
}

func (c *boltCursor) next() (row, bool, error) {
	if c.err != nil {
		return row{}, false, c.err
	}
	k, v := c.c.Next()
	return c.here(k, v)
}

func (c *boltCursor) here(k, v []byte) (row, bool, error) {
	if k == nil {
		return row{}, false, nil
	}
	value, err := unseal(k, v)
	if err == nil && (c.last != "" && string(k) <= c.last || !c.rows.wholePage(k)) {
		err = fmt.Errorf("%w: index is out of order at %.100q", ErrDamaged, k)
	}
	if err != nil {
		return row{}, false, err
	}
	c.last = string(k)
	return row{table: c.table, key: c.last, value: value}, true, nil
}
