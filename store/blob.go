package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// blobs is the directory of blob files and their staging area. The methods that
// change blobs/ are called by one goroutine at a time, which holds Disk.files. What
// they do is on the disk after changed.sync.
type blobs struct {
	dir     string // holds blobs/ and tmp/
	fs      fileSystem
	changed unsynced
	made    atomic.Uint64 // files of tmp/
	torn    bool          // a power cut may have left any sector of a ledger unwritten
	known   [fanOut]bool  // directories of blobs/ that are there
	buf     []byte        // of the file that is being made
}

// fanOut is how many directories the blobs are spread over. More would cost an upload
// more than they save where there are some 10,000 files in each.
const fanOut = 256

func (b *blobs) root() string { return filepath.Join(b.dir, "blobs") }
func (b *blobs) tmp() string  { return filepath.Join(b.dir, "tmp") }

func (b *blobs) path(d Digest, size int64) string {
	hex := d.String()
	return filepath.Join(b.root(), hex[:2], hex+"."+strconv.FormatInt(size, 10))
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

// has says whether a blob has a file.
func (b *blobs) has(d Digest, size int64) (bool, error) {
	f, err := b.fs.Open(b.path(d, size))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// createTmp makes a file in tmp/.
func (b *blobs) createTmp() (file, string, error) {
	for {
		path := filepath.Join(b.tmp(), strconv.FormatUint(b.made.Add(1), 10))
		f, err := b.fs.Create(path)
		if !errors.Is(err, fs.ErrExist) {
			return f, path, err
		}
	}
}

// place makes the file of a blob out of staged bytes and the records of its ledger.
// It may be there already: from a checkpoint that was cut off, or of a blob that is
// gone and comes again. Who reads the old one goes on reading that.
func (b *blobs) place(d Digest, at *spot, records []byte) error {
	path := b.path(d, at.size)
	if err := b.makeDir(d); err != nil {
		return err
	}
	b.changed.add(path, filepath.Dir(path))
	if at.file != "" {
		return b.placeFile(d, at, records)
	}
	data, err := at.appendBody(b.buf[:0])
	if err != nil && (at.stays == "" || !errors.Is(err, ErrDamaged) && !errors.Is(err, errMoved)) {
		return err // but of a damaged one that moves: what there is, for the ledger's sake
	}
	data = append(data, records...)
	b.buf = data
	f, err := b.fs.Create(path)
	if err == nil {
		return b.writeTo(f, path, data)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.replace(path, func(f file) error {
		_, err := f.WriteAt(data, 0)
		return err
	})
}

func (b *blobs) writeTo(f file, path string, data []byte) error {
	_, err := f.WriteAt(data, 0)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, b.fs.Remove(path))
	}
	return nil
}

// placeFile moves a staged file, or finds that a checkpoint that was cut off has moved
// it. Its ledger becomes what it has to be, whatever of that is there.
func (b *blobs) placeFile(d Digest, at *spot, records []byte) error {
	path := b.path(d, at.size)
	if at.record == 0 || at.record != recordSum(records) {
		err := b.writeLedger(at.file, at.size, records)
		if errors.Is(err, fs.ErrNotExist) {
			return b.writeLedger(path, at.size, records)
		}
		if err != nil {
			return err
		}
	}
	b.changed.add("", b.tmp())
	err := b.fs.Rename(at.file, path)
	if errors.Is(err, fs.ErrNotExist) {
		return b.writeLedger(path, at.size, records)
	}
	return err
}

// writeLedger makes records all that is behind the bytes of a file.
func (b *blobs) writeLedger(path string, size int64, records []byte) error {
	f, err := b.fs.Edit(path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(records, size)
	return errors.Join(err, f.Truncate(size+int64(len(records))), f.Close())
}

// replace puts a file made by write in the place of the one at path.
func (b *blobs) replace(path string, write func(file) error) error {
	f, tmp, err := b.createTmp()
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync() // what is there now may be all there is
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		b.changed.add(path, filepath.Dir(path), b.tmp())
		err = b.fs.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, b.fs.Remove(tmp))
	}
	return nil
}

// makeDir makes the directory of a digest.
func (b *blobs) makeDir(d Digest) error {
	if b.known[d[0]] {
		return nil
	}
	dir := filepath.Dir(b.path(d, 0))
	if err := b.fs.Mkdir(dir); err != nil {
		return fmt.Errorf("store: make %s: %w", dir, err)
	}
	b.changed.add("", b.root())
	b.known[d[0]] = true
	return nil
}

