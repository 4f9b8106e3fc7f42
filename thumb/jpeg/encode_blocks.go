package jpeg

import (
	"slices"
	"sync"

	"tintype/thumb/sample"
)

// An encoder is what one call of Encode works with. It is kept for the next call, because its buffers are most of the memory used.
type encoder struct {
	w, h       int
	mcuCols    int
	mcuRows    int
	channels   []channel
	quantisers [2]quantiser // of Y, and of Cb and Cr
	blocks     []codedBlock // one row of MCUs, channel after channel
	tokens     [][]token    // in pieces, as nobody knows how many there will be
	free       [][]token    // pieces of earlier pictures
}

// A channel is one plane, and where its blocks go.
type channel struct {
	sample.Plane
	perMCU     int // blocks across an MCU, and down it: 1 or 2
	cols, rows int // blocks that hold pixels; an MCU at the edge can have more
	table      int // 0 for Y, 1 for Cb and Cr: of quantisers, and of Huffman codes
	lastDC     int32
	blocks     []codedBlock // perMCU rows of pitch blocks each
	pitch      int          // even, since blocks are transformed in pairs
}

// A codedBlock is 8 x 8 quantised coefficients, ordered by columns: the one of horizontal frequency u and vertical frequency v is at
// coefs[8*u+v]. Bit k of set says that the k-th in zigzag order is not zero.
type codedBlock struct {
	coefs [64]int16
	set   uint64
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// begin prepares for a picture that checkPicture has passed.
func (e *encoder) begin(w, h int, planes []sample.Plane, quality int) {
	luma := 1
	if len(planes) == 3 && (planes[1].Width != w || planes[1].Height != h) {
		luma = 2
	}
	e.w, e.h = w, h
	e.mcuCols, e.mcuRows = ceilDiv(w, 8*luma), ceilDiv(h, 8*luma)
	for i := range e.quantisers {
		e.quantisers[i].set(i, quality)
	}
	total := 0
	for i, p := range planes {
		c := channel{Plane: p, perMCU: 1, table: min(i, 1), cols: ceilDiv(p.Width, 8), rows: ceilDiv(p.Height, 8)}
		if i == 0 {
			c.perMCU = luma
		}
		c.pitch = (c.cols + 1) &^ 1
		total += c.perMCU * c.pitch
		e.channels = append(e.channels, c)
	}
	e.blocks = slices.Grow(e.blocks[:0], total)[:total]
	rest := e.blocks
	for i := range e.channels {
		c := &e.channels[i]
		n := c.perMCU * c.pitch
		c.blocks, rest = rest[:n], rest[n:]
	}
}

// forget drops the picture and keeps the buffers.
func (e *encoder) forget() {
	clear(e.channels) // they point to the planes
	e.channels = e.channels[:0]
	e.free = append(e.free, e.tokens...)
	e.tokens = e.tokens[:0]
	kept := 0
	for i, piece := range e.free {
		if kept += cap(piece); kept > maxKeptTokens {
			clear(e.free[i:])
			e.free = e.free[:i]
			break
		}
	}
}

// maxKeptTokens is how many an encoder keeps the memory of for the next picture: 8 MiB.
const maxKeptTokens = 2 << 20

// piece returns one with room for most tokens more. So that none is ever moved, and all are never more than blocks can have, a new one
// is for eight rows of MCUs.
func (e *encoder) piece(most, rowsLeft int) *[]token {
	if n := len(e.tokens); n > 0 && cap(e.tokens[n-1])-len(e.tokens[n-1]) >= most {
		return &e.tokens[n-1]
	}
	var p []token
	if i := slices.IndexFunc(e.free, func(p []token) bool { return cap(p) >= most }); i >= 0 {
		p = e.free[i][:0]
		e.free = slices.Delete(e.free, i, i+1)
	} else {
		p = make([]token, 0, most*min(rowsLeft, 8))
	}
	e.tokens = append(e.tokens, p)
	return &e.tokens[len(e.tokens)-1]
}

// encodeRow appends the tokens of one row of MCUs.
func (e *encoder) encodeRow(my int) {
	perRow := 0
	for i := range e.channels {
		c := &e.channels[i]
		c.transform(my, &e.quantisers[c.table])
		perRow += c.perMCU * c.perMCU * e.mcuCols
	}
	piece := e.piece(perRow*maxBlockTokens, e.mcuRows-my)
	tokens := *piece
	for mx := range e.mcuCols {
		for i := range e.channels {
			c := &e.channels[i]
			for v := range c.perMCU {
				for u := range c.perMCU {
					tokens = c.appendTokens(tokens, mx*c.perMCU+u, v, my*c.perMCU+v < c.rows)
				}
			}
		}
	}
	*piece = tokens
}

// appendTokens appends those of the block in column x of row v of the component's blocks. A block without pixels repeats the mean
// of the one before it in the scan, which takes the fewest bits; no decoder shows it.
func (c *channel) appendTokens(dst []token, x, v int, inside bool) []token {
	if !inside || x >= c.cols {
		return append(dst, dcToken(c.table, 0), acToken(c.table, 0, 0))
	}
	b := &c.blocks[v*c.pitch+x]
	dc := int32(b.coefs[0])
	dst = b.appendTokens(dst, c.table, dc-c.lastDC)
	c.lastDC = dc
	return dst
}

// transform fills the blocks of one row of MCUs.
func (c *channel) transform(my int, q *quantiser) {
	var edge [16 * 8]uint8
	for v := range c.perMCU {
		by := my*c.perMCU + v
		if by >= c.rows {
			return
		}
		row := c.blocks[v*c.pitch : (v+1)*c.pitch]
		for bx := 0; bx < c.cols; bx += 2 {
			pix, stride := c.window(8*bx, 8*by, &edge)
			transformPair((*[2]codedBlock)(row[bx:]), pix, stride, q)
		}
	}
}

// window returns the 16 x 8 samples at x, y and their stride. Beyond the plane's right and lower edge the last sample is repeated,
// in edge.
func (c *channel) window(x, y int, edge *[16 * 8]uint8) (pix []uint8, stride int) {
	if x+16 <= c.Width && y+8 <= c.Height {
		return c.Pix[y*c.Stride+x:], c.Stride
	}
	for i := range 8 {
		from := min(y+i, c.Height-1) * c.Stride
		row := edge[16*i : 16*i+16]
		n := copy(row, c.Pix[from+x:from+c.Width])
		for ; n < 16; n++ {
			row[n] = c.Pix[from+c.Width-1]
		}
	}
	return edge[:], 16
}
