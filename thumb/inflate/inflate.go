package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

var (
	// ErrCorrupt is returned when the bytes are no zlib stream.
	ErrCorrupt = errors.New("inflate: corrupt stream")

	// ErrChecksum is returned at the end of a stream whose bytes do not have the checksum it gives.
	ErrChecksum = errors.New("inflate: wrong checksum")
)

const (
	windowSize = 32 << 10 // how far back a match may reach

	// work is how much a Reader decompresses ahead. More moves the window less often, less stays in the cache.
	work = 64 << 10

	// slack is what one turn of the fast loop may write past the mark it is checked against: three entries of two literals, a match
	// of 258 bytes, and 15 bytes that copyMatch writes beyond it.
	slack = 6 + 258 + 15
)

// Reader decompresses one stream. It is for one goroutine.
type Reader struct {
	next  func() ([]byte, error)
	in    []byte // the last slice from next
	pos   int    // in[:pos] has been moved into bits
	bits  uint64 // the lowest is the next of the stream; those from nbits on are 0
	nbits uint

	buf    []byte
	read   int // buf[:read] has been handed out
	out    int // buf[:out] has been decompressed
	mark   int // where decompressing stops for a while
	summed int // buf[:summed] is in sum
	sum    adler

	state  func(*Reader) error // does the next part of the stream
	stored int                 // what is left of a stored block
	last   bool                // the block is the last
	fixed  bool                // the tables are those of fixed blocks
	err    error               // of state, to be returned when everything before it has been read

	lit  litTable
	dist distTable
	lens [maxLit + maxDist]uint8
}

// NewReader returns a Reader of the stream that the slices from next make one after the other. next returns an error, such as
// io.EOF, when there are no more; a slice may be empty, and must stay unchanged until next is called again. row is the largest
// number of bytes that Next will be asked for.
func NewReader(next func() ([]byte, error), row int) *Reader {
	size := Size(int64(row))
	return &Reader{
		next:  next,
		buf:   make([]byte, size),
		mark:  int(size) - slack,
		sum:   newAdler(),
		state: (*Reader).header,
	}
}

// Size returns the bytes of the buffer that NewReader allocates.
func Size(row int64) int64 { return windowSize + max(row, work) + slack }

// Next returns the next n bytes. They are part of the window, so they must not be changed, and they are gone with the next call.
//
// The error is io.EOF when the stream was at its end, its checksum right, and io.ErrUnexpectedEOF when it had fewer than n bytes or
// when next returned io.EOF too soon. It is ErrCorrupt, ErrChecksum, or what next returned, otherwise. Bytes before the place where
// a stream breaks are returned by the calls before, if they are enough; an error stays.
func (r *Reader) Next(n int) ([]byte, error) {
	if r.out-r.read < n {
		r.fill(n)
	}
	if have := r.out - r.read; have < n {
		if r.err == io.EOF && have > 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, r.err
	}
	p := r.buf[r.read : r.read+n : r.read+n]
	r.read += n
	return p, nil
}

// Rest returns how many bytes of the last slice from next come after the stream. It has a meaning once Next has returned io.EOF.
func (r *Reader) Rest() int { return len(r.in) - r.pos + int(r.nbits/8) }

// fill decompresses until n bytes are there to be handed out, or r.err is set.
func (r *Reader) fill(n int) {
	for r.out-r.read < n && r.err == nil {
		if r.out >= r.mark {
			r.slide()
		}
		r.err = r.state(r)
		r.sum.write(r.buf[r.summed:r.out])
		r.summed = r.out
		if r.err == io.EOF && !r.last {
			r.err = io.ErrUnexpectedEOF
		}
	}
}

// slide moves the window, and what has not been handed out yet, to the front of the buffer.
func (r *Reader) slide() {
	from := min(r.read, r.out-windowSize)
	copy(r.buf, r.buf[from:r.out])
	r.read -= from
	r.out -= from
	r.summed -= from
}

// more takes at least one byte more into bits, which must have room for it.
func (r *Reader) more() error {
	for r.pos == len(r.in) {
		in, err := r.next()
		if err != nil {
			r.in, r.pos = nil, 0
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		r.in, r.pos = in, 0
	}
	for ; r.nbits <= 56 && r.pos < len(r.in); r.pos++ {
		r.bits |= uint64(r.in[r.pos]) << r.nbits
		r.nbits += 8
	}
	return nil
}

// take returns the next n bits, at most 32, as a number.
func (r *Reader) take(n uint) (uint32, error) {
	for r.nbits < n {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	v := uint32(r.bits & (1<<n - 1))
	r.drop(n)
	return v, nil
}

func (r *Reader) drop(n uint) {
	r.bits >>= n
	r.nbits -= n
}

// align drops the bits that are left of a byte begun.
func (r *Reader) align() { r.drop(r.nbits % 8) }

// header reads the two bytes of RFC 1950 before the first block. How large a window they declare is not looked at.
func (r *Reader) header() error {
	v, err := r.take(16)
	if err != nil {
		return err
	}
	cmf, flg := v&0xff, v>>8
	const deflate, preset = 8, 0x20
	if cmf&0x0f != deflate || cmf>>4 > 7 || (cmf<<8|flg)%31 != 0 || flg&preset != 0 {
		return ErrCorrupt
	}
	r.state = (*Reader).block
	return nil
}

// block reads the head of a block, or what follows the last.
func (r *Reader) block() error {
	if r.last {
		r.state = (*Reader).trailer
		return nil
	}
	v, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = v&1 != 0
	switch v >> 1 {
	case 0:
		return r.storedHead()
	case 1:
		r.loadFixed()
	case 2:
		if err := r.loadDynamic(); err != nil {
			return err
		}
	default:
		return ErrCorrupt
	}
	r.state = (*Reader).codes
	return nil
}

func (r *Reader) storedHead() error {
	r.align()
	v, err := r.take(32)
	if err != nil {
		return err
	}
	if v&0xffff != ^v>>16 {
		return ErrCorrupt
	}
	r.stored = int(v & 0xffff)
	r.state = (*Reader).storedBytes
	return nil
}

// storedBytes copies until the block ends or the buffer is full.
func (r *Reader) storedBytes() error {
	for r.stored > 0 && r.out < r.mark {
		if r.nbits > 0 { // whole bytes, as the block begins at one
			r.buf[r.out] = byte(r.bits)
			r.drop(8)
			r.out++
			r.stored--
			continue
		}
		if r.pos == len(r.in) {
			if err := r.more(); err != nil {
				return err
			}
			continue
		}
		n := copy(r.buf[r.out:r.mark], r.in[r.pos:min(len(r.in), r.pos+r.stored)])
		r.pos += n
		r.out += n
		r.stored -= n
	}
	if r.stored == 0 {
		r.state = (*Reader).block
	}
	return nil
}

// trailer holds the checksum against what was decompressed.
func (r *Reader) trailer() error {
	r.align()
	v, err := r.take(32)
	if err != nil {
		return err
	}
	var want [4]byte
	binary.LittleEndian.PutUint32(want[:], v)
	if binary.BigEndian.Uint32(want[:]) != r.sum.sum() {
		return ErrChecksum
	}
	return io.EOF
}