// note appends records to the ledger of a blob, cutting off what an interrupted call
// may have left at its end. One that has become long is written anew with the names
// that are left.
func (b *blobs) note(d Digest, size int64, records []byte) error {
	path := b.path(d, size)
	f, err := b.fs.Edit(path)
	if err != nil {
		return fmt.Errorf("store: ledger of %v: %w", d, err)
	}
	defer f.Close()
	end, err := ledgerEnd(f, size, b.torn)
	if err != nil {
		return fmt.Errorf("store: ledger of %v: %w", d, err)
	}
	b.changed.add(path)
	if _, err := f.WriteAt(records, end); err != nil {
		return fmt.Errorf("store: ledger of %v: %w", d, err)
	}
	// looked at once in so many bytes
	if before := end - size; (before+int64(len(records)))/longLedger > before/longLedger {
		return b.shorten(f, path, d, size)
	}
	return nil
}

// longLedger is how many bytes a ledger gains before it is looked at.
const longLedger = 1 << 20

// shorten replaces the file of a blob, open as f, by one whose ledger has only the
// names that are left, if that halves it.
func (b *blobs) shorten(f file, path string, d Digest, size int64) error {
	objs, _, err := readLedger(f, d, size)
	if err != nil {
		return err
	}
	var records []byte
	for _, o := range objs {
		records = appendRecord(records, gained, o)
	}
	whole, err := f.Size()
	if err != nil || int64(len(records)) > (whole-size)/2 {
		return err
	}
	return b.replace(path, func(to file) error {
		_, err := io.Copy(io.NewOffsetWriter(to, 0), io.MultiReader(io.NewSectionReader(f, 0, size), bytes.NewReader(records)))
		return err
	})
}

// ledgerOf returns the records of the names that a blob has by its ledger, in its
// place or in quarantine; none where there is neither.
func (b *blobs) ledgerOf(d Digest, size int64) (records []byte, err error) {
	for _, path := range []string{b.path(d, size), b.quarantined(d, size)} {
		f, err := b.fs.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		objs, _, err := readLedger(f, d, size)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			records = appendRecord(records, gained, o)
		}
	}
	return records, nil
}

// quarantined is where the file of a damaged blob is moved to.
func (b *blobs) quarantined(d Digest, size int64) string {
	return filepath.Join(b.dir, "quarantine", filepath.Base(b.path(d, size)))
}

// ledgerEnd returns where the next record goes, and truncates f to there. torn: any
// record may be damaged, not only the last.
func ledgerEnd(f file, size int64, torn bool) (int64, error) {
	end, err := f.Size()
	if err != nil {
		return 0, err
	}
	if end < size {
		return 0, fmt.Errorf("%w: blob file of %d bytes, want %d", ErrDamaged, end, size)
	}
	if !torn {
		whole, err := endsWhole(io.NewSectionReader(f, size, end-size))
		if whole || err != nil {
			return end, err
		}
	}
	all, err := io.ReadAll(io.NewSectionReader(f, size, end-size))
	if err != nil {
		return 0, err
	}
	_, valid := parseLedger(all)
	return size + int64(valid), f.Truncate(size + int64(valid))
}

func (b *blobs) remove(d Digest, size int64) error {
	return b.removeFile(b.path(d, size))
}

func (b *blobs) removeFile(path string) error {
	b.changed.add("", filepath.Dir(path)) // even if it is gone: that may not be on the disk
	if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: remove a blob: %w", err)
	}
	return nil
}

// walk calls visit for every blob file, in digest order. Files that are no
// blobs are passed over.
func (b *blobs) walk(visit func(d Digest, size int64, path string) error) error {
	dirs, err := b.fs.List(b.root())
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		files, err := b.fs.List(filepath.Join(b.root(), dir.Name()))
		if err != nil {
			return err
		}
		for _, f := range files {
			d, size, err := parsePath(f.Name())
			if err != nil {
				continue
			}
			if err := visit(d, size, filepath.Join(b.root(), dir.Name(), f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// flatten brings files of format 1, which are in blobs/ab/cd/, to their places.
func (b *blobs) flatten() error {
	outer, err := b.fs.List(b.root())
	if err != nil {
		return err
	}
	for _, o := range outer {
		dir := filepath.Join(b.root(), o.Name())
		inner, err := b.fs.List(dir)
		if err != nil {
			return err
		}
		for _, i := range inner {
			if !i.IsDir() {
				continue
			}
			files, err := b.fs.List(filepath.Join(dir, i.Name()))
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := b.fs.Rename(filepath.Join(dir, i.Name(), f.Name()), filepath.Join(dir, f.Name())); err != nil {
					return err
				}
			}
			if err := b.fs.Remove(filepath.Join(dir, i.Name())); err != nil {
				return err
			}
		}
		b.changed.add("", dir)
	}
	return nil
}

func checkBytes(data []byte, crc uint32) error {
	if crc32.Checksum(data, castagnoli) != crc {
		return fmt.Errorf("%w: checksum", ErrDamaged)
	}
	return nil
}
