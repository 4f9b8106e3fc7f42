//go:build goexperiment.simd && amd64

package png

import "simd/archsimd"

// hasAVX2 is a variable so that the tests can compare both ways.
var hasAVX2 = archsimd.X86.AVX2()

// vector is the size of what is loaded and stored for a pixel, of which the first bytes count. What follows them is done again with
// the next pixels; it never comes into the pixel itself, as every byte stays in its lane.
const vector = 16

// clean must come before vectors are moved between registers: today's compiler does that by instructions without VEX prefix, each of
// which costs up to 100 ns while the upper halves of the registers are in use, as they are after a goroutine was preempted.
func clean() { archsimd.ClearAVXUpperBits() }

func subPixels(pixel int, dst, src []byte) int {
	if !hasAVX2 {
		return subPixelsGo(pixel, dst, src)
	}
	clean()
	var left archsimd.Uint8x16
	all := len(src)
	for len(src) >= vector {
		left = left.Add(load(src))
		store(dst, left)
		dst, src = dst[pixel:], src[pixel:]
	}
	return all - len(src)
}

func upVectors(dst, above, src []byte) int {
	if !hasAVX2 {
		return upWords(dst, above, src)
	}
	all := len(src)
	for len(src) >= vector {
		store(dst, load(src).Add(load(above)))
		dst, above, src = dst[vector:], above[vector:], src[vector:]
	}
	return all - len(src)
}

// averagePixels carries the complement of the pixel before: the average of complements, which is rounded up, is the complement of the
// average rounded down, and taking src from it is adding that to the average.
func averagePixels(pixel int, dst, above, src []byte) int {
	if !hasAVX2 {
		return averagePixelsGo(pixel, dst, above, src)
	}
	clean()
	ones := archsimd.LoadUint8x16(&allOnes)
	left := ones
	all := len(src)
	for len(src) >= vector {
		left = left.Average(load(above).Xor(ones)).Sub(load(src))
		store(dst, left.Xor(ones))
		dst, above, src = dst[pixel:], above[pixel:], src[pixel:]
	}
	return all - len(src)
}

// paethPixels does what paeth does in 16 bits a byte, written so that little has to wait for the pixel before:
//
//	dst = src + corner + (large - corner, or small - corner, or 0)
func paethPixels(pixel int, dst, above, src []byte) int {
	const lanes = 8
	if !hasAVX2 || pixel > lanes {
		return paethPixelsGo(pixel, dst, above, src)
	}
	clean()
	pack := archsimd.LoadInt8x16(&evenBytes)
	var left, corner archsimd.Int16x8
	all := len(src)
	for len(src) >= vector {
		up := load(above).ExtendLo8ToUint16().AsInt16x8()
		base := load(src).ExtendLo8ToUint16().AsUint8x16().Add(corner.AsUint8x16())
		rest := corner.Add(corner).Add(corner).Sub(up)

		bound := rest.Sub(left)
		small, large := left.Min(up), left.Max(up)
		a := byteDifference(small, corner).AndNot(large.Greater(bound).ToInt16x8())
		b := byteDifference(large, corner).AndNot(bound.Greater(small).ToInt16x8())
		sum := base.Add(a.Or(b).AsUint8x16())
		store(dst, sum.PermuteOrZero(pack))
		left, corner = sum.AsInt16x8(), up
		dst, above, src = dst[pixel:], above[pixel:], src[pixel:]
	}
	return all - len(src)
}

// byteDifference returns a - b of numbers below 256, without what is borrowed.
func byteDifference(a, b archsimd.Int16x8) archsimd.Int16x8 {
	return a.AsUint8x16().Sub(b.AsUint8x16()).AsInt16x8()
}

// Constants are loaded, as a broadcast is an instruction without VEX prefix too.
var (
	allOnes   = [16]uint8{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}
	evenBytes = [16]int8{0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1}
)

func load(p []byte) archsimd.Uint8x16 { return archsimd.LoadUint8x16((*[vector]uint8)(p)) }

func store(p []byte, v archsimd.Uint8x16) { v.Store((*[vector]uint8)(p)) }
