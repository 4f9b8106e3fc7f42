package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tintype/thumb/sample"
)

func noCheck() error { return nil }

// files returns the test pictures by name.
func files(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	found := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(name)] = data
	}
	return found
}

// decodeAll decodes data into whole planes, and holds the bands against what Decode promises of them.
func decodeAll(data []byte, n int) (*Picture, []sample.Plane, error) {
	p, err := Parse(data)
	if err != nil {
		return nil, nil, err
	}
	if p.Width*p.Height > 1<<24 {
		return nil, nil, errTooLarge
	}
	planes := make([]sample.Plane, len(p.Components))
	for c := range planes {
		s := p.Size(c, n)
		planes[c] = sample.Plane{Pix: make([]uint8, 0, s.Width*s.Height), Stride: s.Width, Width: s.Width}
	}
	err = p.Decode(n, noCheck, func(c, y int, band sample.Plane) error {
		whole := &planes[c]
		if y != whole.Height || band.Width != whole.Width || band.Height < 1 {
			return fmt.Errorf("component %d: band of %dx%d at %d, after %d rows", c, band.Width, band.Height, y, whole.Height)
		}
		for r := range band.Height {
			whole.Pix = append(whole.Pix, band.Pix[r*band.Stride:][:band.Width]...)
		}
		whole.Height += band.Height
		return nil
	})
	if err != nil {
		return p, nil, err
	}
	for c, whole := range planes {
		if want := p.Size(c, n).Height; whole.Height != want {
			return p, nil, fmt.Errorf("component %d has %d rows, want %d", c, whole.Height, want)
		}
	}
	return p, planes, nil
}

var errTooLarge = errors.New("too large for a test")

// stdPlane returns a component as image/jpeg decodes it, or nil where that hands out converted colours.
func stdPlane(img image.Image, c int) ([]uint8, int) {
	switch m := img.(type) {
	case *image.Gray:
		return m.Pix, m.Stride
	case *image.YCbCr:
		return [][]uint8{m.Y, m.Cb, m.Cr}[c], []int{m.YStride, m.CStride, m.CStride}[c]
	}
	return nil, 0
}

func TestFullSizeIsImageJPEGs(t *testing.T) {
	inputs := files(t, "testdata/*.jpg")
	for w := 1; w <= 33; w++ {
		var b bytes.Buffer
		if err := stdjpeg.Encode(&b, noise(w, 34-w), nil); err != nil {
			t.Fatal(err)
		}
		inputs[fmt.Sprintf("odd%d", w)] = b.Bytes()
	}
	compared := 0
	for name, data := range inputs {
		p, planes, err := decodeAll(data, 8)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := stdjpeg.Decode(bytes.NewReader(data))
		if err != nil { // the sampling factors that image/jpeg does not know
			t.Logf("%s: image/jpeg: %v", name, err)
			continue
		}
		if want.Bounds() != image.Rect(0, 0, p.Width, p.Height) {
			t.Errorf("%s: %dx%d, want %v", name, p.Width, p.Height, want.Bounds())
		}
		for c, plane := range planes {
			pix, stride := stdPlane(want, c)
			if cmyk, ok := want.(*image.CMYK); ok && p.Model == CMYK && p.Components[c].H == p.Components[0].H {
				pix, stride = everyNth(cmyk.Pix, cmyk.Stride, c, 4, 255), cmyk.Stride/4
			}
			if rgb, ok := want.(*image.RGBA); ok {
				pix, stride = everyNth(rgb.Pix, rgb.Stride, c, 4, 0), rgb.Stride/4
			}
			if pix != nil {
				compared++
				comparePlane(t, fmt.Sprintf("%s component %d", name, c), plane, pix, stride, 2)
			}
		}
	}
	if compared < 120 {
		t.Errorf("only %d planes compared", compared)
	}
}

// everyNth returns every step-th byte from c on, each XORed with flip.
func everyNth(pix []uint8, _, c, step int, flip uint8) []uint8 {
	var out []uint8
	for i := c; i < len(pix); i += step {
		out = append(out, pix[i]^flip)
	}
	return out
}

