package resample

import (
	"math"
	"math/rand/v2"

	"tintype/thumb/sample"
)

// whole is a source without fractions.
func whole(w, h int) Source { return Source{Width: w, Height: h} }

// paint returns a plane whose samples are f of their place, clamped.
func paint(w, h int, f func(x, y int) float64) sample.Plane {
	p := sample.New(w, h)
	for y := range h {
		for x := range w {
			p.Pix[y*w+x] = uint8(math.Round(min(max(f(x, y), 0), 255)))
		}
	}
	return p
}

func random(w, h int) sample.Plane {
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	return paint(w, h, func(_, _ int) float64 { return float64(rng.IntN(256)) })
}

// extremes is black and white only: what overshoots most.
func extremes(w, h int) sample.Plane {
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	return paint(w, h, func(_, _ int) float64 { return float64(255 * rng.IntN(2)) })
}

// natural has what photographs have: slopes, edges, texture and a little noise.
func natural(w, h int) sample.Plane {
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	return paint(w, h, func(x, y int) float64 {
		u, v := float64(x), float64(y)
		s := 120 + 60*math.Sin(u/37+v/53) + 40*math.Sin(u*v/900)
		if math.Hypot(u-float64(w)/3, v-float64(h)/2) < float64(min(w, h))/5 {
			s += 90
		}
		return s + 6*rng.NormFloat64()
	})
}

// exact scales p in floating point, not rounded and not clamped. It is written from the definition, and shares nothing with the
// package.
func exact(p sample.Plane, src Source, w, h int) []float64 {
	if src.ExtentX == 0 {
		src.ExtentX, src.ExtentY = float64(src.Width), float64(src.Height)
	}
	tall := make([]float64, h*p.Width)
	for y := range h {
		kernel(src.Y, src.ExtentY, h, y, p.Height, func(from int, weight float64) {
			for x := range p.Width {
				tall[y*p.Width+x] += weight * float64(p.Pix[from*p.Stride+x])
			}
		})
	}
	out := make([]float64, h*w)
	for x := range w {
		kernel(src.X, src.ExtentX, w, x, p.Width, func(from int, weight float64) {
			for y := range h {
				out[y*w+x] += weight * tall[y*p.Width+from]
			}
		})
	}
	return out
}

// kernel calls add for each sample of a side that counts for sample i of size.
func kernel(origin, extent float64, size, i, side int, add func(from int, weight float64)) {
	scale := extent / float64(size)
	at := origin + (float64(i)+0.5)*scale
	wide := math.Max(1, scale)
	sinc := func(x float64) float64 {
		if x == 0 {
			return 1
		}
		return math.Sin(math.Pi*x) / (math.Pi * x)
	}
	for pass, sum := 0, 0.0; pass < 2; pass++ {
		for s := int(math.Floor(at-3*wide)) - 2; s <= int(at+3*wide)+2; s++ {
			d := (float64(s) + 0.5 - at) / wide
			if math.Abs(d) >= 3 {
				continue
			}
			weight := sinc(d) * sinc(d/3)
			if pass == 0 {
				sum += weight
			} else {
				add(min(max(s, 0), side-1), weight/sum)
			}
		}
	}
}

// turned returns p, which is stored as EXIF orientation o, upright.
func turned(p sample.Plane, o int) sample.Plane {
	w, h := p.Width, p.Height
	at := func(x, y int) uint8 { return p.Pix[y*p.Stride+x] }
	outW, outH := w, h
	if o >= 5 {
		outW, outH = h, w
	}
	return paint(outW, outH, func(x, y int) float64 {
		return float64([]func() uint8{
			1: func() uint8 { return at(x, y) },
			2: func() uint8 { return at(w-1-x, y) },
			3: func() uint8 { return at(w-1-x, h-1-y) },
			4: func() uint8 { return at(x, h-1-y) },
			5: func() uint8 { return at(y, x) },
			6: func() uint8 { return at(y, h-1-x) },
			7: func() uint8 { return at(w-1-y, h-1-x) },
			8: func() uint8 { return at(w-1-y, x) },
		}[o]())
	})
}

// scale scales p upright in bands of so many rows.
func scale(p sample.Plane, src Source, w, h, band int) sample.Plane {
	dst := sample.New(w, h)
	feed(New(src, w, h, 1, dst), p, band)
	return dst
}

func feed(r *Resizer, p sample.Plane, band int) {
	for y := 0; y < p.Height; y += band {
		r.Rows(y, sample.Plane{Pix: p.Pix[y*p.Stride:], Stride: p.Stride, Width: p.Width, Height: min(band, p.Height-y)})
	}
}
