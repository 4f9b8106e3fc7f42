//go:build goexperiment.simd && amd64

package resample

import (
	"encoding/binary"
	"simd/archsimd"
	"sync"

	"tintype/thumb/sample"
)

// newEngine returns the fastest engine of this build for this processor.
func newEngine(width int, down, across *axis) engine {
	if archsimd.X86.AVX2() {
		return newAVX2(width, down, across)
	}
	return newPortable(width, down, across)
}

// tileWidth is how many columns the vertical filter takes at once.
const tileWidth = 32

// avx2 multiplies 16 samples at once, in pairs whose products are added (VPMADDWD).
//
// The ring has a and b as a + b<<16, in tiles of 32 columns. Each half of a tile is in the order in which interleaving leaves it,
// columns 0-3, 8-11, 4-7, 12-15, and which packing 32 bits to 16 turns back.
//
// The horizontal filter works on 8 rows, one in each lane: columns x and x+1 of a row are a pair, so all rows of the group take the
// same weight.
type avx2 struct {
	width  int
	tiles  int // in a slot of the ring, and in a row between the filters
	ring   [][tileWidth]int32
	mid    [][tileWidth]int16 // group rows
	pairs  [][group]int32     // the same transposed, pairs of columns by row; what is right of the tiles is 0
	terms  []tileTerm
	across *axis
}

// tileTerm is a term as the vertical filter reads it.
type tileTerm struct {
	slot int      // the first tile
	pair [8]int32 // the weights in each lane
}

func newAVX2(width int, down, across *axis) engine {
	v, _ := avx2s.Get().(*avx2)
	if v == nil {
		v = new(avx2)
	}
	v.width, v.tiles, v.across = width, roundUp(width, tileWidth)/tileWidth, across
	v.ring = sample.Reuse(v.ring, down.pairs*v.tiles)
	v.mid = sample.Reuse(v.mid, group*v.tiles)
	v.pairs = sample.Reuse(v.pairs, v.tiles*tileWidth/2+across.pairs)
	v.terms = sample.Reuse(v.terms, down.pairs)
	clear(v.pairs[v.tiles*tileWidth/2:])
	return v
}

var avx2s sync.Pool

func (v *avx2) free() {
	v.across = nil
	if 4*tileWidth*cap(v.ring)+2*tileWidth*cap(v.mid)+4*group*cap(v.pairs) <= maxKept {
		avx2s.Put(v)
	}
}

func (v *avx2) lay(slot int, upper, lower []uint8) {
	ring := v.ring[slot*v.tiles:][:v.tiles]
	upper, lower = upper[:v.width], lower[:v.width]
	for i := range ring {
		if len(upper) < tileWidth {
			var u, l [tileWidth]uint8
			copy(u[:], upper)
			copy(l[:], lower)
			layTile(&ring[i], u[:], l[:])
			break
		}
		layTile(&ring[i], upper, lower)
		upper, lower = upper[tileWidth:], lower[tileWidth:]
	}
	archsimd.ClearAVXUpperBits()
}

func layTile(d *[tileWidth]int32, upper, lower []uint8) {
	u := archsimd.LoadUint8x16((*[16]uint8)(upper)).ExtendToUint16()
	l := archsimd.LoadUint8x16((*[16]uint8)(lower)).ExtendToUint16()
	u.InterleaveLoGrouped(l).AsInt32x8().Store((*[8]int32)(d[0:]))
	u.InterleaveHiGrouped(l).AsInt32x8().Store((*[8]int32)(d[8:]))
	u = archsimd.LoadUint8x16((*[16]uint8)(upper[16:])).ExtendToUint16()
	l = archsimd.LoadUint8x16((*[16]uint8)(lower[16:])).ExtendToUint16()
	u.InterleaveLoGrouped(l).AsInt32x8().Store((*[8]int32)(d[16:]))
	u.InterleaveHiGrouped(l).AsInt32x8().Store((*[8]int32)(d[24:]))
}

