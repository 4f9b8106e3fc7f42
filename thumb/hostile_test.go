package thumb

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

type hostile struct {
	name string
	data []byte
	want error
}

// refusedByHeader are files that must cost nothing: Stat refuses them. Where a size does not fit an int, the decoder says damaged
// before the limits are asked.
func refusedByHeader(t testing.TB) []hostile {
	frame := func(w, h int) []byte {
		return append([]byte{0, 0, 0, 0, 0, 0, byte(w - 1), byte((w - 1) >> 8), 0, byte(h - 1), byte((h - 1) >> 8), 0, 0, 0, 0, 0}, vp8l(w, h)...)
	}
	return []hostile{
		{"PNG of 50000x50000 with one row", pngOf(50000, 50000, 8, 6, 1), ErrTooLarge},
		{"PNG of 30000x30000 with one bit a pixel", pngOf(30000, 30000, 1, 0, 30), ErrTooLarge},
		{"PNG one pixel too wide", pngOf(32768, 1, 8, 0, 1), ErrTooLarge},
		{"PNG one pixel too high", pngOf(1, 32768, 8, 0, 1), ErrTooLarge},
		{"PNG one row over 50 megapixels", pngOf(10000, 5001, 8, 2, 1), ErrTooLarge},
		{"PNG as large as its format can say", pngOf(1<<31-1, 1<<31-1, 1, 0, 0), ErrDamaged},
		{"PNG of no width", pngOf(0, 10, 8, 2, 1), ErrDamaged},
		{"PNG of negative width", pngOf(-1<<31, 10, 8, 2, 0), ErrDamaged},
		{"PNG of 3 bits", pngOf(10, 10, 3, 2, 1), ErrDamaged},
		{"PNG that is only a signature", []byte("\x89PNG\r\n\x1a\n"), ErrDamaged},
		{"JPEG of 65535x65535", hugeJPEG(0xc0, 65535, 65535), ErrTooLarge},
		{"progressive JPEG of 65535x65535", hugeJPEG(0xc2, 65535, 65535), ErrTooLarge},
		{"JPEG one pixel too wide", hugeJPEG(0xc0, 32768, 1), ErrTooLarge},
		{"JPEG one row over 50 megapixels", hugeJPEG(0xc0, 10000, 5001), ErrTooLarge},
		{"JPEG of no height", hugeJPEG(0xc0, 100, 0), ErrDamaged},
		{"lossless JPEG", hugeJPEG(0xc3, 100, 100), ErrUnsupported},
		{"arithmetic JPEG", hugeJPEG(0xc9, 100, 100), ErrUnsupported},
		{"JPEG of 101 scans", scansJPEG(64, 64, 101), ErrTooLarge},
		{"JPEG of 1001 scans", scansJPEG(5000, 5000, 1001), ErrTooLarge},
		{"JPEG of 190000 scans", scansJPEG(5000, 5000, 190_000), ErrTooLarge},
		{"JPEG of 25 megapixels and 41 scans", scansJPEG(5000, 5000, 41), ErrTooLarge},
		{"JPEG that is only a beginning", []byte("\xff\xd8\xff\xe0"), ErrDamaged},
		{"JPEG that is all padding", append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{0xff}, 8<<20)...), ErrDamaged},
		{"JPEG without a picture", []byte("\xff\xd8\xff\xd9"), ErrDamaged},
		{"JPEG with two frames", append(jpegHead(0xc0, 8, 8), jpegHead(0xc0, 9, 9)[2:]...), ErrDamaged},
		{"CMYK JPEG without Adobe's marker", bytes.Replace(file(t, "cmyk.jpg"), []byte("Adobe"), []byte("Abode"), 1), ErrUnsupported},
		{"GIF of 65535x65535", []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00,"), ErrTooLarge},
		{"GIF one row over 50 megapixels", []byte("GIF89a\x10\x27\x89\x13\x00\x00\x00"), ErrTooLarge},
		{"GIF of no width", []byte("GIF89a\x00\x00\x89\x13\x00\x00\x00"), ErrDamaged},
		{"GIF that is also a script", []byte("GIF89a/*\x00\x00*/=1;alert(1)//"), ErrDamaged},
		{"BMP of 2 billion pixels a side", headerBMP(1<<31-1, 1<<31-1, 24, 0), ErrUnsupported},
		{"BMP upside down and endless", headerBMP(10, -1<<31, 24, 0), ErrTooLarge},
		{"BMP one pixel too wide", headerBMP(32768, 1, 24, 0), ErrTooLarge},
		{"BMP of negative width", headerBMP(-10, 10, 24, 0), ErrUnsupported},
		{"BMP of nothing", headerBMP(0, 0, 24, 0), ErrDamaged},
		{"BMP that is compressed", headerBMP(10, 10, 8, 1), ErrUnsupported},
		{"BMP of 16 bits", headerBMP(10, 10, 16, 0), ErrUnsupported},
		{"WebP of 16383x16383", riff(vp8(16383, 16383)), ErrTooLarge},
		{"lossless WebP of 16384x16384", riff(vp8l(16384, 16384)), ErrTooLarge},
		{"WebP with a canvas of 16 million a side", riff(vp8x(2, 1<<24, 1<<24), chunk("ANMF", frame(10, 10)...)), ErrTooLarge},
		{"WebP whose canvas is smaller than its pixels", riff(vp8x(0, 10, 10), vp8l(9000, 9000)), ErrDamaged},
		{"WebP whose canvas is larger than its pixels", riff(vp8x(0, 9000, 9000), vp8(10, 10)), ErrDamaged},
		{"WebP whose frame lies outside of its canvas", riff(vp8x(2, 10, 10), chunk("ANMF", frame(11, 10)...)), ErrDamaged},
		{"WebP whose frame is empty", riff(vp8x(2, 10, 10), chunk("ANMF", make([]byte, 16)...)), ErrDamaged},
		{"WebP with a chunk of 4 GB", []byte("RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff\x10\x00\x00\x9d\x01\x2a"), ErrDamaged},
		{"WebP with a chunk that is 4 bytes too long", []byte("RIFF\x14\x00\x00\x00WEBPVP8 \x0e\x00\x00\x00\x10\x00\x00\x9d\x01\x2a\x08\x00\x08\x00"), ErrDamaged},
		{"WebP without pixels", riff(vp8x(0, 10, 10)), ErrDamaged},
		{"WebP of no size", riff(vp8(0, 0)), ErrDamaged},
		{"nothing", nil, ErrFormat},
		{"SVG", file(t, "broken/drawing.svg"), ErrFormat},
		{"HTML", file(t, "broken/page.html"), ErrFormat},
		{"TIFF", file(t, "broken/picture.tiff"), ErrFormat},
		{"PDF around a JPEG", append([]byte("%PDF-1.4\n"), file(t, "gray.jpg")...), ErrFormat},
		{"ZIP", []byte("PK\x03\x04aaaaaaaaaaaaaaaaaaaa"), ErrFormat},
		{"text by the name of a JPEG", file(t, "broken/notapicture.jpg"), ErrFormat},
		{"an empty file by the name of a JPEG", file(t, "broken/empty.jpg"), ErrFormat},
		{"GIF without its colours", file(t, "broken/header-only.gif"), ErrDamaged},
		{"half of a WebP", file(t, "broken/truncated.webp"), ErrDamaged},
	}
}

