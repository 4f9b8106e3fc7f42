package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// uploads bound what the files of forms take in memory. One half is for those that arrive:
// who sends slowly has a part of it for long. Those that find it taken go to a file, and
// when all of them is there, to the other half, which nobody has for longer than it takes
// to work on a picture. So slow clients cost the others a file, and not their uploads.
type uploads struct {
	arriving, arrived *semaphore.Weighted
	dir               string        // for the files; empty: the system's
	patience          time.Duration // for memory of the other half
}

func newUploads(bytes, largest int64, dir string) *uploads {
	each := max(bytes/2, largest+1)
	return &uploads{semaphore.NewWeighted(each), semaphore.NewWeighted(each), dir, decodeWait}
}

// files has memory for the files of forms. What one huge picture needed is not kept.
var files = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxPooled = 1 << 20

// trusted is how much of a file must be there before memory is taken for as much
// as the length of the body promises: to promise costs a client nothing.
const trusted = 64 << 10

// upload is a file of a form in memory.
type upload struct {
	uploads *uploads
	buf     *bytes.Buffer
	from    *semaphore.Weighted // nil: it has none
	weight  int64
}

// read takes up to limit bytes of r, which is said to have length; a number below 0 says
// nothing. errBusy: there was no memory for so long, or no room for a file.
func (u *upload) read(r io.Reader, length, limit int64) error {
	if u.buf == nil {
		u.buf = files.Get().(*bytes.Buffer)
	}
	u.buf.Reset()
	u.buf.Grow(int(min(trusted, limit)) + bytes.MinRead) // which growing bit by bit would take twice
	kept, err := u.buf.ReadFrom(io.LimitReader(r, min(trusted, limit)))
	if err != nil || kept < trusted {
		return err
	}
	rest := io.LimitReader(r, limit-kept)
	if length < 0 {
		length = limit
	}
	if size := min(length, limit); u.weight >= size || u.take(size) {
		u.buf.Grow(int(max(size-kept, 0)) + bytes.MinRead)
		_, err = u.buf.ReadFrom(rest)
		return err
	}
	return u.readLater(rest)
}

// take makes size bytes of the half for what arrives ours, if they are free.
func (u *upload) take(size int64) bool {
	u.giveBack()
	if !u.uploads.arriving.TryAcquire(size) {
		return false
	}
	u.from, u.weight = u.uploads.arriving, size
	return true
}

func (u *upload) giveBack() {
	if u.from != nil {
		u.from.Release(u.weight)
		u.from, u.weight = nil, 0
	}
}

// readLater reads the rest by way of a file.
func (u *upload) readLater(rest io.Reader) error {
	f, err := os.CreateTemp(u.uploads.dir, "upload-*")
	if err != nil {
		return fmt.Errorf("%w: a file for an upload: %w", errBusy, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	os.Remove(f.Name()) // where that is possible, so that no end of the process leaves it
	size, err := io.Copy(onlyFile{f}, rest)
	if failed := new(writeError); errors.As(err, &failed) {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	if err != nil {
		return err
	}
	size += int64(u.buf.Len())
	ctx, cancel := context.WithTimeout(context.Background(), u.uploads.patience)
	defer cancel()
	if u.uploads.arrived.Acquire(ctx, size) != nil {
		return fmt.Errorf("%w: uploads", errBusy)
	}
	u.from, u.weight = u.uploads.arrived, size
	u.buf.Grow(int(size) - u.buf.Len() + bytes.MinRead)
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		_, err = u.buf.ReadFrom(f)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return nil
}

// onlyFile is a file whose errors can be told from those of a client.
type onlyFile struct{ f *os.File }

type writeError struct{ error }

func (w onlyFile) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

func (u *upload) release() {
	u.giveBack()
	if u.buf != nil && u.buf.Cap() <= maxPooled {
		files.Put(u.buf)
	}
	u.buf = nil
}