func (v *avx2) vertical(k int, terms []term) {
	tt := v.terms[:len(terms)]
	for i, t := range terms {
		tt[i].slot = t.slot * v.tiles
		archsimd.BroadcastInt32x8(int32(t.lower)<<16 | int32(uint16(t.upper))).Store(&tt[i].pair)
	}
	half := archsimd.BroadcastInt32x8(1 << (downShift - 1))
	row := v.mid[k*v.tiles:][:v.tiles]
	for x := range row {
		a, b, c, d := half, half, half, half
		for i := range tt {
			t := &v.ring[tt[i].slot+x]
			w := archsimd.LoadInt32x8(&tt[i].pair).AsInt16x16()
			a = a.Add(archsimd.LoadInt32x8((*[8]int32)(t[0:])).AsInt16x16().DotProductPairs(w))
			b = b.Add(archsimd.LoadInt32x8((*[8]int32)(t[8:])).AsInt16x16().DotProductPairs(w))
			c = c.Add(archsimd.LoadInt32x8((*[8]int32)(t[16:])).AsInt16x16().DotProductPairs(w))
			d = d.Add(archsimd.LoadInt32x8((*[8]int32)(t[24:])).AsInt16x16().DotProductPairs(w))
		}
		a, b = a.ShiftAllRight(downShift), b.ShiftAllRight(downShift)
		c, d = c.ShiftAllRight(downShift), d.ShiftAllRight(downShift)
		a.SaturateToInt16ConcatGrouped(b).Store((*[16]int16)(row[x][0:]))
		c.SaturateToInt16ConcatGrouped(d).Store((*[16]int16)(row[x][16:]))
	}
	archsimd.ClearAVXUpperBits()
}

func (v *avx2) horizontal(rows *[group][]uint8) {
	for x := range v.tiles {
		v.transpose(x, 0)
		v.transpose(x, tileWidth/2)
	}
	var columns [group][8]int32 // of 8 rows each
	var block [8 * group]uint8
	np := v.across.pairs
	for x := 0; x < len(rows[0]); x += 8 {
		v.columns(&columns, x, np)
		packColumns(&block, &columns)
		for k, row := range rows {
			put8(row, x, block[8*k:])
		}
	}
	archsimd.ClearAVXUpperBits()
}

// put8 writes 8 samples into row from x on, or as many as it has.
func put8(row []uint8, x int, samples []uint8) {
	row = row[x:]
	if len(row) >= 8 {
		binary.LittleEndian.PutUint64(row, binary.LittleEndian.Uint64(samples))
		return
	}
	copy(row, samples[:8])
}

// transpose writes 16 columns of a tile, from column c of it on, as pairs.
func (v *avx2) transpose(tile, c int) {
	load := func(k int) archsimd.Int32x8 {
		return archsimd.LoadInt16x16((*[16]int16)(v.mid[k*v.tiles+tile][c:])).AsInt32x8()
	}
	r0, r1, r2, r3, r4, r5, r6, r7 := load(0), load(1), load(2), load(3), load(4), load(5), load(6), load(7)
	// Pairs 0 1 4 5 of rows 0 1, of 2 3, ..., then 2 3 6 7.
	a0, a1, a2, a3 := r0.InterleaveLoGrouped(r1).AsInt64x4(), r2.InterleaveLoGrouped(r3).AsInt64x4(),
		r4.InterleaveLoGrouped(r5).AsInt64x4(), r6.InterleaveLoGrouped(r7).AsInt64x4()
	b0, b1, b2, b3 := r0.InterleaveHiGrouped(r1).AsInt64x4(), r2.InterleaveHiGrouped(r3).AsInt64x4(),
		r4.InterleaveHiGrouped(r5).AsInt64x4(), r6.InterleaveHiGrouped(r7).AsInt64x4()
	d := v.pairs[(tile*tileWidth+c)/2:][:8]
	store := func(pair int, upper, lower archsimd.Int64x4) { // pair of rows 0-3 and 4-7, beside pair+4
		upper.Select128FromPair(0, 2, lower).AsInt32x8().Store(&d[pair])
		upper.Select128FromPair(1, 3, lower).AsInt32x8().Store(&d[pair+4])
	}
	store(0, a0.InterleaveLoGrouped(a1), a2.InterleaveLoGrouped(a3))
	store(1, a0.InterleaveHiGrouped(a1), a2.InterleaveHiGrouped(a3))
	store(2, b0.InterleaveLoGrouped(b1), b2.InterleaveLoGrouped(b3))
	store(3, b0.InterleaveHiGrouped(b1), b2.InterleaveHiGrouped(b3))
}