// refusedByDecoder are files whose headers are fine.
func refusedByDecoder(t testing.TB) []hostile {
	trailer := append(bytes.Clone(file(t, "broken/truncated.jpg")), 0xff, markerEOI)
	badSum := bytes.Clone(file(t, "opaque.png"))
	badSum[bytes.Index(badSum, []byte("IDAT"))+40] ^= 1
	return []hostile{
		{"half of a JPEG", file(t, "broken/truncated.jpg"), ErrDamaged},
		{"half of a JPEG with an end put on", trailer, ErrDamaged},
		{"half of a progressive JPEG", file(t, "broken/truncated-progressive.jpg"), ErrDamaged},
		{"half of a PNG", file(t, "broken/truncated.png"), ErrDamaged},
		{"half of a bitmap", file(t, "broken/truncated.bmp"), ErrDamaged},
		{"PNG whose checksum is wrong", badSum, ErrDamaged},
		{"PNG with a chunk that is 4 bytes too long", append(pngOf(8, 8, 8, 0, 0)[:33], pngChunk("tEXt", make([]byte, 16))[:24]...), ErrDamaged},
		{"PNG of 16 megapixels with one row", pngOf(4000, 4000, 8, 0, 1), ErrDamaged},
		{"JPEG that hides 3000 scans in a segment", hidingJPEG(3000), ErrDamaged},
		{"JPEG of 1 megapixel with hardly a pixel", hugeJPEG(0xc0, 1000, 1000), ErrDamaged},
		{"GIF with a frame larger than its screen", []byte("GIF89a\x0a\x00\x0a\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;"), ErrDamaged},
		{"GIF without a frame", []byte("GIF89a\x0a\x00\x0a\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;"), ErrDamaged},
		{"lossless WebP of zeros", riff(chunk("VP8L", vp8l(100, 100)[8:20]...)), ErrDamaged},
		{"bitmap that ends with its header", headerBMP(100, 100, 24, 0), ErrDamaged},
	}
}

func TestRefusedByHeader(t *testing.T) {
	for _, tt := range refusedByHeader(t) {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			pic, err := Stat(tt.data, Limits{})
			took := time.Since(start)
			made, makeErr := Make(tt.data, Limits{}, 1024)
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes, %v", len(tt.data), took) // not asserted: a machine may be busy
			if !errors.Is(err, tt.want) || panicked(err) || pic != (Picture{}) {
				t.Errorf("Stat = %+v, %v, want %v", pic, err, tt.want)
			}
			if !errors.Is(makeErr, tt.want) || made != nil {
				t.Errorf("Make = %d thumbnails, %v, want %v", len(made), makeErr, tt.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes were allocated to refuse it", used)
			}
		})
	}
}

