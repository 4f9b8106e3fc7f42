package thumb

import (
	"encoding/binary"

	"tintype/thumb/sample"
)

// splitter returns a function that splits a row of w pixels, of as many bytes as s has planes, and gives the parts to sink. The
// colours of four channels are multiplied by their alpha if they are not yet.
func (s *source) splitter(w int, premultiplied bool, sink func(plane, y int, band sample.Plane) error) func(y int, row []uint8) error {
	parts := make([]sample.Plane, len(s.planes))
	for i := range parts {
		parts[i] = sample.New(w, 1)
	}
	return func(y int, row []uint8) error {
		switch len(parts) {
		case 1:
			parts[0].Pix = row
		case 3:
			split3(parts[0].Pix, parts[1].Pix, parts[2].Pix, row)
		default:
			alpha := parts[3].Pix
			split4(parts[0].Pix, parts[1].Pix, parts[2].Pix, alpha, row)
			if isOpaque(alpha) {
				break
			}
			s.transparent = true
			for i := 0; i < 3 && !premultiplied; i++ {
				multiply(parts[i].Pix, alpha)
			}
		}
		for i, p := range parts {
			if err := sink(i, y, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// split3Go does 8 pixels at once: they are three words, and in each of these, every third byte is of one channel.
func split3Go(r, g, b, row []uint8) {
	g, b = g[:len(r)], b[:len(r)]
	for len(r) >= 8 && len(row) >= 24 && len(g) >= 8 && len(b) >= 8 {
		u, v, w := le.Uint64(row), le.Uint64(row[8:]), le.Uint64(row[16:])
		le.PutUint64(r, third0(u)>>40|third1(v)>>40<<24|third2(w)>>48<<48)
		le.PutUint64(g, third1(u)>>40|third2(v)>>48<<24|third0(w)>>40<<40)
		le.PutUint64(b, third2(u)>>48|third0(v)>>40<<16|third1(w)>>40<<40)
		r, g, b, row = r[8:], g[8:], b[8:], row[24:]
	}
	for x := range r {
		p := (*[3]uint8)(row)
		r[x], g[x], b[x] = p[0], p[1], p[2]
		row = row[3:]
	}
}

var le = binary.LittleEndian

// third0 returns bytes 0, 3 and 6 of v side by side as the highest three, third1 bytes 1, 4 and 7, and third2 bytes 2 and 5 as the
// highest two. The multiplication adds v, shifted by several distances at which no two of the bytes fall on one place, so there is
// no carry. What comes out lower is of no meaning.

func third0(v uint64) uint64 { return v & 0x00ff0000ff0000ff * (1<<8 | 1<<24 | 1<<40) }
func third1(v uint64) uint64 { return v & 0xff0000ff0000ff00 * (1 | 1<<16 | 1<<32) }
func third2(v uint64) uint64 { return v & 0x0000ff0000ff0000 * (1<<16 | 1<<32) }

func split4Go(r, g, b, a, row []uint8) {
	g, b, a = g[:len(r)], b[:len(r)], a[:len(r)]
	for x := range r {
		p := (*[4]uint8)(row)
		r[x], g[x], b[x], a[x] = p[0], p[1], p[2], p[3]
		row = row[4:]
	}
}

func isOpaque(alpha []uint8) bool {
	for ; len(alpha) >= 8; alpha = alpha[8:] {
		if le.Uint64(alpha) != 1<<64-1 {
			return false
		}
	}
	for _, a := range alpha {
		if a != 255 {
			return false
		}
	}
	return true
}

// multiplyGo sets each v to v*a/255, rounded.
func multiplyGo(v, a []uint8) {
	a = a[:len(v)]
	for x := range v {
		t := uint32(v[x])*uint32(a[x]) + 128
		v[x] = uint8((t + t>>8) >> 8)
	}
}
