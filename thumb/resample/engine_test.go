package resample

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"tintype/thumb/sample"
)

// sameBytes fails t unless the engines give the bytes of plain arithmetic.
func sameBytes(t *testing.T, p sample.Plane, src Source, w, h int) {
	t.Helper()
	want := plainly(p, src, w, h)
	for name, f := range map[string]func(int, *axis, *axis) engine{"fastest": newEngine, "portable": newPortable} {
		got := sample.New(w, h)
		feed(newResizer(src, w, h, 1, got, f), p, 16)
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("%+v to %dx%d: %s engine differs from plain arithmetic", src, w, h, name)
		}
	}
}

// plainly scales p with the weights and the rounding of the engines, one sample after the other, and checks that nothing overflows.
func plainly(p sample.Plane, src Source, w, h int) sample.Plane {
	src = src.whole()
	down, across := newAxis(geometry{src.Height, src.Y, src.ExtentY, h}), newAxis(geometry{src.Width, src.X, src.ExtentX, w})
	tall := make([]int, src.Width)
	out := sample.New(w, h)
	dot := func(a *axis, i, shift int, sample func(int) int) int {
		sum := 1 << (shift - 1)
		for t, k := range a.taps(i) {
			if k != 0 {
				sum += int(k) * sample(2*int(a.first[i])+t)
			}
		}
		if sum != int(int32(sum)) {
			panic("more than 32 bits")
		}
		return sum >> shift
	}
	for y := range h {
		for x := range tall {
			tall[x] = dot(down, y, downShift, func(i int) int { return int(p.Pix[i*p.Stride+x]) })
			if tall[x] != int(int16(tall[x])) {
				panic("more than 16 bits")
			}
		}
		for x := range w {
			out.Pix[y*w+x] = uint8(min(max(dot(across, x, acrossShift, func(i int) int { return tall[i] }), 0), 255))
		}
	}
	return out
}

// TestHalves has sums where what is borrowed decides.
func TestHalves(t *testing.T) {
	for _, s := range []int64{-1 << 30, -1, 0, 1, 1 << 28} {
		for _, u := range []int64{-1 << 30, -1, 0, 7 << 20, 7<<20 - 1} {
			a, b := halves(s + u<<32)
			if a != clamp(int32(s)>>acrossShift) || b != clamp(int32(u)>>acrossShift) {
				t.Errorf("halves of %d and %d are %d and %d", s, u, a, b)
			}
		}
	}
}

func TestEngines(t *testing.T) {
	for _, c := range sizes {
		sameBytes(t, random(c.src.Width, c.src.Height), c.src, c.w, c.h)
		sameBytes(t, extremes(c.src.Width, c.src.Height), c.src, c.w, c.h)
	}
	for w := 1; w < 70; w++ { // each rest of a tile and of a group
		sameBytes(t, extremes(w, 9), whole(w, 9), 70-w, 5+w%8)
	}
}

func FuzzEngines(f *testing.F) {
	f.Add(uint16(375), uint16(281), uint16(256), uint16(192), uint8(0), uint64(1))
	f.Add(uint16(1), uint16(1), uint16(1), uint16(2), uint8(255), uint64(2))
	f.Fuzz(func(t *testing.T, sw, sh, w, h uint16, part uint8, seed uint64) {
		src := whole(1+int(sw)%500, 1+int(sh)%300)
		src.ExtentX = float64(src.Width) - float64(part)/300
		src.ExtentY = float64(src.Height) - float64(part)/257
		p := sample.New(src.Width, src.Height)
		rng := rand.New(rand.NewPCG(seed, 0))
		for i := range p.Pix {
			p.Pix[i] = uint8(rng.Uint32())
			if seed%2 == 0 {
				p.Pix[i] = uint8(int8(p.Pix[i]) >> 7) // black or white
			}
		}
		sameBytes(t, p, src, 1+int(w)%400, 1+int(h)%300)
	})
}
