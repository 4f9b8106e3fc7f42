package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
)

// maxInline is up to how many bytes a body goes through the journal. A larger one
// would cost more by being written twice than it saves by sharing a sync; it gets a
// file of its own at once.
const maxInline = 256 << 10

// maxInMemory is up to how many bytes a body is held until all of it is known, while so
// many others are not. The rest, and a larger one, goes to its file as it arrives, so that
// slow uploads take no memory but smallBody of each.
const (
	smallBody   = 64 << 10
	maxInMemory = 512 << 10
	maxLarge    = 64
)

// body is the bytes of an Item on their way in.
type body struct {
	digest Digest
	crc    uint32
	size   int64
	data   *[]byte // all of them; nil: they are in
	file   string  // of tmp/, its path
	record uint32  // checksum of the record behind the bytes in the file
	kept   bool    // the file is the journal's now
}

var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, 0, smallBody); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, maxInMemory+1); return &b }}
)

// intake has the memory of bodies on their way in.
type intake struct {
	large chan struct{} // of bodies that are in large buffers
}

func newIntake() intake { return intake{make(chan struct{}, maxLarge)} }

// enlarge moves a body to a large buffer, if there may be one more.
func (t intake) enlarge(b *body) bool {
	select {
	case t.large <- struct{}{}:
	default:
		return false
	}
	small, large := b.data, largeBuffers.Get().(*[]byte)
	*large = append((*large)[:0], *small...)
	b.data = large
	smallBuffers.Put(small)
	return true
}

func (t intake) releaseBuffer(b *body) {
	if cap(*b.data) <= smallBody {
		smallBuffers.Put(b.data)
	} else {
		largeBuffers.Put(b.data)
		<-t.large
	}
	b.data = nil
}

// stage reads the body of item, to memory or to a file of tmp/ that is on the disk
// when it returns (a relaxed Disk's is later), and fills in what only the bytes tell.
func (d *Disk) stage(o *Object, item Item) (*body, error) {
	in := &incoming{sum: sha256.New()}
	b := &body{data: smallBuffers.Get().(*[]byte)}
	if err := d.fill(b, in, o, item); err != nil {
		d.discard(b)
		if noSpace(err) {
			err = errors.Join(ErrFull, err)
		}
		return nil, fmt.Errorf("store: stage %q: %w", o.Name, err)
	}
	return b, nil
}

func (d *Disk) fill(b *body, in *incoming, o *Object, item Item) error {
	whole, err := d.readInto(b, in, item.Body)
	if err != nil {
		return err
	}
	var f file
	if in.size > maxInline || !whole {
		if f, b.file, err = d.blobs.createTmp(); err != nil {
			return err
		}
		defer f.Close()
	}
	var bytesOf io.ReadSeeker = bytes.NewReader(*b.data)
	if !whole {
		if err := d.spill(f, *b.data, in, item.Body); err != nil {
			return err
		}
		bytesOf = io.NewSectionReader(f, 0, in.size)
	}
	in.sum.Sum(o.Digest[:0])
	o.CRC, o.Size = in.crc, in.size
	b.digest, b.crc, b.size = o.Digest, o.CRC, o.Size
	if o.Created.IsZero() {
		o.Created = d.opt.Now() // not when it began to arrive
	}
	if item.Inspect != nil {
		if err := item.Inspect(o, bytesOf); err != nil {
			return err
		}
	}
	roundTimes(o)
	if err := checkFields(*o); err != nil || f == nil {
		return err
	}
	return d.complete(b, f, whole, o)
}

// complete writes what a staged file still needs: the first record of its ledger, which
// is the right one in most cases, and before it the bytes if they are only in memory.
func (d *Disk) complete(b *body, f file, inMemory bool, o *Object) error {
	record := appendRecord(nil, gained, *o)
	b.record = recordSum(record)
	at := o.Size
	if inMemory {
		*b.data = append(*b.data, record...)
		record, at = *b.data, 0
	}
	if _, err := f.WriteAt(record, at); err != nil {
		return err
	}
	d.releaseBuffer(b)
	if d.opt.Relaxed {
		d.later.add(b.file)
		return nil
	}
	return d.fail(f.Sync())
}

// recordSum tells records apart, whose own checksum makes the CRC-32C of all of them
// the same.
func recordSum(record []byte) uint32 { return crc32.ChecksumIEEE(record) }

// spill writes what is read and the rest of r to a file.
func (d *Disk) spill(f file, chunk []byte, in *incoming, r io.Reader) error {
	for at := int64(0); len(chunk) > 0; {
		if _, err := f.WriteAt(chunk, at); err != nil {
			return err
		}
		at += int64(len(chunk))
		n, err := io.ReadFull(r, chunk[:cap(chunk)])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		chunk = chunk[:n]
		in.add(chunk)
	}
	return nil
}

// discard frees what a body has.
func (d *Disk) discard(b *body) {
	if b.data != nil {
		d.releaseBuffer(b)
	}
	if b.file != "" && !b.kept {
		if err := d.fs.Remove(b.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.opt.Log.Warn("cannot remove an unfinished upload", "err", err)
		}
	}
}

// incoming is what is told of bytes while they arrive.
type incoming struct {
	sum  hash.Hash
	crc  uint32
	size int64
}

func (in *incoming) add(p []byte) {
	in.sum.Write(p)
	in.crc = crc32.Update(in.crc, castagnoli, p)
	in.size += int64(len(p))
}

// readInto reads as much as is held in memory and says whether that is all.
func (t intake) readInto(b *body, in *incoming, r io.Reader) (whole bool, err error) {
	*b.data = (*b.data)[:0]
	for {
		p := *b.data
		if len(p) == cap(p) && (cap(p) > smallBody || !t.enlarge(b)) {
			break
		}
		p = *b.data
		n, err := r.Read(p[len(p):cap(p)])
		*b.data = p[:len(p)+n]
		if err == io.EOF {
			whole = true
			break
		}
		if err != nil {
			return false, err
		}
	}
	in.add(*b.data)
	return whole, nil
}

// Write implements io.Writer.
func (in *incoming) Write(p []byte) (int, error) {
	in.add(p)
	return len(p), nil
}
