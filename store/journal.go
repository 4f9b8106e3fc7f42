package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

const (
	// segmentSize is how long a segment of a durable Disk becomes before the next one is
	// begun, in bytes; frames are not split, so it may be more.
	segmentSize = 32 << 20
	segmentStep = 1 << 20 // a segment grows by at least this many bytes
	// lastRoom is what only changes without new bytes may use of a segment that
	// cannot grow: deletions go on where the disk is full.
	lastRoom = 512 << 10
)

// journal is the files of changes that are acknowledged and not in the index yet:
// frames one behind the other in segments. Those of a durable Disk are used again and
// again, and longer than their frames, and what is behind them is on the disk as well:
// so fdatasync has to write nothing but the frame. One goroutine calls its methods,
// but for readBody.
type journal struct {
	relaxed bool

	fs   fileSystem
	dir  string
	seq  uint64       // of the last frame
	head *segment     // where the next frame goes; nil before the first
	free []*segment   // to be used again
	made uint64       // number of the newest segment
	owed atomic.Int64 // bytes of bodies in it, to be written once more

	buf []byte // of the frame that is being made
}

// segment is one file of the journal. Its frames carry its ID, which nobody knows
// from outside, so that bytes of a picture are never taken for a frame.
type segment struct {
	path string
	file file
	id   [16]byte
	end  int64 // of its last frame
	size int64 // of the file, as far as it is written

	mu    sync.RWMutex // held to read a body, and to begin anew
	first uint64       // sequence number of its first frame; guarded by mu
}

// longest is how long a segment becomes before the next one is begun. A relaxed Disk's
// is longer, since its checkpoints cost little but the pages of the index: more rows
// then share one.
func (j *journal) longest() int64 {
	if j.relaxed {
		return 4 * segmentSize
	}
	return segmentSize
}

// spot is where the bytes of a staged body are: in a segment, or in a file of tmp/.
type spot struct {
	size int64
	crc  uint32

	segment *segment
	first   uint64 // the segment's, when they were written
	offset  int64

	file   string // its path; empty: they are in the segment
	record uint32 // checksum of the record behind the bytes in the file; 0: not known

	fs    fileSystem
	stays string // path of a segment that stays, which has them
}

// errMoved is returned by readBody when the segment has been used again: the blob
// has a file by then, or no name.
var errMoved = errors.New("store: bytes have left the journal")

// readBody returns the bytes at a spot, checked.
func (s *spot) readBody() ([]byte, error) { return s.appendBody(make([]byte, 0, s.size)) }

// appendBody is readBody into a buffer, which has nothing in it.
func (s *spot) appendBody(data []byte) ([]byte, error) {
	data = slices.Grow(data, int(s.size))[:s.size]
	if err := s.read(data); err != nil {
		clear(data) // of what the buffer had before
		return data, err
	}
	return data, checkBytes(data, s.crc)
}

func (s *spot) read(data []byte) (err error) {
	var from io.ReaderAt
	if s.stays != "" {
		f, err := s.fs.Open(s.stays)
		if errors.Is(err, fs.ErrNotExist) {
			return errMoved
		}
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	} else {
		s.segment.mu.RLock()
		defer s.segment.mu.RUnlock()
		if s.segment.first != s.first {
			return errMoved
		}
		from = s.segment.file
	}
	if _, err = from.ReadAt(data, s.offset); err == io.EOF || err != nil && s.stays != "" {
		return fmt.Errorf("%w: read journal: %w", ErrDamaged, err)
	}
	if err != nil {
		return fmt.Errorf("store: read journal: %w", err)
	}
	return nil
}

// append writes f as the next frame and returns where its bodies begin in the head.
// The caller syncs. An error leaves the journal as it was.
func (j *journal) append(f *frame) (bodiesAt int64, err error) {
	if err := j.begin(); err != nil {
		return 0, err
	}
	s := j.head
	j.buf = f.appendTo(j.buf[:0], s.id, j.seq+1)
	if err := j.makeRoom(s, f); err != nil {
		return 0, err
	}
	if _, err := s.file.WriteAt(j.buf, s.end); err != nil {
		return 0, err
	}
	at := s.end + f.bodiesAt()
	j.seq++
	s.end += int64(len(j.buf))
	if cap(j.buf) > maxBuffer {
		j.buf = nil
	}
	return at, nil
}

