package thumb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nfnt/resize"
)

func TestPictures(t *testing.T) {
	for _, tt := range []struct {
		name, file   string
		want         Picture
		wantW, wantH int // at 100
		to           Format
	}{
		{"a photograph", "photo.jpg", Picture{JPEG, 1600, 1067}, 100, 67, JPEG},
		{"a progressive JPEG", "progressive.jpg", Picture{JPEG, 600, 400}, 100, 67, JPEG},
		{"a gray JPEG", "gray.jpg", Picture{JPEG, 450, 300}, 100, 67, JPEG},
		{"a CMYK JPEG", "cmyk.jpg", Picture{JPEG, 300, 200}, 100, 67, JPEG},
		{"a JPEG that stands on its side", "landscape_6.jpg", Picture{JPEG, 450, 300}, 100, 67, JPEG},
		{"an opaque PNG", "opaque.png", Picture{PNG, 240, 160}, 100, 67, JPEG},
		{"a PNG with alpha", "alpha.png", Picture{PNG, 240, 160}, 100, 67, PNG},
		{"a PNG with a palette", "palette.png", Picture{PNG, 200, 133}, 100, 67, JPEG},
		{"a PNG of 16 bits", "sixteen.png", Picture{PNG, 120, 80}, 100, 67, JPEG},
		{"a PNG that stands on its side", "oriented.png", Picture{PNG, 160, 107}, 100, 67, JPEG},
		{"an animated GIF", "animated.gif", Picture{GIF, 160, 107}, 100, 67, JPEG},
		{"a bitmap", "picture.bmp", Picture{BMP, 160, 107}, 100, 67, JPEG},
		{"a lossy WebP", "lossy.webp", Picture{WebP, 240, 160}, 100, 67, JPEG},
		{"a lossless WebP", "lossless.webp", Picture{WebP, 120, 80}, 100, 67, JPEG},
		{"a WebP with alpha", "alpha.webp", Picture{WebP, 240, 160}, 100, 67, PNG},
		{"an animated WebP", "animated.webp", Picture{WebP, 160, 107}, 100, 67, JPEG},
		{"a WebP that stands on its side", "oriented.webp", Picture{WebP, 240, 160}, 100, 67, JPEG},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := file(t, tt.file)
			if got, err := Stat(data, Limits{}); got != tt.want || err != nil {
				t.Fatalf("Stat = %+v, %v, want %+v", got, err, tt.want)
			}
			made, err := Make(data, Limits{}, 100, 5000)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := made[0].Picture, (Picture{tt.to, tt.wantW, tt.wantH}); got != want {
				t.Errorf("at 100: %+v, want %+v", got, want)
			}
			if got, want := made[1].Picture, (Picture{tt.to, tt.want.Width, tt.want.Height}); got != want {
				t.Errorf("at 5000: %+v, want %+v, not enlarged", got, want)
			}
			for _, m := range made {
				decoded(t, m)
				if got, err := Stat(m.Data, Limits{}); got != m.Picture || err != nil {
					t.Errorf("Stat of a thumbnail = %+v, %v, want %+v", got, err, m.Picture)
				}
			}
		})
	}
}