func comparePlane(t *testing.T, name string, got sample.Plane, want []uint8, stride, tolerance int) {
	t.Helper()
	for y := range got.Height {
		for x := range got.Width {
			g, w := int(got.Pix[y*got.Stride+x]), int(want[y*stride+x])
			if g-w > tolerance || w-g > tolerance {
				t.Errorf("%s: sample %d,%d is %d, want %d", name, x, y, g, w)
				return
			}
		}
	}
}

func noise(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rnd := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x*8 + rnd.IntN(60)), uint8(y*7 + rnd.IntN(60)), uint8(rnd.IntN(256)), 255})
		}
	}
	return m
}

func TestScalesAreTheReferences(t *testing.T) {
	for n := 1; n <= 8; n++ {
		rnd := rand.New(rand.NewPCG(1, uint64(n)))
		for round := range 3000 {
			var q quantTable
			var coef [64]int64
			limit := []int{20, 300, 3000, 65535}[round%4]
			for k := range coef {
				q[k] = uint16(1 + rnd.IntN([]int{8, 100, 255, 65535}[round/4%4]))
				if rnd.IntN(4) == 0 || k == 0 {
					coef[k] = int64(rnd.IntN(limit)) - int64(limit/2)
					if limit < 65535 { // keep the value in the range, not its quotient
						coef[k] /= int64(q[k])
					}
				}
			}
			s, factors := newShape(n), dequantiser(&q, n)
			var b block
			for k := range coef {
				b[s.slot[k]&127] = limit32(coef[k] * int64(factors[k]))
			}
			got := make([]uint8, 64)
			s.idct(&b, got, 8)
			for i, want := range reference(&coef, &q, n) {
				if g := got[i/n*8+i%n]; math.Abs(float64(g)-want) > 1 && !lost(&coef, &q) {
					t.Fatalf("n=%d round %d: sample %d is %d, want %.2f", n, round, i, g, want)
				}
			}
			for i := range n * n {
				if b[i] != 0 {
					t.Fatalf("n=%d leaves %d in the block at %d", n, b[i], i)
				}
			}
		}
	}
}

// lost reports whether coefficients are so large that their sums cancel by more than fixed point resolves.
func lost(coef *[64]int64, q *quantTable) bool {
	sum := 0.0
	for k := range coef {
		sum += math.Abs(float64(coef[k]) * float64(q[k]))
	}
	return sum > 1<<15
}

// reference is the n by n inverse DCT by its definition, clamped.
func reference(coef *[64]int64, q *quantTable, n int) []float64 {
	out := make([]float64, n*n)
	for i := range out {
		y, x := i/n, i%n
		sum := 128.0
		for k, at := range zigzag {
			u, v := int(at>>3), int(at&7)
			if u >= n || v >= n {
				continue
			}
			f := float64(coef[k]) * float64(q[k]) / 4
			if u == 0 {
				f /= math.Sqrt2
			}
			if v == 0 {
				f /= math.Sqrt2
			}
			sum += f * math.Cos(float64((2*y+1)*u)*math.Pi/float64(2*n)) * math.Cos(float64((2*x+1)*v)*math.Pi/float64(2*n))
		}
		out[i] = min(max(sum, 0), 255)
	}
	return out
}

func TestExtremeCoefficientsSaturate(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for _, c := range []struct {
			dc   int64
			want uint8
		}{{-1 << 16, 0}, {1 << 16, 255}} {
			var q quantTable
			for k := range q {
				q[k] = 65535
			}
			s, factors := newShape(n), dequantiser(&q, n)
			var b block
			b[0] = limit32(c.dc * int64(factors[0]))
			got := make([]uint8, 64)
			s.idct(&b, got, 8)
			for y := range n {
				for x := range n {
					if got[8*y+x] != c.want {
						t.Fatalf("n=%d DC %d: sample %d,%d is %d, want %d", n, c.dc, x, y, got[8*y+x], c.want)
					}
				}
			}
		}
	}
}

