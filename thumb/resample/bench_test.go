package resample

import (
	"testing"

	"tintype/thumb/sample"
)

var pictures = []struct {
	name   string
	planes []struct{ sw, sh, w, h int }
}{
	{"12MP_at_3of8", []struct{ sw, sh, w, h int }{{1500, 1125, 1024, 768}, {750, 563, 512, 384}, {750, 563, 512, 384}}},
	{"2MP_at_8of8", []struct{ sw, sh, w, h int }{{1600, 1200, 1024, 768}, {800, 600, 512, 384}, {800, 600, 512, 384}}},
	{"24MP_at_2of8", []struct{ sw, sh, w, h int }{{1500, 1000, 1024, 683}, {750, 500, 512, 342}, {750, 500, 512, 342}}},
}

// BenchmarkResize scales the three planes of a photograph in bands of 6 rows, as decoding at 3/8 makes them.
func BenchmarkResize(b *testing.B) {
	for _, engine := range []struct {
		name string
		new  func(int, *axis, *axis) engine
	}{{"fastest", newEngine}, {"portable", newPortable}} {
		for _, pic := range pictures {
			b.Run(engine.name+"/"+pic.name, func(b *testing.B) { benchmark(b, pic.planes, 1, engine.new) })
		}
	}
	b.Run("fastest/turned", func(b *testing.B) { benchmark(b, pictures[0].planes, 6, newEngine) })
}

func benchmark(b *testing.B, planes []struct{ sw, sh, w, h int }, orientation int, f func(int, *axis, *axis) engine) {
	src, dst := make([]sample.Plane, len(planes)), make([]sample.Plane, len(planes))
	for i, p := range planes {
		src[i], dst[i] = natural(p.sw, p.sh), sample.New(p.w, p.h)
		if orientation >= 5 {
			dst[i] = sample.New(p.h, p.w)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, p := range planes {
			feed(newResizer(whole(p.sw, p.sh), p.w, p.h, orientation, dst[i], f), src[i], 6)
		}
	}
}

func BenchmarkWeights(b *testing.B) {
	for b.Loop() {
		newAxis(geometry{1500, 0, 1500, 1024})
	}
}