// makeRoom sees to it that the buffered frame fits.
func (j *journal) makeRoom(s *segment, f *frame) error {
	if j.relaxed {
		return nil
	}
	need := s.end + int64(len(j.buf))
	if len(f.bodies) > 0 {
		need += lastRoom
	}
	return s.grow(need)
}

// maxBuffer is the longest buffer that is kept for the next frame.
const maxBuffer = 16 << 20

// begin sees to a segment for the next frame.
func (j *journal) begin() error {
	if j.head != nil {
		return nil
	}
	if n := len(j.free); n > 0 {
		j.head, j.free = j.free[n-1], j.free[:n-1]
	} else {
		s, err := j.makeSegment()
		if err != nil {
			return fmt.Errorf("store: journal: %w", err)
		}
		j.head = s
	}
	j.head.mu.Lock()
	j.head.first, j.head.end = j.seq+1, frameAlign
	j.head.mu.Unlock()
	return nil
}

func (j *journal) path(segment uint64) string {
	return filepath.Join(j.dir, strconv.FormatUint(segment, 10))
}

func (j *journal) makeSegment() (*segment, error) {
	if err := j.fs.Mkdir(j.dir); err != nil {
		return nil, err
	}
	s := &segment{}
	rand.Read(s.id[:])
	for {
		j.made++
		s.path = j.path(j.made)
		f, err := j.fs.Create(s.path)
		if errors.Is(err, fs.ErrExist) { // of an earlier run, and still needed
			continue
		}
		if err != nil {
			return nil, err
		}
		s.file = f
		break
	}
	var err error
	if !j.relaxed {
		err = s.grow(segmentStep)
	}
	if err == nil {
		_, err = s.file.WriteAt(appendSegmentHeader(nil, s.id), 0)
	}
	if err == nil && !j.relaxed {
		err = errors.Join(s.file.Sync(), syncDirs(j.fs, j.dir, filepath.Dir(j.dir)))
	}
	if err != nil {
		return nil, errors.Join(err, s.drop(j.fs))
	}
	return s, nil
}

// grow writes zeros up to at least end.
func (s *segment) grow(end int64) error {
	if end <= s.size {
		return nil
	}
	end = max(end+segmentStep-1, min(2*s.size, segmentSize)) / segmentStep * segmentStep
	zeros := make([]byte, segmentStep)
	for at := s.size; at < end; at += segmentStep {
		if _, err := s.file.WriteAt(zeros, at); err != nil {
			return err
		}
		s.size = at + segmentStep
	}
	return nil
}

func (s *segment) drop(fs fileSystem) error { return errors.Join(s.file.Close(), fs.Remove(s.path)) }

// rotate ends the head and returns it, nil if there is none.
func (j *journal) rotate() *segment {
	s := j.head
	j.head = nil
	return s
}

// renew gives a segment another ID: its frames, which the index has, are none any more.
// Where some of them are written over, the rest would look to Rebuild like news.
func (s *segment) renew() error {
	var id [16]byte
	rand.Read(id[:])
	if _, err := s.file.WriteAt(appendSegmentHeader(nil, id), 0); err != nil {
		return err
	}
	s.id = id
	return s.file.Sync()
}

// release takes a segment back whose frames the index has: the newest one is kept for
// the next turn, unless it is from an earlier run, whose frames may have had numbers
// that are given again. An older one would look to Rebuild as if it were the newest.
func (j *journal) release(s *segment, earlier bool) error {
	useless := []*segment{s}
	if !earlier && s.size <= 2*segmentSize {
		useless, j.free = j.free, useless
	}
	if len(useless) == 0 {
		return nil
	}
	var errs []error
	for _, s := range useless {
		errs = append(errs, s.discard(j.fs))
	}
	return errors.Join(append(errs, j.fs.SyncDir(j.dir))...) // before a frame has a number of theirs
}

// discard removes a segment that readers may still look at.
func (s *segment) discard(fs fileSystem) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = 0 // no spot has it
	return s.drop(fs)
}

// retire closes a segment that stays, for which readers have another spot by now.
func (s *segment) retire() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = 0
	return s.file.Close()
}

// close removes the segments, which must not be needed any more.
func (j *journal) close() error {
	var errs []error
	for _, s := range append(j.free, j.rotate()) {
		if s != nil {
			errs = append(errs, s.drop(j.fs))
		}
	}
	j.free = nil
	return errors.Join(errs...)
}
