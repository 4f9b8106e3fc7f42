package jpeg

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tintype/thumb/sample"
)

// photo returns the photograph of testdata.
func photo(t testing.TB) (w, h int, planes []sample.Plane) {
	t.Helper()
	data, err := os.ReadFile("../../testdata/pictures/photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	planes = decodePlanes(t, data)
	return planes[0].Width, planes[0].Height, planes
}

// stdEncode is image/jpeg's encoder for planes.
func stdEncode(t testing.TB, w, h int, p []sample.Plane, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	var m image.Image = &image.Gray{Pix: p[0].Pix, Stride: p[0].Stride, Rect: image.Rect(0, 0, w, h)}
	if len(p) == 3 {
		m = &image.YCbCr{
			Y: p[0].Pix, Cb: p[1].Pix, Cr: p[2].Pix, YStride: p[0].Stride, CStride: p[1].Stride,
			SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, w, h),
		}
	}
	if err := stdjpeg.Encode(&b, m, &stdjpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSizeOfAPhoto(t *testing.T) {
	w, h, planes := photo(t)
	const jfif = 18 // bytes of APP0, which image/jpeg leaves out
	for _, quality := range []int{1, 20, 50, 80, 95, 100} {
		for _, p := range [][]sample.Plane{planes, planes[:1]} {
			ours := mustEncode(t, w, h, p, quality)
			theirs := len(stdEncode(t, w, h, p, quality)) + jfif
			t.Logf("quality %3d, %d planes: %d bytes, image/jpeg %d", quality, len(p), len(ours), theirs)
			if len(ours) >= theirs {
				t.Errorf("quality %d: %d bytes, image/jpeg %d", quality, len(ours), theirs)
			}
			if spare := cap(ours) - len(ours); quality == 80 && spare > 32<<10 {
				t.Errorf("%d of %d bytes allocated are not used", spare, cap(ours))
			}
		}
	}
}

// TestOthersAccept shows the file to libjpeg, where it is installed.
func TestOthersAccept(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	if err != nil {
		t.Skip(err)
	}
	w, h, planes := photo(t)
	for _, p := range [][]sample.Plane{planes, planes[:1]} {
		name := filepath.Join(t.TempDir(), "p.jpg")
		if err := os.WriteFile(name, mustEncode(t, w, h, p, 80), 0o600); err != nil {
			t.Fatal(err)
		}
		// libjpeg warns of what it can live with, on standard error
		cmd := exec.Command(djpeg, "-outfile", os.DevNull, name)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("djpeg: %v, %s", err, out)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	w, h, planes := photo(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = Encode(buf[:0], w, h, planes, 80); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}

func BenchmarkStandardLibrary(b *testing.B) {
	w, h, planes := photo(b)
	for b.Loop() {
		stdEncode(b, w, h, planes, 80)
	}
}