// All of these files were made from one photograph, and a thumbnail of each must look like one of it: a wrong colour model, range
// or inversion differs by 15 of 255 and more.
func TestTheHeadOfAPictureIsEnough(t *testing.T) {
	for name, want := range map[string]Picture{
		"photo.jpg": {JPEG, 1600, 1067}, "lossy.webp": {WebP, 240, 160}, "lossless.webp": {WebP, 120, 80}, "alpha.webp": {WebP, 240, 160},
		"animated.webp": {WebP, 160, 107}, "picture.bmp": {BMP, 0, 0}, "opaque.png": {PNG, 0, 0}, "animated.gif": {GIF, 0, 0},
	} {
		data := file(t, name)
		if want.Width == 0 {
			want, _ = Stat(data, Limits{})
		}
		if got, err := StatHead(data[:min(len(data), 2000)], Limits{}); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	if _, err := StatHead(file(t, "lossy.webp")[:2000], Limits{Pixels: 100}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, err := StatHead(file(t, "lossy.webp")[:20], Limits{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("too short a head: %v", err)
	}
}

func TestColourIsKept(t *testing.T) {
	want, err := Make(file(t, "photo.jpg"), Limits{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"progressive.jpg", "cmyk.jpg", "opaque.png", "palette.png", "sixteen.png", "animated.gif", "picture.bmp",
		"lossy.webp", "lossless.webp", "animated.webp"} {
		got, err := Make(file(t, name), Limits{}, 100)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := difference(t, decoded(t, got[0]), decoded(t, want[0])); d > 6 {
			t.Errorf("%s differs by %.1f of 255", name, d)
		}
	}
}

func TestMakeReturnsOnePerSizeInOrder(t *testing.T) {
	made, err := Make(encoded(t, JPEG, corners(60, 40)), Limits{}, 30, 10, 200, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, m := range made {
		got = append(got, m.Width)
	}
	if want := []int{30, 10, 60, 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("widths %v, want %v", got, want)
	}
	if made, err := Make(encoded(t, JPEG, corners(60, 40)), Limits{}); len(made) != 0 || err != nil {
		t.Errorf("without sizes: %d thumbnails, %v", len(made), err)
	}
}

func TestLinesAndDots(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 5000}, {5000, 1}, {2, 3}, {32767, 1}, {1, 32767}} {
		for _, f := range []Format{JPEG, PNG, GIF, BMP} {
			t.Run(fmt.Sprintf("%v of %v", f, size), func(t *testing.T) {
				made, err := Make(encoded(t, f, corners(size.X, size.Y)), Limits{}, 1024, 1)
				if err != nil {
					t.Fatal(err)
				}
				w, h := Fit(size.X, size.Y, 1024)
				if got := decoded(t, made[0]).Bounds().Size(); got != image.Pt(w, h) {
					t.Errorf("%v, want %dx%d", got, w, h)
				}
			})
		}
	}
}

func TestAnyTransparentPixelMakesPNG(t *testing.T) {
	seen := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	for i := range seen.Pix {
		seen.Pix[i] = 0xff
	}
	spot := image.NewNRGBA(seen.Rect)
	copy(spot.Pix, seen.Pix)
	spot.SetNRGBA(7, 7, color.NRGBA{255, 0, 0, 254})
	unused := image.NewPaletted(seen.Rect, color.Palette{color.White, color.Transparent})
	used := image.NewPaletted(seen.Rect, unused.Palette)
	used.SetColorIndex(3, 3, 1)
	deep := image.NewNRGBA64(seen.Rect)
	for _, tt := range []struct {
		name string
		f    Format
		m    image.Image
		want Format
	}{
		{"an alpha channel that is full", PNG, seen, JPEG},
		{"one pixel that is hardly transparent", PNG, spot, PNG},
		{"a transparent colour that no pixel has", PNG, unused, JPEG},
		{"a transparent colour that one pixel has", PNG, used, PNG},
		{"a GIF with one transparent pixel", GIF, used, PNG},
		{"a GIF with none", GIF, unused, JPEG},
		{"16 bits, all transparent", PNG, deep, PNG},
		{"gray of 16 bits", PNG, image.NewGray16(seen.Rect), JPEG},
		{"a gray PNG", PNG, image.NewGray(seen.Rect), JPEG},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := Make(encoded(t, tt.f, tt.m), Limits{}, 20, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range made {
				decoded(t, m)
				if m.Format != tt.want {
					t.Errorf("%v, want %v", m.Format, tt.want)
				}
			}
		})
	}
}

// Where red meets nothing, a resizer that mixes in the colour of the transparent pixels leaves a dark or bright seam.
func TestAlphaEdgesKeepTheirColour(t *testing.T) {
	for name, hidden := range map[string]color.NRGBA{"black": {0, 0, 0, 0}, "white": {255, 255, 255, 0}, "green": {0, 255, 0, 0}} {
		m := image.NewNRGBA(image.Rect(0, 0, 200, 200))
		for i := range 200 * 200 {
			x, y := i%200, i/200
			m.SetNRGBA(x, y, hidden)
			if (x-100)*(x-100)+(y-100)*(y-100) < 60*60 || x%23 == 0 {
				m.SetNRGBA(x, y, color.NRGBA{200, 30, 60, 255})
			}
		}
		made, err := Make(encoded(t, PNG, m), Limits{}, 61)
		if err != nil {
			t.Fatal(err)
		}
		got := decoded(t, made[0])
		for i := range 61 * 61 {
			c := color.NRGBAModel.Convert(got.At(i%61, i/61)).(color.NRGBA)
			if c.A < 32 { // so few steps that a colour cannot be told
				continue
			}
			if c.R < 170 || c.R > 230 || c.G > 60 || c.B < 30 || c.B > 90 {
				t.Fatalf("over hidden %s, pixel %d,%d is %v, want about {200 30 60}", name, i%61, i/61, c)
			}
		}
	}
}

func TestAlphaIsTakenOutAgain(t *testing.T) {
	for a := range 256 {
		for v := range 256 {
			m, alpha := []uint8{uint8(v)}, uint8(a)
			multiply(m, []uint8{alpha})
			got := int(divide(m[0], alpha))
			if steps := 255/max(a, 1) + 1; a > 0 && max(got-v, v-got) > steps/2+1 || a == 0 && got != 0 {
				t.Fatalf("%d of alpha %d comes back as %d", v, a, got)
			}
			if int(m[0]) < v && a < v && divide(uint8(v), alpha) != 255 && a > 0 { // an edge that overshot
				t.Fatalf("%d above its alpha %d is %d, want 255", v, a, divide(uint8(v), alpha))
			}
		}
	}
}

func TestFirstFrameOnTheWholeCanvas(t *testing.T) {
	g := &gif.GIF{
		Image:  []*image.Paletted{image.NewPaletted(image.Rect(10, 10, 20, 20), palette.WebSafe), image.NewPaletted(image.Rect(0, 0, 40, 30), palette.WebSafe)},
		Delay:  []int{0, 0},
		Config: image.Config{Width: 40, Height: 30, ColorModel: color.Palette(palette.WebSafe)},
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	_, pixels, _, _ := webpChunk(file(t, "lossless.webp")[12:]) // 120x80
	frame := append([]byte{5, 0, 0, 10, 0, 0, 119, 0, 0, 79, 0, 0, 0, 0, 0, 0}, chunk("VP8L", pixels...)...)
	animated := riff(vp8x(2, 200, 150), chunk("ANIM", make([]byte, 6)...), chunk("ANMF", frame...))
	for _, tt := range []struct {
		name            string
		data            []byte
		canvas          image.Point
		inside, outside image.Point
	}{
		{"GIF", b.Bytes(), image.Pt(40, 30), image.Pt(15, 15), image.Pt(25, 15)},
		{"WebP", animated, image.Pt(200, 150), image.Pt(10, 20), image.Pt(9, 20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := Make(tt.data, Limits{}, 1000)
			if err != nil {
				t.Fatal(err)
			}
			m := decoded(t, made[0])
			if got := m.Bounds().Size(); got != tt.canvas {
				t.Fatalf("%v, want %v", got, tt.canvas)
			}
			if _, _, _, a := m.At(tt.inside.X, tt.inside.Y).RGBA(); a != 0xffff {
				t.Errorf("inside of the frame alpha is %#x", a)
			}
			if _, _, _, a := m.At(tt.outside.X, tt.outside.Y).RGBA(); a != 0 {
				t.Errorf("outside of the frame alpha is %#x", a)
			}
		})
	}
}

func TestBitmapWhoseAlphaWasNeverWritten(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range m.Pix {
		m.Pix[i] = 0xc0
		if i%4 == 3 {
			m.Pix[i] = 1 // so that it is written with alpha
		}
	}
	data := encoded(t, BMP, m)
	v4 := append(bytes.Clone(data[:54]), make([]byte, 108-40)...)
	binary.LittleEndian.PutUint32(v4[10:], 14+108)
	binary.LittleEndian.PutUint32(v4[14:], 108) // only a later header lets the decoder look at alpha
	pixels := bytes.ReplaceAll(data[54:], []byte{0xc0, 0xc0, 0xc0, 1}, []byte{0xc0, 0xc0, 0xc0, 0})
	made, err := Make(append(v4, pixels...), Limits{}, 8)
	if err != nil {
		t.Fatal(err)
	}
	if got := color.GrayModel.Convert(decoded(t, made[0]).At(4, 4)).(color.Gray); made[0].Format != JPEG || got.Y != 0xc0 {
		t.Errorf("%v with a pixel of %v, want a JPEG with 0xc0", made[0].Format, got)
	}
}

func TestNoMetadataIsCarriedOver(t *testing.T) {
	exif := append(exifBlock(binary.LittleEndian, 6), "GPS 48.1N 11.5E"...)
	photo := withExif(encoded(t, JPEG, corners(60, 40)), exif)
	photo = append(append(bytes.Clone(photo[:2]), segment(0xe2, []byte("ICC_PROFILE\x00 GPS")...)...), photo[2:]...)
	photo = append(append(bytes.Clone(photo[:2]), segment(0xfe, []byte("GPS comment")...)...), photo[2:]...)
	clear := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	art := encoded(t, PNG, clear)
	art = bytes.Join([][]byte{art[:33], pngChunk("eXIf", exif), pngChunk("tEXt", []byte("GPS\x00here")), art[33:]}, nil)
	for name, data := range map[string][]byte{"JPEG": photo, "PNG": art} {
		made, err := Make(data, Limits{}, 20, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made {
			for _, mark := range []string{"GPS", "Exif", "eXIf", "ICC", "tEXt", "\xff\xe1"} {
				if bytes.Contains(m.Data, []byte(mark)) {
					t.Errorf("%s: the thumbnail of %d contains %q", name, m.Width, mark)
				}
			}
		}
	}
}

// A decoder of full frames, a filter and nothing clever in between is what a thumbnail is held against, for each sampling factor,
// colour model and orientation, at odd sizes.
func TestThumbnailsAreThoseOfTheStandardWay(t *testing.T) {
	names, err := filepath.Glob("jpeg/testdata/*.jpg")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	compared := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil { // sampling factors that image/jpeg does not know
			continue
		}
		w, h := whole.Bounds().Dx(), whole.Bounds().Dy()
		for o := 1; o <= 8; o++ {
			size := max(w, h)*2/3 - o
			if size < 4 {
				continue
			}
			made, err := Make(withExif(data, exifBlock(binary.BigEndian, o)), Limits{}, size)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			fitW, fitH := Fit(w, h, size)
			want := upright8(resize.Resize(uint(fitW), uint(fitH), whole, resize.Lanczos3), o)
			compared++
			if d := difference(t, decoded(t, made[0]), want); d > 6 {
				t.Errorf("%s stored as %d at %d differs by %.1f of 255", name, o, size, d)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d compared", compared)
	}
}

// upright8 returns m, stored as o, upright: each sample of the scene is looked up where stored puts it.
func upright8(m image.Image, o int) image.Image {
	w, h := orientation(o).size(m.Bounds().Dx(), m.Bounds().Dy())
	index := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		index.SetRGBA(i%w, i/w, color.RGBA{uint8(i), uint8(i >> 8), uint8(i >> 16), 255})
	}
	places := stored(index, o)
	out := image.NewRGBA(index.Rect)
	for y := range places.Rect.Dy() {
		for x := range places.Rect.Dx() {
			c := places.RGBAAt(x, y)
			i := int(c.R) | int(c.G)<<8 | int(c.B)<<16
			out.Set(i%w, i/w, m.At(x, y))
		}
	}
	return out
}

func TestDeadline(t *testing.T) {
	for _, name := range []string{"photo.jpg", "progressive.jpg", "opaque.png", "animated.gif", "picture.bmp", "lossy.webp", "lossless.webp"} {
		made, err := Make(file(t, name), Limits{Deadline: 1}, 100)
		if !errors.Is(err, ErrTooSlow) || errors.Is(err, ErrDamaged) || made != nil {
			t.Errorf("%s: %d thumbnails, %v, want ErrTooSlow", name, len(made), err)
		}
	}
}

// A decoder that is given 4 KB works on all of it before it reads again.
func TestDeadlineIsLookedAtOften(t *testing.T) {
	d := &deadlineReader{r: bytes.NewReader(make([]byte, 5000)), until: time.Now().Add(time.Hour)}
	if n, err := d.Read(make([]byte, 4096)); n > 512 || n == 0 || err != nil {
		t.Errorf("read %d bytes at once, %v", n, err)
	}
}

func TestADecodersPanicIsADamagedPicture(t *testing.T) {
	err := guarded(func() error {
		var m *image.Gray
		m.Pix[0] = 1
		return nil
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func ExampleMake() {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 4000, 3000)), nil); err != nil {
		fmt.Println(err)
		return
	}
	made, err := Make(photo.Bytes(), Limits{}, 1024, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range made {
		fmt.Println(t.Format.MediaType(), t.Width, t.Height)
	}
	// Output:
	// image/jpeg 1024 768
	// image/jpeg 100 75
}

func BenchmarkMake(b *testing.B) {
	big := encoded(b, JPEG, corners(4000, 3000))
	b.SetBytes(int64(len(big)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Make(big, Limits{}, 1024); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	photo := file(b, "photo.jpg")
	b.SetBytes(int64(len(photo)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Stat(photo, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