// TestTwins decodes files of the same coefficients in another form.
func TestTwins(t *testing.T) {
	all := files(t, "testdata/*.jpg")
	twins := [][2]string{
		{"gray.jpg", "gray_p.jpg"}, {"gray.jpg", "gray_rst2.jpg"}, {"gray.jpg", "gray_rst_p.jpg"},
		{"s_2x2.jpg", "s_2x2_rst2.jpg"}, {"s_2x2.jpg", "s_2x2_rst_p.jpg"},
		{"s_2x2.jpg", "planes.jpg"}, {"planes.jpg", "planes_rst.jpg"}, {"q100.jpg", "q100_p.jpg"},
	}
	for name := range all {
		if rest, ok := strings.CutPrefix(name, "s_"); ok && all["p_"+rest] != nil {
			twins = append(twins, [2]string{name, "p_" + rest})
		}
	}
	for _, pair := range twins {
		for n := 1; n <= 8; n++ {
			_, a, errA := decodeAll(all[pair[0]], n)
			_, b, errB := decodeAll(all[pair[1]], n)
			if errA != nil || errB != nil {
				t.Fatalf("%v at %d/8: %v, %v", pair, n, errA, errB)
			}
			for c := range a {
				if !bytes.Equal(a[c].Pix, b[c].Pix) {
					t.Errorf("%v at %d/8: component %d differs", pair, n, c)
				}
			}
		}
	}
}

func TestVerdictIsImageJPEGs(t *testing.T) {
	inputs := files(t, "testdata/*.jpg")
	for _, pattern := range []string{"../../testdata/pictures/*.jpg", "../../testdata/pictures/broken/*"} {
		if m, _ := filepath.Glob(pattern); len(m) > 0 {
			for name, data := range files(t, pattern) {
				inputs[name] = data
			}
		}
	}
	for name, data := range inputs {
		if blockIntervals(name) {
			continue
		}
		_, stdErr := stdjpeg.Decode(bytes.NewReader(data))
		for _, n := range []int{1, 3, 8} {
			_, _, err := decodeAll(data, n)
			_, unknown := stdErr.(stdjpeg.UnsupportedError) // we know more sampling factors
			if (err == nil) != (stdErr == nil) && !unknown {
				t.Errorf("%s at %d/8: %v, image/jpeg: %v", name, n, err, stdErr)
			}
			checkKind(t, err)
		}
	}
}

// blockIntervals are the files whose restart intervals image/jpeg counts otherwise than T.81, and refuses.
func blockIntervals(name string) bool { return name == "planes_rst.jpg" || name == "s_2x2_rst_p.jpg" }

func checkKind(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrDamaged) && err != errTooLarge {
		t.Errorf("error of no kind: %v", err)
	}
}

func TestTruncatedIsDamaged(t *testing.T) {
	for name, data := range files(t, "testdata/*.jpg") {
		for end := 2; end < len(data)-1; end += 97 {
			for _, n := range []int{1, 3, 8} {
				if _, _, err := decodeAll(data[:end], n); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: %d of %d bytes: %v, want ErrDamaged", name, end, len(data), err)
				}
			}
			if blockIntervals(name) {
				continue
			}
			// With an end marker, the entropy-coded data is what is short.
			_, stdErr := stdjpeg.Decode(bytes.NewReader(append(slices.Clip(data[:end]), 0xff, markerEOI)))
			_, _, err := decodeAll(append(slices.Clip(data[:end]), 0xff, markerEOI), 3)
			if _, unknown := stdErr.(stdjpeg.UnsupportedError); !unknown && (err == nil) != (stdErr == nil) {
				t.Errorf("%s: %d bytes and an end: %v, image/jpeg: %v", name, end, err, stdErr)
			}
		}
	}
}

