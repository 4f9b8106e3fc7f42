//go:build goexperiment.simd && amd64

package jpeg

import "simd/archsimd"

// hasAVX2 is a variable so that the tests can compare both ways.
var hasAVX2 = archsimd.X86.AVX2()

// transformPair is transformPairGo, sooner.
func transformPair(dst *[2]codedBlock, pix []uint8, stride int, q *quantiser) {
	if hasAVX2 {
		transformPairAVX2(dst, pix, stride, q)
	} else {
		transformPairGo(dst, pix, stride, q)
	}
}

// rows are those of two blocks of 8 x 8, one in the lower 128 bits and one in the upper: what archsimd calls Grouped treats both
// alike. Sixteen bits are just enough for the DCT of samples from -128 to 127.
type rows [8]archsimd.Int16x16

func transformPairAVX2(dst *[2]codedBlock, pix []uint8, stride int, q *quantiser) {
	var r rows
	mean := archsimd.BroadcastInt16x16(128)
	for y := range r {
		row := (*[16]uint8)(pix[y*stride:])
		r[y] = archsimd.LoadUint8x16(row).ExtendToUint16().AsInt16x16().Sub(mean).ShiftAllLeft(sampleBits)
	}
	r.dctPass()
	r.transpose()
	r.dctPass()
	r.quantise(dst, q)
}

// The factors of dctPass for two interleaved inputs. The sums of dctPass's Go twin that are multiplied twice are multiplied out:
// the products are exact, so the result is the same.
var (
	even2 = factors(fix0541, fix0541+fix0765)
	even6 = factors(fix0541-fix1847, fix0541)
	oddZ3 = factors(fix1175-fix1961, fix1175)
	oddZ4 = factors(fix1175, fix1175-fix0390)
	odd1  = factors(fix1501-fix0899, -fix0899)
	odd7  = factors(-fix0899, fix0298-fix0899)
	odd3  = factors(fix3072-fix2562, -fix2562)
	odd5  = factors(-fix2562, fix2053-fix2562)
)

func factors(a, b int16) (f [16]int16) {
	for i := 0; i < len(f); i += 2 {
		f[i], f[i+1] = a, b
	}
	return f
}

// dctPass replaces each column with its one-dimensional DCT, scaled as by its Go twin. The first two outputs need no factor and so no
// more than 16 bits.
func (r *rows) dctPass() {
	round := archsimd.BroadcastInt32x8(1 << (fractionBits + passBits - 1))
	half := archsimd.BroadcastInt16x16(1 << (passBits - 1))
	sum0, diff0 := r[0].Add(r[7]), r[0].Sub(r[7])
	sum1, diff1 := r[1].Add(r[6]), r[1].Sub(r[6])
	sum2, diff2 := r[2].Add(r[5]), r[2].Sub(r[5])
	sum3, diff3 := r[3].Add(r[4]), r[3].Sub(r[4])

	a, d := sum0.Add(sum3), sum0.Sub(sum3)
	b, c := sum1.Add(sum2), sum1.Sub(sum2)
	r[0] = a.Add(b).Add(half).ShiftAllRight(passBits)
	r[4] = a.Sub(b).Add(half).ShiftAllRight(passBits)
	r[2] = pair(c, d).times(&even2).add(round, round).narrow()
	r[6] = pair(c, d).times(&even6).add(round, round).narrow()

	z := pair(diff3.Add(diff1), diff2.Add(diff0))
	z3 := z.times(&oddZ3).add(round, round)
	z4 := z.times(&oddZ4).add(round, round)
	p03, p12 := pair(diff0, diff3), pair(diff1, diff2)
	r[1] = p03.times(&odd1).add(z4.lo, z4.hi).narrow()
	r[7] = p03.times(&odd7).add(z3.lo, z3.hi).narrow()
	r[3] = p12.times(&odd3).add(z3.lo, z3.hi).narrow()
	r[5] = p12.times(&odd5).add(z4.lo, z4.hi).narrow()
}

// An interleaved has two inputs for each output, and a wide has the outputs in 32 bits, of the lower and the upper half of a group.
type (
	interleaved struct{ lo, hi archsimd.Int16x16 }
	wide        struct{ lo, hi archsimd.Int32x8 }
)

func pair(a, b archsimd.Int16x16) interleaved {
	return interleaved{a.InterleaveLoGrouped(b), a.InterleaveHiGrouped(b)}
}

func (p interleaved) times(f *[16]int16) wide {
	v := archsimd.LoadInt16x16(f)
	return wide{p.lo.DotProductPairs(v), p.hi.DotProductPairs(v)}
}

func (w wide) add(lo, hi archsimd.Int32x8) wide { return wide{w.lo.Add(lo), w.hi.Add(hi)} }

