package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
)

// arrivals has bodies on their way to where they cannot be written as they come.
type arrivals struct {
	intake
	temp string // directory for those that are too large for memory; empty: the system's
	now  func() time.Time
}

// bodyAt is the bytes of an Item, complete, until they are where they are to be.
type bodyAt struct {
	io.ReaderAt
	buffer *body    // nil: they are in the caller's memory, or in file
	file   *os.File // nil: they are in memory
}

// discard frees what s has.
func (a arrivals) discard(s *bodyAt) {
	if s.buffer != nil && s.buffer.data != nil {
		a.releaseBuffer(s.buffer)
	}
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}

// stage reads the body of item, and fills in what only the bytes tell. Bytes that are in
// memory stay where they are.
func (a arrivals) stage(o *Object, item Item) (s *bodyAt, err error) {
	s = &bodyAt{}
	defer func() {
		if err != nil {
			a.discard(s)
			s, err = nil, fmt.Errorf("store: stage %q: %w", o.Name, err)
		}
	}()
	in := &incoming{sum: sha256.New()}
	if r, ok := item.Body.(*bytes.Reader); ok && int64(r.Len()) == r.Size() {
		s.ReaderAt = r
		_, err = r.WriteTo(in)
	} else {
		err = a.receive(s, in, item.Body)
	}
	if err != nil {
		return s, err
	}
	in.sum.Sum(o.Digest[:0])
	o.CRC, o.Size = in.crc, in.size
	if o.Created.IsZero() {
		o.Created = a.now() // not when it began to arrive
	}
	if item.Inspect != nil {
		if err := item.Inspect(o, io.NewSectionReader(s, 0, o.Size)); err != nil {
			return s, err
		}
	}
	roundTimes(o)
	return s, checkFields(*o)
}

// receive reads a body to its end, into memory or into a file of temp.
func (a arrivals) receive(s *bodyAt, in *incoming, r io.Reader) error {
	s.buffer = &body{data: smallBuffers.Get().(*[]byte)}
	whole, err := a.readInto(s.buffer, in, r)
	if err != nil {
		return err
	}
	if whole {
		s.ReaderAt = bytes.NewReader(*s.buffer.data)
		return nil
	}
	if s.file, err = os.CreateTemp(a.temp, "body-"); err != nil {
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
	a.releaseBuffer(s.buffer)
	return nil
}
