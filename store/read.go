package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
)

// view runs f on what is stored at this moment.
func (d *Disk) view(f func(look) error) error {
	return d.viewOver(nil, f)
}

// viewOver is view with other layers, if there are any, in place of the head.
func (d *Disk) viewOver(news []*layer, f func(look) error) error {
	for {
		s := d.state.Load()
		layers := s.layers()
		if news != nil {
			layers = slices.Concat(news, layers[1:])
		}
		done := false
		err := d.base.view(func(base rows) error {
			// the index may have gone on without what the layers have on top of it
			if done = d.state.Load().epoch == s.epoch; !done {
				return nil
			}
			return f(look{stack{layers, base}, d.opt.Now(), d.uncounted})
		})
		if err != nil && errors.Is(err, ErrDamaged) {
			d.damage.index.Add(1)
			err = fmt.Errorf("%w: %w", ErrIndex, err)
			d.opt.Log.Error("the index is damaged; stop the server and run tintype rebuild", "dir", d.dir, "err", err)
		}
		if done || err != nil {
			return err
		}
	}
}

// Stat implements Store.
func (d *Disk) Stat(name string) (o Object, err error) {
	err = d.view(func(l look) error {
		o, err = l.Stat(name)
		return err
	})
	return o, err
}

// Find implements Store.
func (d *Disk) Find(id string) (o Object, err error) {
	err = d.view(func(l look) error {
		name, err := l.byID(id)
		if err != nil {
			return err
		}
		o, err = l.Stat(name)
		return err
	})
	if err == nil && !o.Deleted.IsZero() {
		return Object{}, ErrNotFound
	}
	return o, err
}

// List implements Store.
func (d *Disk) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	err = d.view(func(l look) error {
		objs, err = l.List(prefix, from, delimiter, limit)
		return err
	})
	return objs, err
}

// Stats implements Store.
func (d *Disk) Stats() (s Stats, err error) {
	err = d.view(func(l look) error {
		s, err = l.stats()
		return err
	})
	return s, err
}

// Open implements Store.
func (d *Disk) Open(name string) (Object, Blob, error) {
	for {
		epoch := d.state.Load().epoch
		var o Object
		var at *spot
		if err := d.view(func(l look) (err error) {
			o, err = l.Stat(name)
			at = l.rows.(stack).spot(o.Digest)
			return err
		}); err != nil {
			return Object{}, nil, err
		}
		b, err := d.openBlob(o, at)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errMoved) {
			// Deleted, replaced or brought to its place between the look and the opening:
			// the next look tells what is true now. Within one epoch that cannot be.
			if d.state.Load().epoch != epoch {
				continue
			}
			err = d.damaged(o, fmt.Errorf("%w: no file of %v", ErrDamaged, o.Digest))
		}
		if err != nil {
			return Object{}, nil, err
		}
		return o, b, nil
	}
}

// openBlob opens the bytes of o, which are staged where at is not nil.
func (d *Disk) openBlob(o Object, at *spot) (_ Blob, err error) {
	if at == nil {
		if at, err = d.residentSpot(o.Digest); err != nil {
			return nil, err
		}
	}
	if at != nil && at.file == "" {
		data, err := at.readBody()
		if err != nil {
			return nil, d.damaged(o, err)
		}
		return memory{bytes.NewReader(data), data}, nil
	}
	var f file
	err = fs.ErrNotExist
	if at != nil {
		f, err = d.fs.Open(at.file)
	}
	if errors.Is(err, fs.ErrNotExist) { // or moved there by a checkpoint that has not ended
		f, err = d.fs.Open(d.blobs.path(o.Digest, o.Size))
	}
	if err != nil {
		return nil, err
	}
	return &opened{file: f, obj: o, disk: d}, nil
}

// damaged notes an ErrDamaged of o's blob: it is counted, and mended by who puts the
// same bytes again.
func (d *Disk) damaged(o Object, err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	d.damage.blobs.Add(1)
	if _, known := d.marked.LoadOrStore(o.Digest, true); !known {
		d.versions.all.Add(1) // who remembers it under another name looks again
		d.opt.Log.Error("a blob is damaged; see tintype scrub", "digest", o.Digest, "name", o.Name, "err", err)
		go d.commit(func(c *change) error {
			if _, still := d.marked.Load(o.Digest); !still {
				return nil // it is mended
			}
			return c.markDamaged(o.Digest)
		})
	}
	return err
}

// memory is a Blob that has been read out of the journal.
type memory struct {
	*bytes.Reader
	data []byte
}

func (m memory) Whole() ([]byte, error) { return m.data, nil }
func (memory) File() *os.File           { return nil }
func (memory) Close() error             { return nil }

// readSoFar is how far an object is read, and the checksum of what was read from its start on.
type readSoFar struct {
	pos    int64
	summed int64 // bytes that crc covers
	crc    uint32
}

// past goes on by p, which was read of o. ErrDamaged: now all of it is read, and has another
// checksum.
func (r *readSoFar) past(p []byte, o *Object) error {
	if r.summed == r.pos {
		r.crc = crc32.Update(r.crc, castagnoli, p)
		r.summed += int64(len(p))
	}
	r.pos += int64(len(p))
	if r.summed == o.Size && r.crc != o.CRC {
		return fmt.Errorf("%w: checksum of %v", ErrDamaged, o.Digest)
	}
	return nil
}

// seek is the Seek of an io.Seeker over o.
func (r *readSoFar) seek(offset int64, whence int, o *Object) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += o.Size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset == 0 {
		r.summed, r.crc = 0, 0
	}
	r.pos = offset
	return offset, nil
}

// opened is a Blob in its file, without the ledger behind it.
type opened struct {
	readSoFar
	file file
	obj  Object
	disk *Disk
}

func (b *opened) Close() error { return b.file.Close() }

func (b *opened) File() *os.File {
	f, _ := b.file.(osFile)
	return f.File
}

func (b *opened) Read(p []byte) (int, error) {
	if b.pos >= b.obj.Size {
		return 0, io.EOF
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), b.obj.Size-b.pos)], b.pos)
	if err == io.EOF && n == 0 {
		return 0, b.disk.damaged(b.obj, fmt.Errorf("%w: %v ends early", ErrDamaged, b.obj.Digest))
	}
	if err := b.past(p[:n], &b.obj); err != nil {
		return 0, b.disk.damaged(b.obj, err)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (b *opened) Seek(offset int64, whence int) (int64, error) {
	return b.seek(offset, whence, &b.obj)
}

func (b *opened) Whole() ([]byte, error) {
	if b.obj.Size > MaxWhole {
		return nil, nil
	}
	data := make([]byte, b.obj.Size)
	if _, err := b.file.ReadAt(data, 0); err != nil {
		return nil, b.disk.damaged(b.obj, fmt.Errorf("%w: read %v: %v", ErrDamaged, b.obj.Digest, err))
	}
	if crc32.Checksum(data, castagnoli) != b.obj.CRC {
		return nil, b.disk.damaged(b.obj, fmt.Errorf("%w: checksum of %v", ErrDamaged, b.obj.Digest))
	}
	return data, nil
}
