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
		o, err = c.live(name)
		return err
	})
	if err == nil && !o.Deleted.IsZero() {
		return Object{}, ErrNotFound
	}
	return o, err
}

// Open implements Store.
func (d *Disk) Open(name string) (Object, io.ReadSeekCloser, error) {
	var last Digest
	for {
		o, err := d.Stat(name)
		if err != nil {
			return Object{}, nil, err
		}
		body, err := d.read(o)
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
		return o, body, nil
	}
}

// read returns the bytes of o: from the cache, through it, or, where they are
// too many for it, from the file.
func (d *Disk) read(o Object) (io.ReadSeekCloser, error) {
	if data, ok := d.opt.Cache.get(o.Digest); ok {
		return newContent(data), nil
	}
	f, err := os.Open(d.blobs.path(o.Digest, o.Size))
	if err != nil {
		return nil, err
	}
	if o.Size > maxCached {
		return &section{io.NewSectionReader(f, 0, o.Size), f}, nil
	}
	defer f.Close()
	data := make([]byte, o.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%w: read %v: %v", ErrDamaged, o.Digest, err)
	}
	if crc32.Checksum(data, castagnoli) != o.CRC {
		return nil, fmt.Errorf("%w: checksum of %v", ErrDamaged, o.Digest)
	}
	d.opt.Cache.add(o.Digest, data)
	return newContent(data), nil
}

// content is a blob in memory.
type content struct {
	*bytes.Reader
	data []byte
}

func newContent(data []byte) *content { return &content{bytes.NewReader(data), data} }

// Bytes returns the whole blob, which is shared and not to be changed.
func (c *content) Bytes() []byte { return c.data }
func (c *content) Close() error  { return nil }

// section is a blob in a file, without the ledger behind it.
type section struct {
	*io.SectionReader
	io.Closer
}

// List implements Store.
func (d *Disk) List(prefix, after string, limit int) (objs []Object, err error) {
	err = d.view(func(c *change) error {
		cur := c.names.Cursor()
		k, _ := cur.Seek([]byte(max(prefix, after)))
		for ; k != nil && bytes.HasPrefix(k, []byte(prefix)) && len(objs) < limit; k, _ = cur.Next() {
			if string(k) == after {
				continue
			}
			o, err := c.live(string(k))
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			objs = append(objs, o)
		}
		return nil
	})
	return objs, err
}

// Stats implements Store.
func (d *Disk) Stats() (s Stats, err error) {
	err = d.view(func(c *change) error { s = c.stats; return nil })
	return s, err
}
