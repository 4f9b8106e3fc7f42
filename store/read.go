package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// view runs f on a consistent state of the index.
func (d *Disk) view(f func(c *change) error) error {
	return d.db.View(func(tx *bbolt.Tx) error {
		c, err := lookup(tx, d.opt.Now())
		if err != nil {
			return err
		}
		return f(c)
	})
}

// Stat implements Store.
func (d *Disk) Stat(name string) (o Object, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		o, err = get(tx.Bucket(bucketNames), name)
		return err
	})
	if err == nil && o.expired(d.opt.Now()) {
		return Object{}, ErrNotFound
	}
	return o, err
}

// Find implements Store.
func (d *Disk) Find(id string) (o Object, err error) {
	err = d.view(func(c *change) error {
		name, err := c.byID(id)
		if err != nil {
			return err
		}
		o, err = c.Stat(name)
		return err
	})
	if err == nil && !o.Deleted.IsZero() {
		return Object{}, ErrNotFound
	}
	return o, err
}

// List implements Store.
func (d *Disk) List(prefix, from, delimiter string, limit int) (objs []Object, err error) {
	err = d.view(func(c *change) error {
		objs, err = c.List(prefix, from, delimiter, limit)
		return err
	})
	return objs, err
}

// Stats implements Store.
func (d *Disk) Stats() (s Stats, err error) {
	err = d.view(func(c *change) error { s = c.stats; return nil })
	return s, err
}

// Open implements Store.
func (d *Disk) Open(name string) (Object, Blob, error) {
	var last Digest
	for {
		o, err := d.Stat(name)
		if err != nil {
			return Object{}, nil, err
		}
		if data, ok := d.opt.Cache.get(o.Digest); ok {
			return o, memory{bytes.NewReader(data), data}, nil
		}
		f, err := os.Open(d.blobs.path(o.Digest, o.Size))
		// Deleted or replaced between the look at the index and the opening of
		// the file: the index tells what is true now.
		if errors.Is(err, fs.ErrNotExist) && o.Digest != last {
			last = o.Digest
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: no file of %v", ErrDamaged, o.Digest)
		}
		if err != nil {
			return Object{}, nil, err
		}
		return o, &opened{file: f, obj: o, cache: d.opt.Cache}, nil
	}
}

// memory is a Blob in the cache.
type memory struct {
	*bytes.Reader
	data []byte
}

func (m memory) Whole() ([]byte, error) { return m.data, nil }
func (memory) Close() error             { return nil }

// opened is a Blob in its file, without the ledger behind it.
type opened struct {
	file  *os.File
	obj   Object
	cache *Cache

	at      int64
	checked int64 // bytes from the start on that crc covers
	crc     uint32
}

func (b *opened) Close() error { return b.file.Close() }

func (b *opened) Read(p []byte) (int, error) {
	if b.at >= b.obj.Size {
		return 0, io.EOF
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), b.obj.Size-b.at)], b.at)
	if err == io.EOF && n == 0 {
		return 0, fmt.Errorf("%w: %v ends early", ErrDamaged, b.obj.Digest)
	}
	if b.checked == b.at {
		b.crc = crc32.Update(b.crc, castagnoli, p[:n])
		b.checked += int64(n)
	}
	b.at += int64(n)
	if b.checked == b.obj.Size && b.crc != b.obj.CRC {
		return 0, fmt.Errorf("%w: checksum of %v", ErrDamaged, b.obj.Digest)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (b *opened) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.obj.Size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset == 0 {
		b.checked, b.crc = 0, 0
	}
	b.at = offset
	return offset, nil
}

func (b *opened) Whole() ([]byte, error) {
	if b.obj.Size > maxCached {
		return nil, nil
	}
	data := make([]byte, b.obj.Size)
	if _, err := b.file.ReadAt(data, 0); err != nil {
		return nil, fmt.Errorf("%w: read %v: %v", ErrDamaged, b.obj.Digest, err)
	}
	if crc32.Checksum(data, castagnoli) != b.obj.CRC {
		return nil, fmt.Errorf("%w: checksum of %v", ErrDamaged, b.obj.Digest)
	}
	b.cache.add(b.obj.Digest, data)
	return data, nil
}
