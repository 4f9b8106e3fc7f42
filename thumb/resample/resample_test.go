package resample

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"

	"tintype/thumb/sample"
)

var sizes = []struct {
	name  string
	src   Source
	w, h  int
	slack float64 // beyond 0.5 for the final rounding
}{
	{"photo at 3/8", whole(375, 281), 256, 192, 0.2},
	{"photo at 8/8", whole(400, 300), 256, 192, 0.2},
	{"photo at 2/8", whole(375, 250), 256, 171, 0.2},
	{"twice as small", whole(200, 150), 100, 75, 0.2},
	{"2.8 times", whole(280, 193), 100, 69, 0.2},
	{"10 times", whole(1000, 330), 100, 33, 0.5},
	{"one row", whole(301, 1), 100, 1, 0.2},
	{"one column", whole(1, 301), 1, 100, 0.2},
	{"one sample", whole(1, 1), 1, 1, 0.2},
	{"one sample to many", whole(1, 1), 9, 17, 0.2},
	{"many to one sample", whole(97, 89), 1, 1, 0.5},
	{"two samples", whole(2, 2), 3, 3, 0.2},
	{"primes", whole(211, 197), 113, 101, 0.2},
	{"odd", whole(333, 217), 201, 131, 0.2},
	{"equal", whole(123, 77), 123, 77, 0},
	{"equal width", whole(123, 77), 123, 50, 0.2},
	{"equal height", whole(123, 77), 99, 77, 0.2},
	{"slightly larger", whole(100, 75), 103, 77, 0.2},
	{"chroma a little small", whole(511, 383), 512, 384, 0.2},
	{"twice as large", whole(50, 40), 100, 80, 0.2},
	{"smaller and larger", whole(150, 40), 100, 80, 0.2},
	{"a fraction covered", Source{150, 113, 0, 0, 149.625, 112.125}, 102, 77, 0.2},
	{"odd chroma", Source{188, 141, 0, 0, 187.5, 140.5}, 128, 96, 0.2},
	{"chroma that begins half a sample before its plane", Source{170, 90, -0.5, -0.25, 170, 90}, 170, 45, 0.2},
	{"chroma that ends behind its plane", Source{188, 141, 0, 0, 187.5 * 128 / 127, 140.5 * 96 / 95}, 64, 48, 0.2},
	{"an extent as large as the result", Source{101, 76, 0, 0, 100, 75}, 100, 75, 0},
	{"narrower than a block", whole(7, 90), 5, 60, 0.2},
	{"long and thin", whole(32767, 3), 2048, 1, 0.5},
}

func TestExact(t *testing.T) {
	for _, c := range sizes {
		t.Run(c.name, func(t *testing.T) {
			for name, p := range map[string]sample.Plane{
				"random":   random(c.src.Width, c.src.Height),
				"extremes": extremes(c.src.Width, c.src.Height),
				"natural":  natural(c.src.Width, c.src.Height),
			} {
				got, want := scale(p, c.src, c.w, c.h, 16), exact(p, c.src, c.w, c.h)
				worst := 0.0
				for i, v := range want {
					worst = max(worst, math.Abs(float64(got.Pix[i])-min(max(v, 0), 255)))
				}
				if limit := 0.5 + c.slack + 1e-6; worst > limit {
					t.Errorf("%s: %.3f from exact, want at most %.3f", name, worst, limit)
				}
			}
		})
	}
}

// TestReducedRows has pictures whose rows would not all fit.
func TestReducedRows(t *testing.T) {
	for _, c := range []struct{ w, h, outW, outH int }{{12_000, 601, 100, 5}, {32767, 133, 100, 1}} {
		src := whole(c.w, c.h)
		if _, rows := src.whole().reduced(c.outH); rows == 1 {
			t.Errorf("%+v: is not reduced", c)
		}
		if need := Need(src, c.outW, c.outH); need > 30<<20 {
			t.Errorf("%+v: needs %d bytes", c, need)
		}
		p := natural(c.w, c.h)
		got, want := scale(p, src, c.outW, c.outH, 16), exact(p, src, c.outW, c.outH)
		for i, v := range want {
			if d := math.Abs(float64(got.Pix[i]) - v); d > 3 {
				t.Errorf("%+v: sample %d is %d, want %.2f", c, i, got.Pix[i], v)
			}
		}
	}
}

func TestHugeShrink(t *testing.T) {
	for _, c := range []struct{ w, h, outW, outH int }{{4000, 1200, 7, 2}, {1, 32767, 1, 1}, {32767, 1, 10, 1}} {
		p := natural(c.w, c.h)
		got, want := scale(p, whole(c.w, c.h), c.outW, c.outH, 16), exact(p, whole(c.w, c.h), c.outW, c.outH)
		for i, v := range want {
			if d := math.Abs(float64(got.Pix[i]) - v); d > 1 {
				t.Errorf("%+v: sample %d is %d, want %.2f", c, i, got.Pix[i], v)
			}
		}
	}
}