// TestFlippedBits holds verdicts on damaged entropy-coded data against image/jpeg's. Progressive ones are decoded only: image/jpeg
// carries an end-of-band run over to the next scan.
func TestFlippedBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for name, data := range files(t, "testdata/*.jpg") {
		p, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		first := bytes.Index(data, []byte{0xff, markerSOS}) + 14
		for i := range 200 {
			from := 2
			if i < 100 {
				from = first
			}
			broken := bytes.Clone(data)
			for range 1 + rnd.IntN(3) {
				broken[from+rnd.IntN(len(broken)-from)] ^= 1 << rnd.IntN(8)
			}
			_, stdErr := stdjpeg.Decode(bytes.NewReader(broken))
			_, unknown := stdErr.(stdjpeg.UnsupportedError)
			same := from == first && !p.Progressive && !unknown && !blockIntervals(name) && name != "planes.jpg"
			for _, n := range []int{2, 4, 8} {
				_, _, err := decodeAll(broken, n)
				checkKind(t, err)
				if same && (err == nil) != (stdErr == nil) {
					t.Errorf("%s at %d/8: %v, image/jpeg: %v", name, n, err, stdErr)
				}
			}
		}
	}
}

func TestNeed(t *testing.T) {
	for name, data := range files(t, "testdata/*.jpg") {
		p, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, 8} {
			var before, after runtime.MemStats
			runtime.GC() // twice: the second empties what the first spares of a pool
			runtime.GC()
			runtime.ReadMemStats(&before)
			if err := p.Decode(n, noCheck, func(int, int, sample.Plane) error { return nil }); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if got, need := int64(after.TotalAlloc-before.TotalAlloc), p.Need(n); got > need || need > got+100<<10 {
				t.Errorf("%s at %d/8: allocated %d, Need says %d", name, n, got, need)
			}
		}
	}
}

func TestErrorsOfTheCallerComeBack(t *testing.T) {
	mine := errors.New("mine")
	for _, name := range []string{"testdata/s_2x2.jpg", "testdata/p_2x2.jpg", "testdata/planes.jpg"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		count := func() error { calls++; return nil }
		if err := p.Decode(3, count, func(int, int, sample.Plane) error { return mine }); err != mine {
			t.Errorf("%s: sink's error came back as %v", name, err)
		}
		if err := p.Decode(3, count, func(int, int, sample.Plane) error { return nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for stop := range calls / 2 {
			left := stop
			err := p.Decode(3, func() error {
				if left--; left < 0 {
					return mine
				}
				return nil
			}, func(int, int, sample.Plane) error { return nil })
			if err != mine {
				t.Errorf("%s: check's error at call %d came back as %v", name, stop, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range files(f, "testdata/*.jpg") {
		f.Add(data, uint8(3))
		f.Add(data, uint8(8))
	}
	f.Fuzz(func(t *testing.T, data []byte, scale uint8) {
		n := int(scale)%8 + 1
		p, err := Parse(data)
		checkKind(t, err)
		if err != nil {
			if p != nil {
				t.Error("a picture with an error")
			}
			return
		}
		if p.Width*p.Height > 1<<18 || p.Scans > 50 {
			return
		}
		_, _, err = decodeAll(data, n)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}

func TestAHugeDecoderIsNotKept(t *testing.T) {
	head := func(w, h int) []byte { // a progressive picture of gray, whose only scan is too short
		b := []byte{0xff, markerSOI, 0xff, markerDQT, 0, 67, 0}
		b = append(b, bytes.Repeat([]byte{1}, 64)...)
		b = append(b, 0xff, markerSOF2, 0, 11, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
		b = append(b, 0xff, markerDHT, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		return append(b, 0xff, markerSOS, 0, 8, 1, 1, 0, 0, 0, 0, 0xff, markerEOI)
	}
	for range 20 {
		for _, side := range []int{4000, 400} {
			p, err := Parse(head(side, side))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Decode(8, noCheck, func(int, int, sample.Plane) error { return nil }); !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			d := decoders.Get().(*decoder)
			if kept := 2 * cap(d.coefs[0].values); kept > maxKept {
				t.Fatalf("%d bytes are kept after a picture of %d pixels a side", kept, side)
			}
			decoders.Put(d)
		}
	}
}
