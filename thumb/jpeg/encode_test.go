package jpeg

import (
	"bytes"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"tintype/thumb/sample"
)

// layouts are the kinds of pictures that Encode takes.
var layouts = []string{"gray", "4:2:0", "4:4:4"}

// testPlanes returns planes of w x h pixels with a slope, an edge and a little noise in each. Their strides are wider than they are,
// and what is between has a value that would be seen.
func testPlanes(layout string, w, h int, rnd *rand.Rand) []sample.Plane {
	return fillPlanes(layout, w, h, func(i, x, y int) uint8 {
		v := 40 + 60*i + 3*x + 2*y + rnd.IntN(5)
		if x+y > 20 {
			v += 50
		}
		return uint8(min(v, 255))
	})
}

func fillPlanes(layout string, w, h int, value func(plane, x, y int) uint8) []sample.Plane {
	sizes := []image.Point{{w, h}, {w, h}, {w, h}}
	switch layout {
	case "gray":
		sizes = sizes[:1]
	case "4:2:0":
		half := image.Pt((w+1)/2, (h+1)/2)
		sizes[1], sizes[2] = half, half
	}
	var planes []sample.Plane
	for i, s := range sizes {
		stride := s.X + 5
		p := sample.Plane{Pix: bytes.Repeat([]uint8{255}, stride*(s.Y-1)+s.X), Stride: stride, Width: s.X, Height: s.Y}
		for y := range s.Y {
			for x := range s.X {
				p.Pix[y*stride+x] = value(i, x, y)
			}
		}
		planes = append(planes, p)
	}
	return planes
}

// decodePlanes returns the planes that image/jpeg finds in data.
func decodePlanes(t testing.TB, data []byte) []sample.Plane {
	t.Helper()
	m, err := stdjpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("image/jpeg refuses it: %v", err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.Gray:
		return []sample.Plane{{Pix: m.Pix, Stride: m.Stride, Width: w, Height: h}}
	case *image.YCbCr:
		cw, ch := w, h
		if m.SubsampleRatio == image.YCbCrSubsampleRatio420 {
			cw, ch = (w+1)/2, (h+1)/2
		}
		return []sample.Plane{{Pix: m.Y, Stride: m.YStride, Width: w, Height: h}, {Pix: m.Cb, Stride: m.CStride, Width: cw, Height: ch}, {Pix: m.Cr, Stride: m.CStride, Width: cw, Height: ch}}
	}
	t.Fatalf("image/jpeg finds a %T", m)
	return nil
}

func mustEncode(t testing.TB, w, h int, planes []sample.Plane, quality int) []byte {
	t.Helper()
	data, err := Encode(nil, w, h, planes, quality)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// maxError is how far a sample may be off when each coefficient is off by half a step, and a little for the rounding of two
// transforms. Such a sample would need all 64 to conspire.
func maxError(table, quality int) float64 {
	var q quantiser
	q.set(table, quality)
	var sum float64
	for at, step := range q.steps {
		scale := 0.25
		if at/8 == 0 {
			scale *= math.Sqrt2 / 2
		}
		if at%8 == 0 {
			scale *= math.Sqrt2 / 2
		}
		sum += scale * float64(step) / 2
	}
	return sum + 2
}

// meanError is how far samples may be off as a root of the mean square: a coefficient is off by half a step at most, and the DCT
// keeps squares.
func meanError(table, quality int) float64 {
	var q quantiser
	q.set(table, quality)
	var sum float64
	for _, step := range q.steps {
		sum += float64(step) * float64(step) / 4
	}
	return math.Sqrt(sum/64) + 0.5
}

func comparePlanes(got, want []sample.Plane, quality int) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d planes, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Width != w.Width || g.Height != w.Height {
			return fmt.Errorf("plane %d is %d x %d, want %d x %d", i, g.Width, g.Height, w.Width, w.Height)
		}
		limit := maxError(min(i, 1), quality)
		var squares float64
		for y := range g.Height {
			for x := range g.Width {
				g, w := g.Pix[y*g.Stride+x], w.Pix[y*w.Stride+x]
				d := float64(g) - float64(w)
				if math.Abs(d) > limit {
					return fmt.Errorf("plane %d at %d, %d: got %d, want %d give or take %.1f", i, x, y, g, w, limit)
				}
				squares += d * d
			}
		}
		// a block's error may be all in the few pixels that are shown of it
		if g.Width%8 != 0 || g.Height%8 != 0 {
			continue
		}
		rms := math.Sqrt(squares / float64(g.Width*g.Height))
		if limit := meanError(min(i, 1), quality); rms > limit {
			return fmt.Errorf("plane %d is off by %.2f, want at most %.2f", i, rms, limit)
		}
	}
	return nil
}

