//go:build goexperiment.simd && amd64

package inflate

import "simd/archsimd"

// hasAVX2 is a variable so that the tests can compare both ways.
var hasAVX2 = archsimd.X86.AVX2()

// In 16 bytes, each counts in b once for itself and once for each byte after it.
var (
	weights = [16]int8{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
	ones    = [8]int16{1, 1, 1, 1, 1, 1, 1, 1}
)

// addMany adds 16 bytes at a time, adlerMost at most, and returns how many these were.
func addMany(a, b uint64, p []byte) (a2, b2 uint64, n int) {
	if !hasAVX2 {
		return addManyGo(a, b, p)
	}
	archsimd.ClearAVXUpperBits() // or moves between registers, which today's compiler does without VEX prefix, are slow
	w, one := archsimd.LoadInt8x16(&weights), archsimd.LoadInt16x8(&ones)
	var none archsimd.Uint8x16
	var sum, sums archsimd.Uint64x2 // of the bytes, and of what that was before each vector
	var within archsimd.Int32x4
	for ; len(p)-n >= 16; n += 16 {
		v := archsimd.LoadUint8x16((*[16]uint8)(p[n:]))
		sums = sums.Add(sum)
		sum = sum.Add(v.SumAbsDiff(none).AsUint64x2())
		within = within.Add(v.DotProductPairsSaturated(w).DotProductPairs(one))
	}
	var s, t [2]uint64
	var u [4]int32
	sum.Store(&s)
	sums.Store(&t)
	within.Store(&u)
	b += uint64(n)*a + 16*(t[0]+t[1]) + uint64(u[0]) + uint64(u[1]) + uint64(u[2]) + uint64(u[3])
	return a + s[0] + s[1], b, n
}