func TestFlatStaysFlat(t *testing.T) {
	for _, c := range sizes {
		for _, level := range []uint8{0, 1, 127, 254, 255} {
			p := paint(c.src.Width, c.src.Height, func(_, _ int) float64 { return float64(level) })
			got := scale(p, c.src, c.w, c.h, 16)
			if bytes.Count(got.Pix, []byte{level}) != len(got.Pix) {
				t.Errorf("%s: level %d does not stay", c.name, level)
			}
		}
	}
}

func TestSymmetricStaysSymmetric(t *testing.T) {
	for _, c := range sizes {
		if c.src.ExtentX != 0 {
			continue // covered in part, a plane is not centred
		}
		w, h := c.src.Width, c.src.Height
		r := random(w, h)
		p := paint(w, h, func(x, y int) float64 { return float64(r.Pix[min(y, h-1-y)*w+min(x, w-1-x)]) })
		got := scale(p, c.src, c.w, c.h, 16)
		for _, o := range []int{2, 3, 4} {
			if !bytes.Equal(got.Pix, turned(got, o).Pix) {
				t.Errorf("%s: not its mirror image of orientation %d", c.name, o)
			}
		}
	}
}

// TestRamp is on linear slopes, which a filter without a shift keeps; near edges they end, and the filter sees that.
func TestRamp(t *testing.T) {
	for _, c := range sizes {
		src := c.src.whole()
		sx, sy := src.ExtentX/float64(c.w), src.ExtentY/float64(c.h)
		gx, gy := 150/float64(src.Width), 100/float64(src.Height)
		p := paint(src.Width, src.Height, func(x, y int) float64 { return gx*(float64(x)+0.5) + gy*(float64(y)+0.5) })
		got := scale(p, c.src, c.w, c.h, 16)
		edgeX, edgeY := int(3*max(1, 1/sx))+1, int(3*max(1, 1/sy))+1
		for y := edgeY; y < c.h-edgeY; y++ {
			for x := edgeX; x < c.w-edgeX; x++ {
				want := gx*(src.X+(float64(x)+0.5)*sx) + gy*(src.Y+(float64(y)+0.5)*sy)
				if d := float64(got.Pix[y*c.w+x]) - want; math.Abs(d) > 1.01 {
					t.Fatalf("%s: (%d,%d) is %d, want %.2f", c.name, x, y, got.Pix[y*c.w+x], want)
				}
			}
		}
	}
}

// TestShift compares waves, long enough to pass the filter, with the same waves painted at the size of the result: where they
// match best tells how far the result is shifted.
func TestShift(t *testing.T) {
	for _, c := range sizes {
		src := c.src.whole()
		if c.w < 40 || c.h < 40 {
			continue
		}
		sx, sy := src.ExtentX/float64(c.w), src.ExtentY/float64(c.h)
		wave := func(u, v float64) float64 { // of the place in the result, corner 0, 0
			return 128 + 50*math.Sin(u/3.1+0.5) + 50*math.Cos(v/2.9)
		}
		p := paint(src.Width, src.Height, func(x, y int) float64 { return wave((float64(x)+0.5-src.X)/sx, (float64(y)+0.5-src.Y)/sy) })
		got := scale(p, c.src, c.w, c.h, 16)
		distance := func(dx, dy float64) (sum float64) {
			for y := 6; y < c.h-6; y++ {
				for x := 6; x < c.w-6; x++ {
					d := float64(got.Pix[y*c.w+x]) - wave(float64(x)+0.5+dx, float64(y)+0.5+dy)
					sum += d * d
				}
			}
			return sum
		}
		here := distance(0, 0)
		for _, d := range [][2]float64{{0.02, 0}, {-0.02, 0}, {0, 0.02}, {0, -0.02}} {
			if there := distance(d[0], d[1]); there <= here {
				t.Errorf("%s: matches better %v of a sample away: %.0f, %.0f in place", c.name, d, there, here)
			}
		}
	}
}

func TestOrientation(t *testing.T) {
	for _, c := range sizes {
		p := random(c.src.Width, c.src.Height)
		upright := scale(p, c.src, c.w, c.h, 16)
		for o := 1; o <= 8; o++ {
			want := turned(upright, o)
			const gap = 3 // which must stay as it is
			dst := sample.Plane{Pix: bytes.Repeat([]byte{99}, (want.Width+gap)*want.Height), Stride: want.Width + gap, Width: want.Width, Height: want.Height}
			feed(New(c.src, c.w, c.h, o, dst), p, 16)
			for y := range want.Height {
				row := dst.Pix[y*dst.Stride:][:dst.Stride]
				if !bytes.Equal(row[:want.Width], want.Pix[y*want.Stride:][:want.Width]) {
					t.Fatalf("%s, orientation %d: row %d differs from resizing first and turning then", c.name, o, y)
				}
				if !bytes.Equal(row[want.Width:], []byte{99, 99, 99}) {
					t.Fatalf("%s, orientation %d: row %d wrote beyond its end", c.name, o, y)
				}
			}
		}
	}
	p := random(30, 20)
	for _, o := range []int{-1, 0, 9} {
		dst := sample.New(20, 13)
		feed(New(whole(30, 20), 20, 13, o, dst), p, 20)
		if !bytes.Equal(dst.Pix, scale(p, whole(30, 20), 20, 13, 20).Pix) {
			t.Errorf("orientation %d is not upright", o)
		}
	}
}

