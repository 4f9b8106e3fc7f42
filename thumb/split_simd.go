//go:build goexperiment.simd && amd64

package thumb

import "simd/archsimd"

// hasAVX2 is a variable so that the tests can compare both ways.
var hasAVX2 = archsimd.X86.AVX2()

// Each of the next three does 16 pixels at a time and leaves what is left to its Go twin.

func split3(r, g, b, row []uint8) {
	g, b = g[:len(r)], b[:len(r)]
	n := 0
	if hasAVX2 {
		n = split3AVX2(r, g, b, row)
	}
	split3Go(r[n:], g[n:], b[n:], row[3*n:])
}

func split4(r, g, b, a, row []uint8) {
	g, b, a = g[:len(r)], b[:len(r)], a[:len(r)]
	n := 0
	if hasAVX2 {
		n = split4AVX2(r, g, b, a, row)
	}
	split4Go(r[n:], g[n:], b[n:], a[n:], row[4*n:])
}

// multiply sets each v to v*a/255, rounded.
func multiply(v, a []uint8) {
	n := 0
	if hasAVX2 {
		n = multiplyAVX2(v, a[:len(v)])
	}
	multiplyGo(v[n:], a[n:])
}

type bytes16 = archsimd.Uint8x16

func load16(p []uint8) bytes16 { return archsimd.LoadUint8x16((*[16]uint8)(p)) }

func store16(p []uint8, v bytes16) { v.Store((*[16]uint8)(p)) }

// thirds has, for each channel, which bytes of each of the three vectors of 16 pixels go where; -1 is 0.
var thirds = func() (order [3][3][16]int8) {
	for channel := range 3 {
		for x := range 16 {
			for part := range 3 {
				order[channel][part][x] = -1
			}
			at := 3*x + channel
			order[channel][at/16][x] = int8(at % 16)
		}
	}
	return order
}()

func split3AVX2(r, g, b, row []uint8) int {
	n := len(r) &^ 15
	for x := 0; x < n; x += 16 {
		p := (*[48]uint8)(row[3*x:])
		u, v, w := load16(p[0:]), load16(p[16:]), load16(p[32:])
		store16(r[x:], third(u, v, w, &thirds[0]))
		store16(g[x:], third(u, v, w, &thirds[1]))
		store16(b[x:], third(u, v, w, &thirds[2]))
	}
	return n
}

// third returns one channel of 16 pixels.
func third(u, v, w bytes16, order *[3][16]int8) bytes16 {
	u = u.PermuteOrZero(archsimd.LoadInt8x16(&order[0]))
	v = v.PermuteOrZero(archsimd.LoadInt8x16(&order[1]))
	return u.Or(v).Or(w.PermuteOrZero(archsimd.LoadInt8x16(&order[2])))
}

// fourths puts the channels of 4 pixels side by side.
var fourths = [16]int8{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}

func split4AVX2(r, g, b, a, row []uint8) int {
	order := archsimd.LoadInt8x16(&fourths)
	n := len(r) &^ 15
	for x := 0; x < n; x += 16 {
		p := (*[64]uint8)(row[4*x:])
		s, t := load16(p[0:]).PermuteOrZero(order).AsInt32x4(), load16(p[16:]).PermuteOrZero(order).AsInt32x4()
		u, v := load16(p[32:]).PermuteOrZero(order).AsInt32x4(), load16(p[48:]).PermuteOrZero(order).AsInt32x4()
		rg, rg2 := s.InterleaveLo(t).AsInt64x2(), u.InterleaveLo(v).AsInt64x2()
		ba, ba2 := s.InterleaveHi(t).AsInt64x2(), u.InterleaveHi(v).AsInt64x2()
		store16(r[x:], rg.InterleaveLo(rg2).AsUint8x16())
		store16(g[x:], rg.InterleaveHi(rg2).AsUint8x16())
		store16(b[x:], ba.InterleaveLo(ba2).AsUint8x16())
		store16(a[x:], ba.InterleaveHi(ba2).AsUint8x16())
	}
	return n
}

// highBytes makes each number of 16 bits its high byte. A shift does that too, but today's compiler takes an instruction without VEX
// prefix for its count, and for a broadcast; where the upper halves of the registers are in use, one costs 100 ns.
var highBytes = [16]int8{1, -1, 3, -1, 5, -1, 7, -1, 9, -1, 11, -1, 13, -1, 15, -1}

var (
	lowMask = [8]uint16{255, 255, 255, 255, 255, 255, 255, 255}
	halves  = [8]uint16{128, 128, 128, 128, 128, 128, 128, 128}
)

// multiplyAVX2 has the even bytes and the odd ones as numbers of 16 bits.
func multiplyAVX2(v, a []uint8) int {
	high := archsimd.LoadInt8x16(&highBytes)
	low, half := archsimd.LoadUint16x8(&lowMask), archsimd.LoadUint16x8(&halves)
	n := len(v) &^ 15
	for x := 0; x < n; x += 16 {
		s, t := load16(v[x:]), load16(a[x:])
		even := s.AsUint16x8().And(low).Mul(t.AsUint16x8().And(low)).Add(half)
		odd := s.PermuteOrZero(high).AsUint16x8().Mul(t.PermuteOrZero(high).AsUint16x8()).Add(half)
		even = even.Add(even.AsUint8x16().PermuteOrZero(high).AsUint16x8())
		odd = odd.Add(odd.AsUint8x16().PermuteOrZero(high).AsUint16x8()).AndNot(low)
		store16(v[x:], even.AsUint8x16().PermuteOrZero(high).Or(odd.AsUint8x16()))
	}
	return n
}
