package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

// bodyAt is the bytes of an Item, complete, until they are in S3.
type bodyAt struct {
	io.ReaderAt
	buffer *body    // nil: they are in the caller's memory, or in file
	file   *os.File // nil: they are in memory
}

// discard frees what s has.
func (b *Bucket) discard(s *bodyAt) {
	if s.buffer != nil && s.buffer.data != nil {
		b.releaseBuffer(s.buffer)
	}
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}

// stage reads the body of item, and fills in what only the bytes tell. Bytes that are in
// memory stay where they are.
func (b *Bucket) stage(o *Object, item Item) (s *bodyAt, err error) {
	s = &bodyAt{}
	defer func() {
		if err != nil {
			b.discard(s)
			s, err = nil, fmt.Errorf("store: stage %q: %w", o.Name, err)
		}
	}()
	in := &incoming{sum: sha256.New()}
	if r, ok := item.Body.(*bytes.Reader); ok && int64(r.Len()) == r.Size() {
		s.ReaderAt = r
		_, err = io.Copy(in, io.NewSectionReader(r, 0, r.Size()))
	} else {
		err = b.receive(s, in, item.Body)
	}
	if err != nil {
		return s, err
	}
	in.sum.Sum(o.Digest[:0])
	o.CRC, o.Size = in.crc, in.size
	if o.Created.IsZero() {
		o.Created = b.opt.Now() // not when it began to arrive
	}
	if item.Inspect != nil {
		if err := item.Inspect(o, io.NewSectionReader(s, 0, o.Size)); err != nil {
			return s, err
		}
	}
	roundTimes(o)
	if _, err := b.at(o.Name); err != nil {
		return s, err
	}
	return s, checkFields(*o)
}

// receive reads a body to its end, into memory or into a file of Temp.
func (b *Bucket) receive(s *bodyAt, in *incoming, r io.Reader) error {
	s.buffer = &body{data: smallBuffers.Get().(*[]byte)}
	whole, err := b.readInto(s.buffer, in, r)
	if err != nil {
		return err
	}
	if whole {
		s.ReaderAt = bytes.NewReader(*s.buffer.data)
		return nil
	}
	if s.file, err = os.CreateTemp(b.opt.Temp, "body-"); err != nil {
		return err
	}
	s.ReaderAt = s.file
	chunk := *s.buffer.data
	for len(chunk) > 0 {
		if _, err := s.file.Write(chunk); err != nil {
			return err
		}
		n, err := io.ReadFull(r, chunk[:cap(chunk)])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		chunk = chunk[:n]
		in.add(chunk)
	}
	b.releaseBuffer(s.buffer)
	return nil
}
