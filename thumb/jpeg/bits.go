package jpeg

import (
	"bytes"
	"encoding/binary"
)

const (
	maxBlocks = 10 // of an MCU, T.81 B.2.3

	// A block takes up to 16+16 bits of DC and 63 times 16+15 of AC: 249 bytes. A refinement scan takes less.
	maxMCUBytes = maxBlocks * 249

	// A refill reads 8 bytes, of which up to 7 are read again.
	readAhead = 32

	bitBufferSize = 32 << 10 // where a refill can begin; a power of 2
)

// bitReader takes the 0xff00 stuffing out of a scan, a part at a time, and holds the next bits of it.
//
// Whoever reads bits calls more before an MCU if pos is above ready, and then need not look for the end: behind the last byte there
// are zeros enough. That bits were read which are not there comes to light at the next more, or at done.
type bitReader struct {
	acc   uint64 // the next bits, from the top
	n     int    // how many of them count; those below are the same as in buf[pos:]
	pos   int    // in buf, the first byte that does not count in acc
	ready int    // while pos is not above it, a whole MCU can be read

	buf  *bitBuffer
	end  int    // of the bytes in buf; zeros behind it if last
	last bool   // a marker comes at end
	src  []byte // of the scan, what is not in buf; begins with a marker if last
	bad  bool   // there was a bad code
}

// bitBuffer is an array, and so long, that refill needs no bounds checks.
type bitBuffer [bitBufferSize + 7]uint8

// start begins to read src at its first byte.
func (r *bitReader) start(src []byte) {
	*r = bitReader{buf: r.buf, src: src}
	r.load()
}

// load unstuffs as much as buf takes, behind end.
func (r *bitReader) load() {
	limit := len(r.buf) - maxMCUBytes - readAhead
	for r.end < limit && len(r.src) > 0 {
		part := r.src[:min(len(r.src), limit-r.end)]
		i := bytes.IndexByte(part, 0xff)
		if i < 0 {
			r.end += copy(r.buf[r.end:], part)
			r.src = r.src[len(part):]
			continue
		}
		r.end += copy(r.buf[r.end:], part[:i])
		r.src = r.src[i:]
		if len(r.src) < 2 || r.src[1] != 0 {
			r.last = true
			break
		}
		r.buf[r.end] = 0xff
		r.end++
		r.src = r.src[2:]
	}
	if r.last = r.last || len(r.src) == 0; r.last {
		clear(r.buf[r.end:][:maxMCUBytes+readAhead])
		r.ready = r.end
	} else {
		r.ready = r.end - maxMCUBytes - readAhead
	}
}

// more is called when pos is above ready. It returns ErrDamaged if bits were read that are not there.
func (r *bitReader) more() error {
	if r.last {
		return r.done()
	}
	copy(r.buf[:], r.buf[r.pos:r.end])
	r.end -= r.pos
	r.pos = 0
	r.load()
	return nil
}

// done returns ErrDamaged if there was a bad code, or bits were read that are not there.
func (r *bitReader) done() error {
	if r.bad {
		return damaged("a Huffman code that there is not")
	}
	if r.last && r.pos*8-r.n > r.end*8 {
		return damaged("a scan is too short")
	}
	return nil
}

// restart goes on behind the next marker, which must be RSTm for the last three bits of m. As libjpeg and image/jpeg do, it lets
// bytes before it pass.
func (r *bitReader) restart(m int) error {
	if err := r.done(); err != nil {
		return err
	}
	want := uint8(markerRST0 + m&7)
	for src := r.src; ; {
		i := bytes.IndexByte(src, 0xff)
		if i < 0 || i+1 >= len(src) {
			return damaged("restart marker %#x is missing", want)
		}
		switch src[i+1] {
		case want:
			r.start(src[i+2:])
			return nil
		case 0:
			src = src[i+2:]
		case 0xff:
			src = src[i+1:]
		default:
			return damaged("marker %#x instead of restart marker %#x", src[i+1], want)
		}
	}
}

// refill returns acc, n and pos with n at least 56.
func refill(buf *bitBuffer, acc uint64, n, pos int) (uint64, int, int) {
	i := uint(pos) & (bitBufferSize - 1) // which pos is: load leaves room for a whole MCU
	acc |= binary.BigEndian.Uint64(buf[i:i+8]) >> (uint(n) & 63)
	return acc, n | 56, pos + (63-n)>>3
}

// refill makes n at least 56.
func (r *bitReader) refill() { r.acc, r.n, r.pos = refill(r.buf, r.acc, r.n, r.pos) }

// take drops the next n bits, of which there are as many.
func (r *bitReader) take(n uint) {
	r.acc <<= n & 63
	r.n -= int(n)
}

// difference returns the next DC difference.
func (r *bitReader) difference(t *table) int64 {
	r.refill()
	e := t.lut[r.acc>>(64-lutBits)]
	diff, n := e.value(), e.bits()
	if n == 0 {
		diff, n = t.difference(e, r.acc)
		r.bad = r.bad || n == 0
	}
	r.take(n)
	return diff
}

// bit returns the next bit, 0 or 1.
func (r *bitReader) bit() uint8 {
	r.refill()
	b := uint8(r.acc >> 63)
	r.take(1)
	return b
}
