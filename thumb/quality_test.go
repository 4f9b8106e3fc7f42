package thumb_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tintype/thumb"
)

// TestQuality holds the thumbnails of the JPEGs of TINTYPE_CORPUS against those that another program made of them, which are in
// TINTYPE_PEER under the same names: .ci/bench/run puts sharp's there. Both are compared with the whole picture made smaller in
// floating point, in brightness only, as coded.
//
// In each row ours comes first. A thumbnail may be 0.1 dB and 0.001 of SSIM worse than the peer's and 3 % larger, and must lie on
// the picture better where it is than moved by half a pixel or a whole one any way.
func TestQuality(t *testing.T) {
	corpus, peer := os.Getenv("TINTYPE_CORPUS"), os.Getenv("TINTYPE_PEER")
	if corpus == "" || peer == "" {
		t.Skip("TINTYPE_CORPUS and TINTYPE_PEER name no directories of pictures")
	}
	peers, err := filepath.Glob(filepath.Join(peer, "*.jpg"))
	if err != nil || len(peers) == 0 {
		t.Fatalf("no JPEG in %s: %v", peer, err)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-13s %-14s %-16s %-23s %s\n", "", "Y-PSNR", "SSIM", "bytes", "best at")
	for _, path := range peers {
		name := filepath.Base(path)
		original := read(t, filepath.Join(corpus, name))
		made, err := thumb.Make(original, thumb.Limits{}, 1024)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w, h := made[0].Width, made[0].Height
		reference := lanczos(luma(t, original), w, h, 0, 0)
		ours, theirs := judge(t, made[0].Data, reference), judge(t, read(t, path), reference)
		size := float64(ours.bytes) / float64(theirs.bytes)
		dx, dy := bestShift(luma(t, made[0].Data), reference)
		fmt.Fprintf(&table, "%-13s %.2f %.2f    %.5f %.5f  %7d %7d %.3f   %g,%g\n", name, ours.psnr, theirs.psnr, ours.ssim, theirs.ssim,
			ours.bytes, theirs.bytes, size, dx, dy)
		for _, bar := range []struct {
			what string
			met  bool
		}{
			{"Y-PSNR", ours.psnr >= theirs.psnr-0.1},
			{"SSIM", ours.ssim >= theirs.ssim-0.001},
			{"size", size <= 1.03},
			{"place", dx == 0 && dy == 0},
		} {
			if !bar.met {
				t.Errorf("%s: MISS in %s", name, bar.what)
			}
		}
	}
	t.Logf("\n%s", &table)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plane is one channel of a picture.
type plane[T uint8 | float64] struct {
	pix          []T
	stride, w, h int
}

func luma(t *testing.T, data []byte) plane[uint8] {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	switch m := img.(type) {
	case *image.YCbCr:
		return plane[uint8]{m.Y, m.YStride, m.Rect.Dx(), m.Rect.Dy()}
	case *image.Gray:
		return plane[uint8]{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()}
	}
	t.Fatalf("a %T has no brightness of its own", img)
	return plane[uint8]{}
}

type quality struct {
	psnr, ssim float64
	bytes      int
}

func judge(t *testing.T, data []byte, reference plane[float64]) quality {
	t.Helper()
	p := luma(t, data)
	if p.w != reference.w || p.h != reference.h {
		t.Fatalf("%dx%d, want %dx%d", p.w, p.h, reference.w, reference.h)
	}
	return quality{10 * math.Log10(255*255/meanSquare(p, reference)), ssim(p, reference), len(data)}
}

func meanSquare(p plane[uint8], q plane[float64]) float64 {
	sum := 0.0
	for y := range p.h {
		for x := range p.w {
			d := float64(p.pix[y*p.stride+x]) - q.pix[y*q.stride+x]
			sum += d * d
		}
	}
	return sum / float64(p.w*p.h)
}

// ssim is the mean over all windows of 8x8, evenly weighed, with the constants of Wang et al. 2004.
func ssim(p plane[uint8], q plane[float64]) float64 {
	const n, c1, c2 = 64, (0.01 * 255) * (0.01 * 255), (0.03 * 255) * (0.03 * 255)
	total := 0.0
	for y := range p.h - 7 {
		for x := range p.w - 7 {
			var sa, sb, saa, sbb, sab float64
			for v := y; v < y+8; v++ {
				row := q.pix[v*q.stride+x:][:8]
				for i, a := range p.pix[v*p.stride+x:][:8] {
					a, b := float64(a), row[i]
					sa, sb, saa, sbb, sab = sa+a, sb+b, saa+a*a, sbb+b*b, sab+a*b
				}
			}
			ma, mb := sa/n, sb/n
			total += (2*ma*mb + c1) * (2*(sab/n-ma*mb) + c2) / ((ma*ma + mb*mb + c1) * (saa/n - ma*ma + sbb/n - mb*mb + c2))
		}
	}
	return total / float64((p.w-7)*(p.h-7))
}

// bestShift returns where in steps of half a pixel p lies best on reference. It is the reference that is moved: p has the noise of
// its coding, which a shift by half a pixel would smooth and so look better than it is.
func bestShift(p plane[uint8], reference plane[float64]) (dx, dy float64) {
	least := math.Inf(1)
	for y := -1.0; y <= 1; y += 0.5 {
		for x := -1.0; x <= 1; x += 0.5 {
			if e := meanSquare(p, lanczos(reference, p.w, p.h, x, y)); e < least {
				least, dx, dy = e, x, y
			}
		}
	}
	return dx, dy
}

// lanczos returns src in w x h, across and then down, with the kernel of three lobes that is widened by how much smaller it gets.
// Beyond an edge its last pixel goes on. dx and dy are by how many of the new pixels the window is moved.
func lanczos[T uint8 | float64](src plane[T], w, h int, dx, dy float64) plane[float64] {
	rows := plane[float64]{make([]float64, w*src.h), w, w, src.h}
	across := taps(src.w, w, dx)
	for y := range src.h {
		from, to := src.pix[y*src.stride:][:src.w], rows.pix[y*w:][:w]
		for x, t := range across {
			sum := 0.0
			for i, v := range from[t.first:][:len(t.weights)] {
				sum += t.weights[i] * float64(v)
			}
			to[x] = sum
		}
	}
	out := plane[float64]{make([]float64, w*h), w, w, h}
	for y, t := range taps(src.h, h, dy) {
		to := out.pix[y*w:][:w]
		for i, weight := range t.weights {
			for x, v := range rows.pix[(t.first+i)*w:][:w] {
				to[x] += weight * v
			}
		}
	}
	return out
}

// tap is what one new pixel takes: of first, and those that follow.
type tap struct {
	first   int
	weights []float64
}

func taps(from, to int, shift float64) []tap {
	all := make([]tap, to)
	scale := float64(from) / float64(to)
	wide := max(scale, 1)
	for i := range all {
		center := (float64(i)+0.5+shift)*scale - 0.5
		low, high := int(math.Ceil(center-3*wide)), int(math.Floor(center+3*wide))
		first := min(max(low, 0), from-1)
		weights := make([]float64, min(max(high, 0), from-1)-first+1)
		sum := 0.0
		for j := low; j <= high; j++ {
			x := (float64(j) - center) / wide
			sum += sinc(x) * sinc(x/3)
			weights[min(max(j, 0), from-1)-first] += sinc(x) * sinc(x/3)
		}
		for j := range weights {
			weights[j] /= sum
		}
		all[i] = tap{first, weights}
	}
	return all
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
