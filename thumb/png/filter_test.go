package png

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// unfilterPlainly is the text of the specification.
func unfilterPlainly(filter uint8, pixel int, above, src []byte) []byte {
	dst := make([]byte, len(src))
	for i := range src {
		a, b, c := 0, int(above[i]), 0
		if i >= pixel {
			a, c = int(dst[i-pixel]), int(above[i-pixel])
		}
		guess := 0
		switch filter {
		case filterSub:
			guess = a
		case filterUp:
			guess = b
		case filterAverage:
			guess = (a + b) / 2
		case filterPaeth:
			guess = nearest(a, b, c)
		}
		dst[i] = src[i] + uint8(guess)
	}
	return dst
}

func nearest(a, b, c int) int {
	p := a + b - c
	pa, pb, pc := max(p-a, a-p), max(p-b, b-p), max(p-c, c-p)
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

// bytesOf returns n bytes, all random, or few values, or most at the ends of what a byte can be.
func bytesOf(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	kind := rnd.IntN(3)
	for i := range b {
		v := rnd.Uint32()
		switch kind {
		case 0:
			b[i] = uint8(v)
		case 1:
			b[i] = uint8(100 + v%4)
		case 2:
			b[i] = []uint8{0, 1, 2, 127, 128, 253, 254, 255}[v%8]
		}
	}
	return b
}

// TestUnfilter has pixels of every size and rows that end anywhere in a vector.
func TestUnfilter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, pixel := range []int{1, 2, 3, 4, 6, 8} {
		for filter := uint8(filterNone); filter <= filterPaeth; filter++ {
			for n := 1; n <= 2000; n += 1 + n/100 {
				above, src, dst := bytesOf(rnd, n), bytesOf(rnd, n), bytesOf(rnd, n+rowSlack)
				want := unfilterPlainly(filter, pixel, above, src)
				if !unfilter(filter, pixel, dst, above, src) || !bytes.Equal(dst[:n], want) {
					t.Fatalf("filter %d, pixels of %d bytes, row of %d: other bytes", filter, pixel, n)
				}
			}
		}
	}
}

// TestPaeth has all bytes before a pixel, above it and above the one before it: every other pixel is there to be these.
func TestPaeth(t *testing.T) {
	const pixel, n = 3, 256 * 2 * 3
	above, src, want, dst := make([]byte, n), make([]byte, n), make([]byte, n), make([]byte, n+rowSlack)
	predict := func(at int) uint8 {
		if at < pixel {
			return above[at]
		}
		return uint8(nearest(int(want[at-pixel]), int(above[at]), int(above[at-pixel])))
	}
	for corner := range 256 {
		for left := 0; left < 256; left += pixel {
			for at := range n {
				k, up := at%pixel, at/(2*pixel)
				if at/pixel%2 == 0 {
					above[at], want[at] = uint8(corner), uint8(left+k)
					src[at] = want[at] - predict(at)
				} else {
					above[at], src[at] = uint8(up), 0
					want[at] = predict(at)
				}
			}
			if unfilter(filterPaeth, pixel, dst, above, src); !bytes.Equal(dst[:n], want) {
				t.Fatalf("before the pixel %d, above that %d: other bytes", left, corner)
			}
		}
	}
}
