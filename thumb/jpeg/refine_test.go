package jpeg

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCorrectionTakesMoreBitsThanARefill(t *testing.T) {
	s := newShape(8)
	a := acBand{shape: &s, low: 1}
	r := bitReader{buf: new(bitBuffer)}
	for i := range r.buf {
		r.buf[i] = 0xa5
	}
	for round := range 2 { // the second begins within a byte
		values := [64]int16(slices.Repeat([]int16{-4}, 64))
		a.move(&values, math.MaxUint64&^1, r.gather(0, 63)<<1)
		for k := 1; k < 64; k++ {
			want := int16(-4)
			if 0xa5>>(7-(63*round+k-1)%8)&1 == 1 {
				want = -6
			}
			if got := values[s.slot[k]]; got != want {
				t.Errorf("round %d: coefficient %d is %d, want %d", round, k, got, want)
			}
		}
	}
	if got := r.pos*8 - r.n; got != 2*63 {
		t.Errorf("took %d bits, want %d", got, 2*63)
	}
}

func TestFindZeros(t *testing.T) {
	a := acBand{mask: math.MaxUint64 &^ 1}
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, old := range []uint64{0, 1 << 1, 1 << 63, a.mask, rnd.Uint64(), rnd.Uint64() & rnd.Uint64()} {
		a.findZeros(old)
		i := 0
		for k := uint8(1); k < 64; k++ {
			if old>>k&1 == 0 {
				if a.zeros[i] != k {
					t.Errorf("old %#x: zero %d is %d, want %d", old, i, a.zeros[i], k)
				}
				i++
			}
		}
		for _, v := range a.zeros[i:][:16] {
			if v != noZero {
				t.Errorf("old %#x: %d behind the last zero", old, v)
			}
		}
	}
}
