package jpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantisingIsDividing(t *testing.T) {
	for step := 1; step <= 255; step++ {
		var q quantiser
		for at := range 64 {
			q.setStep(at, step)
		}
		// the DCT of 8 bits stays below 2^13, and half a divisor is less than 2^10
		for n := int32(0); n < 1<<14; n += 64 {
			var coefs [64]int32
			for i := range coefs {
				coefs[i] = n + int32(i)
				if i%2 == 1 {
					coefs[i] = -coefs[i]
				}
			}
			var got codedBlock
			q.quantise(&got, &coefs)
			for k, at := range columnOrder {
				want := int16(math.Round(float64(coefs[at]) / float64(8*step)))
				if got.coefs[at] != want {
					t.Fatalf("%d / (8*%d) is %d, want %d", coefs[at], step, got.coefs[at], want)
				}
				if got.set>>k&1 == 1 != (want != 0) {
					t.Fatalf("%d / (8*%d) is %d and its bit %d", coefs[at], step, want, got.set>>k&1)
				}
			}
		}
	}
}

// basis[u][x] is the u-th basis of the DCT at sample x.
var basis = func() (c [8][8]float64) {
	for u := range c {
		for x := range c[u] {
			c[u][x] = math.Cos(float64(2*x+1) * float64(u) * math.Pi / 16)
		}
	}
	return c
}()

// exactDCT is the definition, T.81 A.3.3, ordered by columns.
func exactDCT(pix []uint8, stride int) (coefs [64]float64) {
	for u := range 8 {
		for v := range 8 {
			sum := 0.0
			for y := range 8 {
				for x := range 8 {
					sum += (float64(pix[y*stride+x]) - 128) * basis[u][x] * basis[v][y]
				}
			}
			for _, f := range []int{u, v} {
				if f == 0 {
					sum *= math.Sqrt2 / 2
				}
			}
			coefs[8*u+v] = sum / 4
		}
	}
	return coefs
}

// testBlocks calls f with pairs of blocks: all that is extreme, and some of each kind between.
func testBlocks(f func(name string, pix []uint8, stride int)) {
	const stride = 21
	rnd := rand.New(rand.NewPCG(9, 10))
	fill := func(name string, sample func(x, y int) uint8) {
		pix := make([]uint8, 7*stride+16)
		for i := range pix {
			pix[i] = sample(i%stride, i/stride)
		}
		f(name, pix, stride)
	}
	fill("all 0", func(x, y int) uint8 { return 0 })
	fill("all 255", func(x, y int) uint8 { return 255 })
	fill("all 128", func(x, y int) uint8 { return 128 })
	for size := 1; size <= 8; size++ {
		fill("checkerboard", func(x, y int) uint8 { return uint8(-((x/size + y/size) & 1)) })
		fill("checkerboard, turned", func(x, y int) uint8 { return ^uint8(-((x/size + y/size) & 1)) })
	}
	for u := range 8 {
		for v := range 8 {
			for flip := range 2 {
				fill("signs of a coefficient", func(x, y int) uint8 {
					if basis[u][x%8]*basis[v][y%8] > 0 == (flip == 0) {
						return 255
					}
					return 0
				})
			}
		}
	}
	for range 2000 {
		low, high := rnd.IntN(256), rnd.IntN(256)
		slopeX, slopeY := rnd.IntN(32)-16, rnd.IntN(32)-16
		fill("0 or 255", func(x, y int) uint8 { return uint8(-rnd.IntN(2)) })
		fill("noise", func(x, y int) uint8 { return uint8(rnd.IntN(256)) })
		fill("two values", func(x, y int) uint8 { return uint8([]int{low, high}[rnd.IntN(2)]) })
		fill("slope", func(x, y int) uint8 { return uint8(min(max(low+x*slopeX+y*slopeY+rnd.IntN(9), 0), 255)) })
	}
}

func TestDCTIsExact(t *testing.T) {
	var q quantiser
	q.set(0, 100)
	var squares float64
	n := 0
	testBlocks(func(name string, pix []uint8, stride int) {
		var got [2]codedBlock
		transformPair(&got, pix, stride, &q)
		for i := range got {
			for at, want := range exactDCT(pix[8*i:], stride) {
				d := float64(got[i].coefs[at]) - want
				if math.Abs(d) > 0.70 { // 0.5 is from quantising
					t.Errorf("%s: coefficient %d is %d, want %.2f", name, at, got[i].coefs[at], want)
				}
				squares += d * d
				n++
			}
		}
	})
	if rms := math.Sqrt(squares / float64(n)); rms > 0.30 { // rounding alone: 1/sqrt(12) = 0.289
		t.Errorf("coefficients are off by %.4f", rms)
	}
}