// columns filters 8 columns of the result, from x on.
func (v *avx2) columns(columns *[group][8]int32, x, np int) {
	half := archsimd.BroadcastInt32x8(1 << (acrossShift - 1))
	first := v.across.first[x:][:len(columns)]
	weights := v.across.weights[x*2*np:]
	for i := range columns {
		s := v.pairs[first[i]:][:np]
		w := weights[i*2*np:][:2*np+6] // a load takes 4 pairs, for the sake of the first
		sum := half
		for len(s) >= 4 {
			a, k := (*[4][8]int32)(s), (*[14]int16)(w)
			sum = sum.Add(product(&a[0], (*[8]int16)(k[0:]))).Add(product(&a[1], (*[8]int16)(k[2:])))
			sum = sum.Add(product(&a[2], (*[8]int16)(k[4:]))).Add(product(&a[3], (*[8]int16)(k[6:])))
			s, w = s[4:], w[8:]
		}
		for t := range s {
			sum = sum.Add(product(&s[t], (*[8]int16)(w)))
			w = w[2:]
		}
		sum.ShiftAllRight(acrossShift).Store(&columns[i])
	}
}

// product returns a pair of columns times the first pair of weights.
func product(pairs *[8]int32, weights *[8]int16) archsimd.Int32x8 {
	w := archsimd.LoadInt16x8(weights).AsInt32x4().Broadcast1To8().AsInt16x16()
	return archsimd.LoadInt32x8(pairs).AsInt16x16().DotProductPairs(w)
}

// rowBytes finds, in a half with bytes of columns 0 2 0 2 0 2 0 2 1 3 1 3 1 3 1 3 and rows 0 0 1 1 2 2 3 3 0 0 1 1 2 2 3 3, the
// four of each row.
var rowBytes = [32]int8{
	0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15,
	0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15,
}

// packColumns clamps 8 columns of 8 rows and writes them row after row.
func packColumns(block *[8 * group]uint8, columns *[group][8]int32) {
	low, high := archsimd.BroadcastInt16x16(0), archsimd.BroadcastInt16x16(255)
	load := func(i int) archsimd.Int16x16 { // columns i and i+1
		c := archsimd.LoadInt32x8(&columns[i]).SaturateToInt16ConcatGrouped(archsimd.LoadInt32x8(&columns[i+1]))
		return c.Max(low).Min(high)
	}
	order := archsimd.LoadInt8x32(&rowBytes)
	left := load(0).Or(load(2).ShiftAllLeft(8)).AsUint8x32().PermuteOrZeroGrouped(order).AsInt32x8()
	right := load(4).Or(load(6).ShiftAllLeft(8)).AsUint8x32().PermuteOrZeroGrouped(order).AsInt32x8()
	a, b := left.InterleaveLoGrouped(right), left.InterleaveHiGrouped(right) // rows 0 1 4 5 and 2 3 6 7
	a.Select128FromPair(0, 2, b).AsUint8x32().Store((*[32]uint8)(block[0:]))
	a.Select128FromPair(1, 3, b).AsUint8x32().Store((*[32]uint8)(block[32:]))
}
