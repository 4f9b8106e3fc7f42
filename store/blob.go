package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// blobs is the directory of blob files and their staging area. stage may be
// called concurrently; the methods that change blobs/ hold Disk.commit.
type blobs struct {
	dir   string // holds blobs/ and tmp/
	now   func() time.Time
	later *flusher
	made  [1 << 16]bool // fan-out directories that are known to be on the disk
}

// staged is a blob on its way in: a file in tmp/.
type staged struct {
	file *os.File
	path string
}

func (b *blobs) root() string { return filepath.Join(b.dir, "blobs") }
func (b *blobs) tmp() string  { return filepath.Join(b.dir, "tmp") }

func (b *blobs) path(d Digest, size int64) string {
	hex := d.String()
	return filepath.Join(b.root(), hex[:2], hex[2:4], hex+"."+strconv.FormatInt(size, 10))
}

// parsePath is the inverse of path, for a file's own name.
func parsePath(file string) (Digest, int64, error) {
	hex, size, _ := strings.Cut(file, ".")
	d, err := ParseDigest(hex)
	if err != nil {
		return Digest{}, 0, err
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != size {
		return Digest{}, 0, fmt.Errorf("store: blob file %q: want a size behind the digest", file)
	}
	return d, n, nil
}

// stage copies the body of item into tmp/ with its first ledger record behind it,
// and fills in what only the bytes tell. The caller discards the result, placed or not.
func (b *blobs) stage(o *Object, item Item) (*staged, error) {
	f, err := os.CreateTemp(b.tmp(), "*")
	if err != nil {
		return nil, fmt.Errorf("store: stage: %w", err)
	}
	s := &staged{file: f, path: f.Name()}
	if err := s.fill(o, item, b.now, b.later == nil); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

func (s *staged) fill(o *Object, item Item, now func() time.Time, durable bool) error {
	sum, crc := sha256.New(), crc32.New(castagnoli)
	n, err := io.Copy(io.MultiWriter(s.file, sum, crc), item.Body)
	sum.Sum(o.Digest[:0])
	o.CRC, o.Size = crc.Sum32(), n
	if o.Created.IsZero() {
		o.Created = now() // not when it began to arrive
	}
	if err == nil && item.Inspect != nil {
		err = item.Inspect(o, io.NewSectionReader(s.file, 0, n))
	}
	roundTimes(o)
	if err == nil {
		err = checkFields(*o)
	}
	if err != nil {
		return fmt.Errorf("store: stage %q: %w", o.Name, err)
	}
	if _, err := s.file.Write(appendRecord(nil, gained, *o)); err != nil {
		return fmt.Errorf("store: stage %q: %w", o.Name, err)
	}
	if durable {
		if err := s.file.Sync(); err != nil {
			return &syncError{err}
		}
	}
	return s.file.Close()
}

// discard removes what is still in tmp/. After a rename there is nothing.
func (s *staged) discard() {
	s.file.Close()
	os.Remove(s.path)
}

// place makes a staged file the blob of o, replacing what an interrupted Apply
// may have left there.
func (b *blobs) place(s *staged, o Object) error {
	if err := b.makeDir(o.Digest); err != nil {
		return err
	}
	path := b.path(o.Digest, o.Size)
	if err := os.Rename(s.path, path); err != nil {
		return fmt.Errorf("store: place %v: %w", o.Digest, err)
	}
	if b.later != nil {
		b.later.add(path, filepath.Dir(path))
		return nil
	}
	return syncPath(filepath.Dir(path))
}

// makeDir makes the fan-out directory of a digest. The parents are synced even
// where the directory exists: an earlier run may have been cut off before.
func (b *blobs) makeDir(d Digest) error {
	known := &b.made[int(d[0])<<8|int(d[1])]
	if *known {
		return nil
	}
	inner := filepath.Dir(b.path(d, 0))
	if err := os.MkdirAll(inner, 0o700); err != nil {
		return fmt.Errorf("store: make %s: %w", inner, err)
	}
	outer := filepath.Dir(inner)
	if b.later != nil {
		b.later.add(outer, b.root())
	} else if err := errors.Join(syncPath(b.root()), syncPath(outer)); err != nil {
		return err
	}
	*known = true
	return nil
}

// note appends records to the ledger of the objects' one blob, cutting off what an
// interrupted call may have left at its end. One that has become long is written
// anew with the names that are left.
func (b *blobs) note(op byte, objs ...Object) error {
	o := objs[0]
	path := b.path(o.Digest, o.Size)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("store: ledger of %v: %w", o.Digest, err)
	}
	defer f.Close()
	end, err := ledgerEnd(f, o.Size)
	if err != nil {
		return fmt.Errorf("store: ledger of %v: %w", o.Digest, err)
	}
	var records []byte
	for _, o := range objs {
		records = appendRecord(records, op, o)
	}
	if _, err := f.WriteAt(records, end); err != nil {
		return fmt.Errorf("store: ledger of %v: %w", o.Digest, err)
	}
	// looked at once in so many bytes
	if before := end - o.Size; (before+int64(len(records)))/longLedger > before/longLedger {
		var s *syncError
		if shorter, err := b.shorten(f, o); shorter || errors.As(err, &s) {
			return err
		} // where there is no room for another file, the long one is as good
	}
	return b.synced(f)
}

// longLedger is how many bytes a ledger gains before it is looked at.
const longLedger = 1 << 20

// shorten replaces the file of o's blob, open as f, by one whose ledger has only
// the names that are left, if that halves it. It says whether it has.
func (b *blobs) shorten(f *os.File, o Object) (bool, error) {
	objs, _, err := readLedger(f.Name(), o.Digest, o.Size)
	if err != nil {
		return false, err
	}
	var records []byte
	for _, o := range objs {
		records = appendRecord(records, gained, o)
	}
	info, err := f.Stat()
	if err != nil || int64(len(records)) > (info.Size()-o.Size)/2 {
		return false, err
	}
	fresh, err := os.CreateTemp(b.tmp(), "*")
	if err != nil {
		return false, err
	}
	s := &staged{file: fresh, path: fresh.Name()}
	defer s.discard()
	_, err = io.Copy(fresh, io.MultiReader(io.NewSectionReader(f, 0, o.Size), bytes.NewReader(records)))
	if err := errors.Join(err, b.synced(fresh), fresh.Close()); err != nil {
		return false, err
	}
	err = b.place(s, o)
	return err == nil, err
}

// synced forces a file to the disk, now or later.
func (b *blobs) synced(f *os.File) error {
	if b.later != nil {
		b.later.add(f.Name())
		return nil
	}
	if err := f.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// ledgerEnd returns where the next record goes, and truncates f to there.
func ledgerEnd(f *os.File, size int64) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	if end < size {
		return 0, fmt.Errorf("%w: blob file of %d bytes, want %d", ErrDamaged, end, size)
	}
	whole, err := endsWhole(io.NewSectionReader(f, size, end-size))
	if whole || err != nil {
		return end, err
	}
	all, err := io.ReadAll(io.NewSectionReader(f, size, end-size))
	if err != nil {
		return 0, err
	}
	_, valid := parseLedger(all)
	return size + int64(valid), f.Truncate(size + int64(valid))
}

func (b *blobs) remove(d Digest, size int64) error {
	if err := os.Remove(b.path(d, size)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: remove %v: %w", d, err)
	}
	return nil
}

// walk calls visit for every blob file, in digest order. Files that are no
// blobs are passed over.
func (b *blobs) walk(visit func(d Digest, size int64, path string) error) error {
	return filepath.WalkDir(b.root(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		d, size, err := parsePath(e.Name())
		if err != nil {
			return nil
		}
		return visit(d, size, path)
	})
}

// clearTmp removes what interrupted Puts left behind.
func (b *blobs) clearTmp() error {
	files, err := os.ReadDir(b.tmp())
	if err != nil {
		return err
	}
	for _, f := range files {
		err := os.Remove(filepath.Join(b.tmp(), f.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another's that comes too late
			return err
		}
	}
	return nil
}

// syncError is a failed fsync: the one error after which nothing can be trusted
// to be on the disk.
type syncError struct{ err error }

func (e *syncError) Error() string { return "store: sync: " + e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }
