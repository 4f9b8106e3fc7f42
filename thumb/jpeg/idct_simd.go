//go:build goexperiment.simd && amd64

package jpeg

import (
	"encoding/binary"
	"simd/archsimd"
)

// idct8 is idct8Go, sooner.
func idct8(b *block, dst []uint8, stride int) {
	if !hasAVX2 || !idct8AVX2(b, dst, stride) {
		idct8Go(b, dst, stride)
	}
}

// dequantise is dequantiseGo, sooner for n = 8. The IDCTs in Go must not follow vectors: clearing a block is an instruction that costs
// 100 ns while the upper halves of registers are in use.
func (b *block) dequantise(values *[64]int16, quant *[64]int32, n int) {
	if hasAVX2 && n == 8 {
		b.dequantiseAVX2(values, quant)
	} else {
		b.dequantiseGo(values, quant, n)
	}
}

// dequantiseAVX2 makes eight at a time.
func (b *block) dequantiseAVX2(values *[64]int16, quant *[64]int32) {
	for i := 0; i < 57; i += 8 {
		v := archsimd.LoadInt16x8((*[8]int16)(values[i:])).ExtendToInt32()
		v.Mul(archsimd.LoadInt32x8((*[8]int32)(quant[i:]))).Store((*[8]int32)(b[i:]))
	}
}

// limitAVX2 is what coefficients must stay within, so that no int32 overflows. It is 256 behind the point, and no honest one reaches
// that: samples of 128 give 202 at most, and quantising adds half a divisor, 31.
//
// If the numbers that come into a pass are within m, its outputs s3 and s4 are within 11.4*m: this is the sum of the magnitudes of
// their factors, cos(7*u*pi/16)/cos(u*pi/16). For the other outputs and all numbers on the way, it is less. So the second pass stays
// within 11.4*11.4*2^23, rounding and half come to less than 2^23, and the sum of these is less than 2^30.1.
const limitAVX2 = 1<<23 - 1

// idct8AVX2 returns false, and has done nothing, if a coefficient is beyond limitAVX2.
func idct8AVX2(b *block, dst []uint8, stride int) bool {
	all := b.row(0).Abs().Or(b.row(1).Abs()).Or(b.row(2).Abs().Or(b.row(3).Abs())).
		Or(b.row(4).Abs().Or(b.row(5).Abs()).Or(b.row(6).Abs().Or(b.row(7).Abs())))
	if !all.And(archsimd.BroadcastInt32x8(^limitAVX2)).IsZero() {
		return false
	}
	b.idctPass(archsimd.Int32x8{})
	b.transpose()
	b.idctPass(archsimd.BroadcastInt32x8(half))
	b.store(dst, stride)
	return true
}

func (b *block) row(r int) archsimd.Int32x8 { return archsimd.LoadInt32x8((*[8]int32)(b[8*r:])) }

func (b *block) setRow(r int, v archsimd.Int32x8) { v.Store((*[8]int32)(b[8*r:])) }

// idctPass replaces each column with its IDCT as butterfly8 has it, after adding to the first row.
func (b *block) idctPass(level archsimd.Int32x8) {
	f0, f4 := b.row(0).Add(level), b.row(4)
	f2, f6 := b.row(2), b.row(6)
	p, q := f0.Add(f4), f0.Sub(f4)
	sum := f2.Add(f6)
	diff := times(f2.Sub(f6), r2).shifted().Sub(sum)
	e0, e3, e1, e2 := p.Add(sum), p.Sub(sum), q.Add(diff), q.Sub(diff)

	f1, f3, f5, f7 := b.row(1), b.row(3), b.row(5), b.row(7)
	z13, z10, z11, z12 := f5.Add(f3), f5.Sub(f3), f1.Add(f7), f1.Sub(f7)
	o7 := z11.Add(z13)
	b.setRow(0, e0.Add(o7))
	b.setRow(7, e0.Sub(o7))
	z5 := times(z10.Add(z12), c2)
	o6 := z5.sub(times(z10, d6)).shifted().Sub(o7)
	b.setRow(1, e1.Add(o6))
	b.setRow(6, e1.Sub(o6))
	o5 := times(z11.Sub(z13), r2).shifted().Sub(o6)
	b.setRow(2, e2.Add(o5))
	b.setRow(5, e2.Sub(o5))
	o4 := times(z12, c6).sub(z5).shifted().Add(o5)
	b.setRow(4, e3.Add(o4))
	b.setRow(3, e3.Sub(o4))
}

// products are of 64 bits, of the numbers in even and in odd columns.
type products struct{ even, odd archsimd.Int64x4 }

func times(v archsimd.Int32x8, c int32) products {
	f := archsimd.BroadcastInt32x8(c)
	return products{v.MulEvenWiden(f), v.PermuteScalarsGrouped(1, 1, 3, 3).MulEvenWiden(f)}
}

func (p products) sub(q products) products { return products{p.even.Sub(q.even), p.odd.Sub(q.odd)} }

// shifted returns the products >> cosBits, in order again. AVX2 has no such shift of 64 bits, but the upper 32 of a left shift are
// the lower 32 of it.
func (p products) shifted() archsimd.Int32x8 {
	const left = 32 - cosBits
	even, odd := p.even.ShiftAllLeft(left).AsInt32x8(), p.odd.ShiftAllLeft(left).AsInt32x8()
	return even.SelectFromPairGrouped(1, 3, 5, 7, odd).PermuteScalarsGrouped(0, 2, 1, 3)
}

// transpose exchanges rows and columns.
func (b *block) transpose() {
	a0, a1 := interleave(b.row(0), b.row(1))
	a2, a3 := interleave(b.row(2), b.row(3))
	a4, a5 := interleave(b.row(4), b.row(5))
	a6, a7 := interleave(b.row(6), b.row(7))
	b.setColumns(0, a0.InterleaveLoGrouped(a2), a4.InterleaveLoGrouped(a6))
	b.setColumns(1, a0.InterleaveHiGrouped(a2), a4.InterleaveHiGrouped(a6))
	b.setColumns(2, a1.InterleaveLoGrouped(a3), a5.InterleaveLoGrouped(a7))
	b.setColumns(3, a1.InterleaveHiGrouped(a3), a5.InterleaveHiGrouped(a7))
}

func interleave(v, w archsimd.Int32x8) (lo, hi archsimd.Int64x4) {
	return v.InterleaveLoGrouped(w).AsInt64x4(), v.InterleaveHiGrouped(w).AsInt64x4()
}

// setColumns makes rows r and r+4 of the columns r and r+4, of which upper and lower are halves.
func (b *block) setColumns(r int, upper, lower archsimd.Int64x4) {
	v, w := upper.AsInt32x8(), lower.AsInt32x8()
	b.setRow(r, v.Select128FromPair(0, 2, w))
	b.setRow(r+4, v.Select128FromPair(1, 3, w))
}

// store writes the columns as rows of samples, and clears the block.
func (b *block) store(dst []uint8, stride int) {
	left, right := b.samples(0), b.samples(4)
	v, w := left.InterleaveLoGrouped(right).AsUint64x4(), left.InterleaveHiGrouped(right).AsUint64x4()
	store2(dst, stride, v.GetLo())
	store2(dst[2*stride:], stride, w.GetLo())
	store2(dst[4*stride:], stride, v.GetHi())
	store2(dst[6*stride:], stride, w.GetHi())
	var zero archsimd.Int32x8
	b.setRow(0, zero)
	b.setRow(1, zero)
	b.setRow(2, zero)
	b.setRow(3, zero)
	b.setRow(4, zero)
	b.setRow(5, zero)
	b.setRow(6, zero)
	b.setRow(7, zero)
}

func store2(dst []uint8, stride int, v archsimd.Uint64x2) {
	binary.LittleEndian.PutUint64(dst, v.GetElem(0))
	binary.LittleEndian.PutUint64(dst[stride:], v.GetElem(1))
}

// samples returns the columns i to i+3, clamped: four samples of each row.
func (b *block) samples(i int) archsimd.Int32x8 {
	white := archsimd.BroadcastUint16x16(255)
	v := b.row(i).ShiftAllRight(fraction).SaturateToUint16ConcatGrouped(b.row(i + 1).ShiftAllRight(fraction)).Min(white)
	w := b.row(i + 2).ShiftAllRight(fraction).SaturateToUint16ConcatGrouped(b.row(i + 3).ShiftAllRight(fraction)).Min(white)
	// four rows of columns i and i+2 in turn, and the same of the other two
	return v.Or(w.ShiftAllLeft(8)).AsInt8x32().PermuteOrZeroGrouped(archsimd.LoadInt8x32(&inRows)).AsInt32x8()
}

var inRows = [32]int8{
	0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15,
	0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15,
}