func TestDecodedPictureIsThePicture(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, layout := range layouts {
		for w := 1; w <= 40; w++ {
			for h := 1; h <= 40; h++ {
				planes := testPlanes(layout, w, h, rnd)
				if layout == "4:2:0" && w == 1 && h == 1 {
					continue // the same as 4:4:4
				}
				for _, quality := range []int{1, 50, 80, 100} {
					data := mustEncode(t, w, h, planes, quality)
					if err := comparePlanes(decodePlanes(t, data), planes, quality); err != nil {
						t.Fatalf("%s, %d x %d, quality %d: %v", layout, w, h, quality, err)
					}
				}
			}
		}
	}
}

// TestExtremePictures has the largest coefficients there are.
func TestExtremePictures(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	samples := map[string]func(i, x, y int) uint8{
		"black":            func(i, x, y int) uint8 { return 0 },
		"white":            func(i, x, y int) uint8 { return 255 },
		"pixels of a grid": func(i, x, y int) uint8 { return uint8(-((x + y) & 1)) },
		"blocks of a grid": func(i, x, y int) uint8 { return uint8(-((x/8 + y/8) & 1)) },
		"columns":          func(i, x, y int) uint8 { return uint8(-(x & 1)) },
		"rows":             func(i, x, y int) uint8 { return uint8(-(y & 1)) },
		"0 or 255":         func(i, x, y int) uint8 { return uint8(-rnd.IntN(2)) },
		"noise":            func(i, x, y int) uint8 { return uint8(rnd.IntN(256)) },
		"one spot":         func(i, x, y int) uint8 { return uint8(-(((x%8 + y%8) + 13) / 14 & 1)) },
		"signs of the highest frequency": func(i, x, y int) uint8 {
			if math.Cos(float64(2*x+1)*7*math.Pi/16)*math.Cos(float64(2*y+1)*7*math.Pi/16) > 0 {
				return 255
			}
			return 0
		},
	}
	for name, sample := range samples {
		for _, layout := range layouts {
			for _, quality := range []int{1, 80, 100} {
				planes := fillPlanes(layout, 128, 96, sample)
				data := mustEncode(t, 128, 96, planes, quality)
				if err := comparePlanes(decodePlanes(t, data), planes, quality); err != nil {
					t.Errorf("%s, %s, quality %d: %v", name, layout, quality, err)
				}
			}
		}
	}
}

func TestEncodeAppendsAndKeeps(t *testing.T) {
	planes := testPlanes("4:2:0", 33, 21, rand.New(rand.NewPCG(7, 8)))
	want := mustEncode(t, 33, 21, planes, 80)
	got, err := Encode([]byte("before"), 33, 21, planes, 80)
	if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Errorf("not appended, or another file: %v", err)
	}
}

// TestEdgesOfAFlatPicture compares it with a picture of whole blocks: what lies beyond the edge must be as flat, and not what is left
// of another picture.
func TestEdgesOfAFlatPicture(t *testing.T) {
	rnd := rand.New(rand.NewPCG(19, 20))
	e := new(encoder)
	tokens := func(w, h int, planes []sample.Plane) []token {
		e.begin(w, h, planes, 80)
		defer e.forget()
		for y := range e.mcuRows {
			e.encodeRow(y)
		}
		return slices.Concat(e.tokens...)
	}
	flat := func(layout string, w, h int) []token {
		tokens(48, 48, fillPlanes(layout, 48, 48, func(i, x, y int) uint8 { return uint8(rnd.IntN(256)) }))
		return tokens(w, h, fillPlanes(layout, w, h, func(i, x, y int) uint8 { return uint8(200 - 50*i) }))
	}
	for _, layout := range layouts {
		unit := 8
		if layout == "4:2:0" {
			unit = 16
		}
		for w := 2; w <= 40; w++ {
			for h := 2; h <= 40; h++ {
				if !slices.Equal(flat(layout, w, h), flat(layout, unit*ceilDiv(w, unit), unit*ceilDiv(h, unit))) {
					t.Fatalf("%s, %d x %d: not flat", layout, w, h)
				}
			}
		}
	}
}

func TestEncodeConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		planes := testPlanes(layouts[i%len(layouts)], 50+20*i, 90-10*i, rand.New(rand.NewPCG(17, uint64(i))))
		want := mustEncode(t, 50+20*i, 90-10*i, planes, 80)
		wg.Go(func() {
			for range 20 {
				got, err := Encode(nil, 50+20*i, 90-10*i, planes, 80)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("picture %d becomes another: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestEncodeRefuses(t *testing.T) {
	p := func(w, h int) sample.Plane { return sample.New(w, h) }
	for name, c := range map[string]struct {
		w, h, quality int
		planes        []sample.Plane
	}{
		"no pixels":                       {0, 8, 80, []sample.Plane{p(0, 8)}},
		"a negative height":               {8, -8, 80, []sample.Plane{p(8, 8)}},
		"more than a header can say":      {65536, 1, 80, []sample.Plane{p(65536, 1)}},
		"quality 0":                       {8, 8, 0, []sample.Plane{p(8, 8)}},
		"quality 101":                     {8, 8, 101, []sample.Plane{p(8, 8)}},
		"no planes":                       {8, 8, 80, nil},
		"two planes":                      {8, 8, 80, []sample.Plane{p(8, 8), p(8, 8)}},
		"a smaller first plane":           {8, 8, 80, []sample.Plane{p(8, 7)}},
		"half a first plane":              {8, 8, 80, []sample.Plane{p(4, 4), p(4, 4), p(4, 4)}},
		"chroma of 4:2:2":                 {8, 8, 80, []sample.Plane{p(8, 8), p(4, 8), p(4, 8)}},
		"chroma rounded down":             {9, 9, 80, []sample.Plane{p(9, 9), p(4, 4), p(4, 4)}},
		"chroma of two sizes":             {8, 8, 80, []sample.Plane{p(8, 8), p(4, 4), p(8, 8)}},
		"chroma of two sizes, other way":  {8, 8, 80, []sample.Plane{p(8, 8), p(8, 8), p(4, 4)}},
		"a stride shorter than the width": {8, 8, 80, []sample.Plane{{Pix: make([]uint8, 64), Stride: 7, Width: 8, Height: 8}}},
		"a sample too few":                {8, 8, 80, []sample.Plane{{Pix: make([]uint8, 63), Stride: 8, Width: 8, Height: 8}}},
	} {
		dst := []byte{1, 2}
		got, err := Encode(dst, c.w, c.h, c.planes, c.quality)
		if err == nil || !bytes.Equal(got, dst) {
			t.Errorf("%s: error %v and %d bytes, want an error and the 2 there were", name, err, len(got))
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(uint8(16), uint8(16), uint8(80), uint8(1), []byte{0, 255, 3})
	f.Add(uint8(1), uint8(200), uint8(100), uint8(0), []byte{255})
	f.Add(uint8(33), uint8(7), uint8(1), uint8(2), []byte("noise"))
	f.Fuzz(func(t *testing.T, w, h, quality, layout uint8, pix []byte) {
		width, height, q := int(w)+1, int(h)+1, int(quality)%100+1
		at := 0
		planes := fillPlanes(layouts[int(layout)%len(layouts)], width, height, func(i, x, y int) uint8 {
			if len(pix) == 0 {
				return 0
			}
			at++
			return pix[at%len(pix)] ^ uint8(at/len(pix)*37)
		})
		data, err := Encode(nil, width, height, planes, q)
		if err != nil {
			t.Fatal(err)
		}
		got := decodePlanes(t, data)
		if err := comparePlanes(got, planes, q); err != nil {
			t.Error(err)
		}
	})
}
