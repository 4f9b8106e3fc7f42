package thumb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"testing"

	"tintype/thumb/sample"
)

// stored returns m as a camera would store it with orientation o: the inverse of turn, written the slow and obvious way.
func stored(m image.Image, o int) *image.RGBA {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	size := image.Rect(0, 0, w, h)
	if o >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			// Row 0 and column 0 of the file are these sides of the scene, says EXIF.
			at := map[int]image.Point{
				1: {x, y},                 // top, left
				2: {w - 1 - x, y},         // top, right
				3: {w - 1 - x, h - 1 - y}, // bottom, right
				4: {x, h - 1 - y},         // bottom, left
				5: {y, x},                 // left, top
				6: {y, w - 1 - x},         // right, top
				7: {h - 1 - y, w - 1 - x}, // right, bottom
				8: {h - 1 - y, x},         // left, bottom
			}[o]
			out.Set(at.X, at.Y, m.At(x, y))
		}
	}
	return out
}

func TestTurnIsExact(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {7, 5}, {5, 8}, {1, 9}} {
		scene := sample.New(size.X, size.Y)
		seen := image.NewGray(image.Rectangle{Max: size})
		for i := range scene.Pix {
			scene.Pix[i], seen.Pix[i] = uint8(i), uint8(i)
		}
		for o := 1; o <= 8; o++ {
			m := stored(seen, o)
			p := sample.Plane{Stride: m.Rect.Dx() + 3, Width: m.Rect.Dx(), Height: m.Rect.Dy()}
			for y := range p.Height {
				for x := range p.Stride {
					p.Pix = append(p.Pix, m.RGBAAt(x, y).R) // 0 beyond the side
				}
			}
			got := turn(p, orientation(o))
			for y := range scene.Height {
				if got.Width != scene.Width || got.Height != scene.Height || !bytes.Equal(got.Row(y), scene.Row(y)) {
					t.Fatalf("%v stored as %d: %+v", size, o, got)
				}
			}
		}
	}
}

func TestEveryOrientationLooksTheSame(t *testing.T) {
	scene := corners(60, 40)
	for o := 1; o <= 8; o++ {
		exif := exifBlock(binary.LittleEndian, o)
		photo := withExif(encoded(t, JPEG, stored(scene, o)), exif)
		plainPNG := encoded(t, PNG, stored(scene, o))
		art := append(append(bytes.Clone(plainPNG[:33]), pngChunk("eXIf", exif)...), plainPNG[33:]...)
		late := append(append(bytes.Clone(plainPNG[:len(plainPNG)-12]), pngChunk("eXIf", exif)...), plainPNG[len(plainPNG)-12:]...)
		for name, data := range map[string][]byte{"JPEG": photo, "PNG": art, "PNG with EXIF behind its pixels": late} {
			for _, size := range []int{30, 1000} {
				t.Run(fmt.Sprintf("%s stored as %d at %d", name, o, size), func(t *testing.T) {
					pic, err := Stat(data, Limits{})
					if err != nil || pic.Width != 60 || pic.Height != 40 {
						t.Fatalf("Stat = %+v, %v, want 60x40", pic, err)
					}
					made, err := Make(data, Limits{}, size)
					if err != nil {
						t.Fatal(err)
					}
					want := resampledScene(scene, size)
					if d := difference(t, decoded(t, made[0]), want); d > 8 {
						t.Errorf("differs by %.1f of 255", d)
					}
				})
			}
		}
	}
}

func resampledScene(scene *image.RGBA, size int) image.Image {
	w, h := Fit(scene.Rect.Dx(), scene.Rect.Dy(), size)
	return corners(w, h)
}

// The photographs carry their sides as text, so they were looked at once; here they are held against the upright one.
func TestPhotographsStandUpright(t *testing.T) {
	first, err := Make(file(t, "landscape_1.jpg"), Limits{}, 90)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"oriented.png", "oriented.webp"}
	for o := 2; o <= 8; o++ {
		names = append(names, fmt.Sprintf("landscape_%d.jpg", o))
	}
	for _, name := range names {
		made, err := Make(file(t, name), Limits{}, 90)
		if err != nil {
			t.Fatal(err)
		}
		// The digit in the middle differs; a photo that lies on its side differs by 70 and more.
		if d := difference(t, decoded(t, made[0]), decoded(t, first[0])); d > 8 {
			t.Errorf("%s differs from the upright one by %.1f of 255", name, d)
		}
	}
}

func TestExifOrientation(t *testing.T) {
	good := exifBlock(binary.BigEndian, 6)
	change := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	second := append(bytes.Clone(good[:10]), bytes.Repeat([]byte{1}, 12)...)
	second = append(second, good[10:]...)
	second[9] = 2
	for _, tt := range []struct {
		name string
		exif []byte
		want orientation
	}{
		{"big-endian", good, 6},
		{"little-endian", exifBlock(binary.LittleEndian, 8), 8},
		{"with the name that JPEG puts in front", append([]byte("Exif\x00\x00"), good...), 6},
		{"the second entry", second, 6},
		{"nothing", nil, 1},
		{"a value of 0", exifBlock(binary.BigEndian, 0), 1},
		{"a value of 9", exifBlock(binary.BigEndian, 9), 1},
		{"a value of 65535", exifBlock(binary.LittleEndian, 65535), 1},
		{"neither byte order", change(0, 'X', 'X'), 1},
		{"mixed byte orders", change(2, '*', 0), 1},
		{"a directory beyond the end", change(4, 0, 0, 0, 0xff), 1},
		{"a directory at the last byte", change(4, 0, 0, 0, byte(len(good)-1)), 1},
		{"a directory at 4 GB", change(4, 0xff, 0xff, 0xff, 0xff), 1},
		{"more entries than bytes", change(8, 0xff, 0xff), 6},
		{"no entries", change(8, 0, 0), 1},
		{"a value of another type", change(12, 0, 4), 1},
		{"two values", change(14, 0, 0, 0, 2), 1},
		{"an entry cut short", good[:len(good)-8], 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := exifOrientation(tt.exif); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