func (w wide) narrow() archsimd.Int16x16 {
	const shift = fractionBits + passBits
	return w.lo.ShiftAllRight(shift).SaturateToInt16ConcatGrouped(w.hi.ShiftAllRight(shift))
}

// transpose exchanges rows and columns of both blocks.
func (r *rows) transpose() {
	a0, a1 := r[0].InterleaveLoGrouped(r[1]).AsInt32x8(), r[0].InterleaveHiGrouped(r[1]).AsInt32x8()
	a2, a3 := r[2].InterleaveLoGrouped(r[3]).AsInt32x8(), r[2].InterleaveHiGrouped(r[3]).AsInt32x8()
	a4, a5 := r[4].InterleaveLoGrouped(r[5]).AsInt32x8(), r[4].InterleaveHiGrouped(r[5]).AsInt32x8()
	a6, a7 := r[6].InterleaveLoGrouped(r[7]).AsInt32x8(), r[6].InterleaveHiGrouped(r[7]).AsInt32x8()
	b0, b1 := a0.InterleaveLoGrouped(a2).AsInt64x4(), a0.InterleaveHiGrouped(a2).AsInt64x4()
	b2, b3 := a1.InterleaveLoGrouped(a3).AsInt64x4(), a1.InterleaveHiGrouped(a3).AsInt64x4()
	b4, b5 := a4.InterleaveLoGrouped(a6).AsInt64x4(), a4.InterleaveHiGrouped(a6).AsInt64x4()
	b6, b7 := a5.InterleaveLoGrouped(a7).AsInt64x4(), a5.InterleaveHiGrouped(a7).AsInt64x4()
	r[0], r[1] = b0.InterleaveLoGrouped(b4).AsInt16x16(), b0.InterleaveHiGrouped(b4).AsInt16x16()
	r[2], r[3] = b1.InterleaveLoGrouped(b5).AsInt16x16(), b1.InterleaveHiGrouped(b5).AsInt16x16()
	r[4], r[5] = b2.InterleaveLoGrouped(b6).AsInt16x16(), b2.InterleaveHiGrouped(b6).AsInt16x16()
	r[6], r[7] = b3.InterleaveLoGrouped(b7).AsInt16x16(), b3.InterleaveHiGrouped(b7).AsInt16x16()
}

// quantise divides the coefficients and finds those that are not zero.
func (r *rows) quantise(dst *[2]codedBlock, q *quantiser) {
	var zero archsimd.Int16x16
	var bytes archsimd.Int8x32
	low := archsimd.BroadcastInt16x16(0x00ff)
	var set0, set1 uint64
	for i := 0; i < 8; i += 2 {
		a, b := quantiseRow(r[i], q, i), quantiseRow(r[i+1], q, i+1)
		a.GetLo().Store((*[8]int16)(dst[0].coefs[8*i:]))
		a.GetHi().Store((*[8]int16)(dst[1].coefs[8*i:]))
		b.GetLo().Store((*[8]int16)(dst[0].coefs[8*i+8:]))
		b.GetHi().Store((*[8]int16)(dst[1].coefs[8*i+8:]))
		// all ones where zero: in the even bytes those of a, in the odd ones those of b
		zeros := a.Equal(zero).ToInt16x16().And(low).Or(b.Equal(zero).ToInt16x16().AndNot(low))
		nonzero := zeros.AsInt8x32().Equal(bytes).ToBits()
		set0 |= inZigzag[i][uint8(nonzero)] | inZigzag[i+1][uint8(nonzero>>8)]
		set1 |= inZigzag[i][uint8(nonzero>>16)] | inZigzag[i+1][nonzero>>24]
	}
	dst[0].set, dst[1].set = set0, set1
}

// quantiseRow divides row i. A second multiplication shifts, since AVX2 cannot shift each of 16 numbers by its own count.
func quantiseRow(v archsimd.Int16x16, q *quantiser, i int) archsimd.Int16x16 {
	n := v.Abs().AsUint16x16().Add(archsimd.LoadUint16x16(&q.half[i]))
	n = n.MulHigh(archsimd.LoadUint16x16(&q.reciprocal[i])).MulHigh(archsimd.LoadUint16x16(&q.scale[i]))
	return n.AsInt16x16().CopySign(v)
}

// inZigzag turns 8 of the bits that quantise finds into bits of block.set. The j-th bits of entries i and i+1, i being even, are of
// columns j/2 and 4+j/2 in row i, or in row i+1 if j is odd.
var inZigzag = func() (t [8][256]uint64) {
	for i := range t {
		for bits := range t[i] {
			for j := range 8 {
				at := 8*(i&^1+j&1) + 4*(i&1) + j/2
				t[i][bits] |= uint64(bits>>j&1) << fileOrder[at]
			}
		}
	}
	return t
}()