func TestBands(t *testing.T) {
	for _, c := range sizes {
		p := random(c.src.Width, c.src.Height)
		want := scale(p, c.src, c.w, c.h, p.Height)
		for _, band := range []int{1, 2, 7, 16} {
			if !bytes.Equal(scale(p, c.src, c.w, c.h, band).Pix, want.Pix) {
				t.Errorf("%s: bands of %d rows give other bytes than one", c.name, band)
			}
		}
	}
}

// A decoder's last band has whole blocks, and the decoder writes the next band where the last one was.
func TestBandsOfBlocks(t *testing.T) {
	const w, h, block = 203, 149, 5 // odd: a row waits for the next band
	p := random(w, h)
	dst := sample.New(120, 88)
	r := New(whole(w, h), 120, 88, 1, dst)
	band := sample.New(208, block)
	for y := 0; y < h; y += block {
		for i := range band.Pix {
			band.Pix[i] = uint8(i * 77)
		}
		for i := range min(block, h-y) {
			copy(band.Pix[i*band.Stride:], p.Pix[(y+i)*w:][:w])
		}
		r.Rows(y, band)
	}
	if !bytes.Equal(dst.Pix, scale(p, whole(w, h), 120, 88, h).Pix) {
		t.Error("what lies beyond the picture in a block shows")
	}
}

func TestConcurrent(t *testing.T) {
	want := make([]sample.Plane, len(sizes))
	for i, c := range sizes {
		want[i] = scale(random(c.src.Width, c.src.Height), c.src, c.w, c.h, 16)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i, c := range sizes {
				if got := scale(random(c.src.Width, c.src.Height), c.src, c.w, c.h, 16); !bytes.Equal(got.Pix, want[i].Pix) {
					t.Errorf("%s: other bytes when several run", c.name)
				}
			}
		})
	}
	wg.Wait()
}

func TestPanics(t *testing.T) {
	good := sample.New(20, 10)
	for name, f := range map[string]func(){
		"no width":                 func() { New(whole(0, 10), 20, 10, 1, good) },
		"too high":                 func() { New(whole(10, 65536), 20, 10, 1, good) },
		"target of no height":      func() { New(whole(30, 30), 20, 0, 1, good) },
		"target too wide":          func() { New(whole(30, 30), 65536, 10, 1, sample.New(65536, 10)) },
		"extent far over the edge": func() { New(Source{30, 30, 0, 0, 60.5, 30}, 20, 10, 1, good) },
		"beginning far before it":  func() { New(Source{30, 30, -31, 0, 30, 30}, 20, 10, 1, good) },
		"extent below 0":           func() { New(Source{30, 30, 0, 0, -1, 30}, 20, 10, 1, good) },
		"extent not a number":      func() { New(Source{30, 30, 0, 0, math.NaN(), 30}, 20, 10, 1, good) },
		"dst of another size":      func() { New(whole(30, 30), 20, 11, 1, good) },
		"dst not turned":           func() { New(whole(30, 30), 20, 10, 6, good) },
		"dst too short": func() {
			New(whole(30, 30), 20, 10, 1, sample.Plane{Pix: good.Pix[1:], Stride: 20, Width: 20, Height: 10})
		},
		"rows skipped":             func() { New(whole(30, 30), 20, 10, 1, good).Rows(1, sample.New(30, 1)) },
		"memory of what cannot be": func() { Need(whole(0, 0), 1, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestNeed(t *testing.T) {
	for _, c := range sizes {
		dst := sample.New(c.w, c.h)
		forget()
		var before, after runtime.MemStats
		runtime.GC() // twice: the second empties what the first spares of a pool
		runtime.GC()
		runtime.ReadMemStats(&before)
		New(c.src, c.w, c.h, 2, dst)
		runtime.ReadMemStats(&after)
		const slack = 8192 // of structs, the cache and what the allocator rounds up
		got, limit := int64(after.TotalAlloc-before.TotalAlloc), Need(c.src, c.w, c.h)
		if got > limit+limit/8+slack {
			t.Errorf("%s: takes %d bytes, Need says %d", c.name, got, limit)
		}
	}
}

func forget() {
	axes.Lock()
	defer axes.Unlock()
	axes.recent = nil
}

func Example() {
	// A decoder makes bands of 16 rows, of 64 samples of which the picture covers 60.5.
	src := Source{Width: 61, Height: 48, ExtentX: 60.5, ExtentY: 48}
	dst := sample.Plane{Pix: make([]uint8, 32*40), Stride: 32, Width: 32, Height: 40}
	r := New(src, 40, 32, 6, dst)
	band := sample.Plane{Pix: bytes.Repeat([]uint8{200}, 16*64), Stride: 64, Width: 64, Height: 16}
	for y := 0; y < src.Height; y += 16 {
		r.Rows(y, band)
	}
	fmt.Println(dst.Pix[0], dst.Pix[len(dst.Pix)-1])
	// Output: 200 200
}