func TestRefusedByDecoder(t *testing.T) {
	for _, tt := range refusedByDecoder(t) {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Stat(tt.data, Limits{}); err != nil {
				t.Errorf("Stat: %v", err)
			}
			made, err := Make(tt.data, Limits{}, 1024)
			if !errors.Is(err, tt.want) || made != nil {
				t.Errorf("Make = %d thumbnails, %v, want %v", len(made), err, tt.want)
			}
		})
	}
}

func TestJustWithinTheLimits(t *testing.T) {
	long := append(file(t, "gray.jpg"), bytes.Repeat([]byte{0xff, markerSOS, 0, 2}, 40_000)...) // as a phone puts a film behind a photo
	small := Limits{Pixels: 100, Side: 20}
	for _, tt := range []struct {
		name string
		data []byte
		lim  Limits
		want Picture
	}{
		{"100 scans", scansJPEG(64, 64, 100), Limits{}, Picture{JPEG, 64, 64}},
		{"scans behind the end", long, Limits{}, Picture{JPEG, 450, 300}},
		{"500 frames", framesGIF(t, 200, 200, 500), Limits{}, Picture{GIF, 200, 200}},
		{"a ZIP behind a PNG", append(file(t, "opaque.png"), "PK\x03\x04"...), Limits{}, Picture{PNG, 240, 160}},
		{"rubbish behind a WebP", append(file(t, "lossy.webp"), "rubbish"...), Limits{}, Picture{WebP, 240, 160}},
		{"a second picture in a WebP", append(file(t, "lossless.webp"), vp8(10, 10)...), Limits{}, Picture{WebP, 120, 80}},
		{"as many pixels as allowed", encoded(t, PNG, corners(10, 10)), small, Picture{PNG, 10, 10}},
		{"as long a side as allowed", encoded(t, PNG, corners(20, 5)), small, Picture{PNG, 20, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Stat(tt.data, tt.lim); got != tt.want || err != nil {
				t.Errorf("Stat = %+v, %v, want %+v", got, err, tt.want)
			}
			made, err := Make(tt.data, tt.lim, 16)
			if err != nil {
				t.Fatal(err)
			}
			decoded(t, made[0])
		})
	}
	for name, m := range map[string]image.Image{"one column more": corners(11, 10), "one pixel longer": corners(21, 4)} {
		if _, err := Stat(encoded(t, PNG, m), small); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
}

// panicked tells an error that guarded made of a panic. Our own code is to look before it reads.
func panicked(err error) bool { return strings.Contains(err.Error(), "panicked") }

var everyKind = []string{"landscape_6.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "opaque.png", "alpha.png", "palette.png", "sixteen.png",
	"animated.gif", "picture.bmp", "lossy.webp", "lossless.webp", "alpha.webp", "animated.webp", "oriented.webp"}

func TestCutAtEveryEighth(t *testing.T) {
	for _, name := range everyKind {
		data := file(t, name)
		for i := range 8 {
			cut := data[:len(data)*i/8]
			made, err := Make(cut, Limits{}, 100)
			if i == 0 {
				if !errors.Is(err, ErrFormat) {
					t.Errorf("nothing of %s: %v, want ErrFormat", name, err)
				}
				continue
			}
			// The first frame of an animation may be whole, and metadata stands last in a WebP.
			if name == "animated.gif" && i >= 3 || name == "animated.webp" && i >= 3 {
				continue
			}
			if !errors.Is(err, ErrDamaged) || panicked(err) || made != nil {
				t.Errorf("%d/8 of %s: %d thumbnails, %v, want ErrDamaged", i, name, len(made), err)
			}
		}
	}
}

func TestFlippedBitsNeverPanic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	lim := Limits{Pixels: 1 << 18, Side: 2000}
	for _, name := range everyKind {
		data := file(t, name)
		for round := range 20 {
			bad := bytes.Clone(data)
			for range 1 + round/4 {
				at := random.IntN(len(bad))
				if round%2 == 0 { // headers are where it hurts
					at = random.IntN(min(200, len(bad)))
				}
				bad[at] ^= 1 << random.IntN(8)
			}
			if err := oneOfOurs(Make(bad, lim, 64)); err != nil {
				t.Errorf("%s, round %d: %v", name, round, err)
			}
		}
	}
}

// oneOfOurs checks what Make returned: whole thumbnails, or an error that callers know.
func oneOfOurs(made []Thumbnail, err error) error {
	if err == nil {
		for _, m := range made {
			if pic, err := Stat(m.Data, Limits{}); pic != m.Picture || err != nil {
				return fmt.Errorf("made %+v, Stat says %+v, %w", m.Picture, pic, err)
			}
		}
		return nil
	}
	for _, known := range []error{ErrFormat, ErrUnsupported, ErrDamaged, ErrTooLarge, ErrTooSlow} {
		if errors.Is(err, known) && made == nil {
			return nil
		}
	}
	return fmt.Errorf("%d thumbnails and error %w", len(made), err)
}
