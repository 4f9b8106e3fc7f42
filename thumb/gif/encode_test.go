package gif

import (
	"image/color"
	"math/rand/v2"
)

// file describes a GIF, right or wrong.
type file struct {
	w, h, left, top  int // of the frame
	screenW, screenH int // as large as the frame needs if 0, and 0 if negative
	colours          int // a power of two, or 0 for no palette
	local            bool
	transparent      int // -1 for none
	interlaced       bool
	version          string

	rows     int   // those that the stream has: h if 0, and none if negative
	index    uint8 // of the first pixel
	flat     bool  // all pixels are of one colour
	codes    int   // bits of an index, if not the least
	keepFull bool  // the table is not cleared once it is full
	noClear  bool  // the stream does not begin with clear
	clears   int   // how many come before the end
	noEnd    bool
	junk     []byte // behind the stream in its last block
	block    int    // size, 255 if 0
	blocks   []byte // after the last
	noLast   bool   // no empty block after them

	before, after []byte // the frame; after is a trailer if nil
}

func (f *file) encode() []byte {
	version := f.version
	if version == "" {
		version = "GIF89a"
	}
	screen := func(size, least int) int {
		if size == 0 {
			size = least
		}
		return max(size, 0)
	}
	b := le.AppendUint16([]byte(version), uint16(screen(f.screenW, f.left+f.w)))
	b = le.AppendUint16(b, uint16(screen(f.screenH, f.top+f.h)))
	fields, table := f.palette()
	if f.local {
		b = append(b, 0, 0, 0)
	} else {
		b = append(append(b, fields, 0, 0), table...)
	}
	b = append(b, f.before...)
	if f.transparent >= 0 {
		b = append(b, extension, graphicControl, 4, 1, 0, 0, byte(f.transparent), 0)
	}
	b = append(b, descriptor)
	for _, v := range []int{f.left, f.top, f.w, f.h} {
		b = le.AppendUint16(b, uint16(v))
	}
	own := byte(0)
	if f.interlaced {
		own = 0x40
	}
	if f.local {
		b = append(append(b, own|fields), table...)
	} else {
		b = append(b, own)
	}
	b = append(b, byte(f.literalBits()))
	b = f.appendBlocks(b)
	if f.after == nil {
		return append(b, trailer)
	}
	return append(b, f.after...)
}

// palette returns colours that differ, and the fields that announce them.
func (f *file) palette() (fields byte, table []byte) {
	if f.colours == 0 {
		return 0, nil
	}
	for i := range f.colours {
		c := color.RGBA{uint8(i + 1), uint8(3 * i), uint8(255 - i), 255}
		table = append(table, c.R, c.G, c.B)
	}
	for n := f.colours; n > 2; n /= 2 {
		fields++
	}
	return 0x80 | fields, table
}

func (f *file) literalBits() int {
	bits := f.codes
	for bits == 0 || f.codes == 0 && (bits < 2 || 1<<bits < f.colours) {
		bits++
	}
	return bits
}

func (f *file) appendBlocks(b []byte) []byte {
	stream := append(f.stream(), f.junk...)
	for len(stream) > 0 {
		n := f.block
		if n == 0 {
			n = 255
		}
		if len(stream) < n+len(f.junk) { // the junk is in the block that the stream ends in
			n = min(255, len(stream))
		}
		n = min(n, len(stream))
		b = append(append(b, byte(n)), stream[:n]...)
		stream = stream[n:]
	}
	b = append(b, f.blocks...)
	if f.noLast {
		return b
	}
	return append(b, 0)
}

// pixels returns runs of one colour and noise in turn.
func (f *file) pixels() []uint8 {
	rows := f.rows
	if rows == 0 {
		rows = f.h
	}
	w := f.w
	if w == 0 {
		w = rows // so that there is something
	}
	pix := make([]uint8, w*max(rows, 0))
	rnd := rand.New(rand.NewPCG(uint64(f.w), uint64(f.h)))
	for i := 1; i < len(pix) && !f.flat; i++ {
		pix[i] = pix[i-1]
		if i/97%2 == 0 || rnd.IntN(20) == 0 {
			pix[i] = uint8(rnd.IntN(max(f.colours, 1)))
		}
	}
	if len(pix) > 0 {
		pix[0] = f.index
	}
	return pix
}

// stream returns the pixels as codes.
func (f *file) stream() []byte {
	literalBits := f.literalBits()
	clear := 1 << literalBits
	var out []byte
	var bits uint64
	nbits, width, next := 0, literalBits+1, clear+2
	put := func(code int) {
		bits |= uint64(code) << nbits
		for nbits += width; nbits >= 8; nbits -= 8 {
			out = append(out, byte(bits))
			bits >>= 8
		}
	}
	type pair struct {
		before int
		last   uint8
	}
	var table map[pair]int
	restart := func() {
		put(clear)
		table, width, next = map[pair]int{}, literalBits+1, clear+2
	}
	table = map[pair]int{}
	if !f.noClear {
		restart()
	}
	code := -1
	for _, v := range f.pixels() {
		if code < 0 {
			code = int(v)
			continue
		}
		if longer, ok := table[pair{code, v}]; ok {
			code = longer
			continue
		}
		put(code)
		if next < 1<<maxBits {
			table[pair{code, v}] = next
			if next++; next > 1<<width && width < maxBits {
				width++
			}
		} else if !f.keepFull {
			restart()
		}
		code = int(v)
	}
	if code >= 0 {
		put(code)
		if next++; next > 1<<width && width < maxBits {
			width++
		}
	}
	for range f.clears {
		restart()
	}
	if !f.noEnd {
		put(clear + 1)
	}
	return append(out, byte(bits))
}
