package thumb

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"testing"
)

// frameGIF returns a GIF of 40x30 with one frame of noise, in colours of which the last is transparent or not.
func frameGIF(t *testing.T, frame image.Rectangle, transparent bool) []byte {
	t.Helper()
	colours := append(color.Palette{}, palette.WebSafe[:64]...)
	if transparent {
		colours[63] = color.RGBA{}
	}
	m := image.NewPaletted(frame, colours)
	for i, v := range noisy(frame.Dx(), frame.Dy()).Pix {
		m.Pix[i/4] = v % 64
	}
	g := &gif.GIF{Image: []*image.Paletted{m}, Delay: []int{0}, Config: image.Config{Width: 40, Height: 30}}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGIFOnItsCanvas holds the planes against a frame of image/gif, drawn on a canvas.
func TestGIFOnItsCanvas(t *testing.T) {
	for _, frame := range []image.Rectangle{
		image.Rect(0, 0, 40, 30), image.Rect(0, 0, 40, 29), image.Rect(0, 1, 40, 30), image.Rect(3, 5, 36, 20), image.Rect(39, 29, 40, 30),
	} {
		for _, transparent := range []bool{false, true} {
			data := frameGIF(t, frame, transparent)
			name := fmt.Sprintf("frame %v, transparent %v", frame, transparent)
			m, err := gif.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			want := image.NewRGBA(image.Rect(0, 0, 40, 30))
			draw.Draw(want, m.Bounds(), m, m.Bounds().Min, draw.Src)

			hdr, err := readHeader(data, Limits{}, true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := gifSource(hdr.gif, func() error { return nil }).frame()
			if err != nil {
				t.Fatal(err)
			}
			if got.transparent != !want.Opaque() {
				t.Errorf("%s: transparent is %v", name, got.transparent)
			}
			for i, v := range want.Pix {
				if i%4 < len(got.planes) && got.planes[i%4].Pix[i/4] != v {
					t.Errorf("%s: channel %d of pixel %d,%d is %d, want %d", name, i%4, i/4%40, i/4/40, got.planes[i%4].Pix[i/4], v)
					break
				}
			}
		}
	}
}

func TestGIFNeedsNoFrame(t *testing.T) {
	hdr, err := readHeader(framesGIF(t, 3000, 2000, 1), Limits{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, need := hdr.layout(1); need > 200<<10 {
		t.Errorf("%d bytes to decode it", need)
	}
}

// TestGIFWithoutPixels has pictures whose size can be told, and no more.
func TestGIFWithoutPixels(t *testing.T) {
	whole := frameGIF(t, image.Rect(3, 5, 36, 20), false)
	at := bytes.IndexByte(whole, ',')
	narrow := bytes.Clone(whole[:len(whole)-1])
	narrow[at+5] = 0 // its width
	empty := append(bytes.Clone(whole[:at]), ',', 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 2, 1, 0x2c, 0)
	if _, err := gif.Decode(bytes.NewReader(empty)); err != nil {
		t.Fatalf("image/gif says %v of an empty frame", err)
	}
	for name, data := range map[string][]byte{
		"cut before its frame": whole[:at], "cut in its frame": whole[:at+5], "cut in its pixels": whole[:len(whole)-100],
		"more pixels than its frame has": narrow, "empty frame": empty,
	} {
		if got, err := Stat(data, Limits{}); err != nil || got != (Picture{GIF, 40, 30}) {
			t.Errorf("%s: Stat = %+v, %v", name, got, err)
		}
		if made, err := Make(data, Limits{}, 20); !errors.Is(err, ErrDamaged) || panicked(err) {
			t.Errorf("%s: %d thumbnails, %v", name, len(made), err)
		}
	}
}

func TestBitmapWithPalette(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 21, 13), palette.WebSafe)
	for i := range m.Pix {
		m.Pix[i] = uint8(i % len(palette.WebSafe))
	}
	img, err := decodePixels(bytes.NewReader(encoded(t, BMP, m)), BMP)
	if err != nil {
		t.Fatal(err)
	}
	got, err := frameSource(img, func() error { return nil }).frame()
	if err != nil || len(got.planes) != 3 {
		t.Fatalf("%d planes, %v", len(got.planes), err)
	}
	for i, index := range m.Pix {
		want := palette.WebSafe[index].(color.RGBA)
		if c := (color.RGBA{got.planes[0].Pix[i], got.planes[1].Pix[i], got.planes[2].Pix[i], 255}); c != want {
			t.Fatalf("pixel %d is %v, want %v", i, c, want)
		}
	}
}
