package thumb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"testing"
)

func TestConvert(t *testing.T) {
	sideways := withExif(encoded(t, JPEG, stored(corners(60, 40), 6)), exifBlock(binary.BigEndian, 6))
	for _, to := range []Format{JPEG, PNG, GIF, BMP} {
		for _, tt := range []struct {
			name string
			size image.Point
		}{
			{"the same size", image.Pt(60, 40)},
			{"smaller", image.Pt(30, 20)},
			{"larger", image.Pt(120, 80)},
			{"stretched", image.Pt(20, 90)},
			{"one pixel", image.Pt(1, 1)},
		} {
			t.Run(fmt.Sprintf("%v of %s", to, tt.name), func(t *testing.T) {
				got, err := Convert(sideways, Limits{}, to, tt.size.X, tt.size.Y)
				if err != nil {
					t.Fatal(err)
				}
				if want := (Picture{to, tt.size.X, tt.size.Y}); got.Picture != want {
					t.Fatalf("%+v, want %+v", got.Picture, want)
				}
				m := decoded(t, got)
				limit := 8.0
				if to == GIF { // dithered
					limit = 16
				}
				if d := difference(t, m, corners(tt.size.X, tt.size.Y)); tt.size.X > 1 && d > limit {
					t.Errorf("differs by %.1f of 255", d)
				}
			})
		}
	}
}

func TestConvertEveryFormat(t *testing.T) {
	for _, name := range []string{"photo.jpg", "gray.jpg", "cmyk.jpg", "alpha.png", "palette.png", "sixteen.png", "animated.gif", "picture.bmp",
		"lossy.webp", "alpha.webp"} {
		for _, to := range []Format{JPEG, PNG, GIF, BMP} {
			got, err := Convert(file(t, name), Limits{}, to, 50, 40)
			if err != nil {
				t.Errorf("%s to %v: %v", name, to, err)
				continue
			}
			decoded(t, got)
		}
	}
}

func TestConvertTransparentPixels(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16)) // transparent black, and half of it red
	for y := range 16 {
		for x := range 8 {
			m.SetNRGBA(x, y, color.NRGBA{255, 0, 0, 255})
		}
	}
	data := encoded(t, PNG, m)
	white := color.NRGBA{255, 255, 255, 255}
	for to, want := range map[Format]color.NRGBA{JPEG: white, BMP: white, PNG: {}, GIF: {}} {
		for _, size := range []int{16, 32} {
			got, err := Convert(data, Limits{}, to, size, size)
			if err != nil {
				t.Fatal(err)
			}
			c := color.NRGBAModel.Convert(decoded(t, got).At(size-1, size/2)).(color.NRGBA)
			if white := min(c.R, c.G, c.B) > 250; c != want && !(to == JPEG && white) {
				t.Errorf("%v of %d: the transparent side is %v, want %v", to, size, c, want)
			}
			c = color.NRGBAModel.Convert(decoded(t, got).At(1, size/2)).(color.NRGBA)
			if c.R < 240 || c.G > 15 || c.B > 15 || c.A != 255 {
				t.Errorf("%v of %d: the red side is %v", to, size, c)
			}
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	data := encoded(t, PNG, corners(60, 40))
	for _, tt := range []struct {
		name string
		data []byte
		lim  Limits
		to   Format
		w, h int
		want error
	}{
		{"a format that is only read", data, Limits{}, WebP, 10, 10, ErrFormat},
		{"no format", data, Limits{}, 0, 10, 10, ErrFormat},
		{"a width of 0", data, Limits{}, PNG, 0, 10, ErrScaling},
		{"a negative height", data, Limits{}, PNG, 10, -1, ErrScaling},
		{"a side beyond the limit", data, Limits{}, PNG, 32768, 1, ErrTooLarge},
		{"more pixels than the limit", data, Limits{}, PNG, 10000, 5001, ErrTooLarge},
		{"a source beyond the limit", data, Limits{Pixels: 60*40 - 1}, PNG, 10, 10, ErrTooLarge},
		{"no picture", []byte("hello"), Limits{}, PNG, 10, 10, ErrFormat},
		{"half a picture", data[:len(data)/2], Limits{}, PNG, 10, 10, ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Convert(tt.data, tt.lim, tt.to, tt.w, tt.h)
			if !errors.Is(err, tt.want) || got.Data != nil || got.Picture != (Picture{}) {
				t.Errorf("%+v, %v, want %v", got.Picture, err, tt.want)
			}
		})
	}
}
