package thumb

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/bmp"
)

// jpegQuality is where the eye stops to see a difference on a screen; 90 would be half as large again.
const jpegQuality = 80

// encode writes img, of a kind that plain returns, without any metadata. JPEG and BMP get it on white where it is transparent: the
// alpha of a BMP is ignored by most viewers.
func encode(img image.Image, to Format) (Thumbnail, error) {
	var b bytes.Buffer
	var err error
	switch to {
	case JPEG:
		err = jpeg.Encode(&b, overWhite(img), &jpeg.Options{Quality: jpegQuality})
	case PNG:
		if _, ok := img.(*image.YCbCr); ok { // which the encoder would ask for pixel by pixel
			img = toRGBA(img)
		}
		err = png.Encode(&b, img)
	case GIF:
		err = gif.Encode(&b, toPalette(img), nil)
	case BMP:
		err = bmp.Encode(&b, toRGBA(overWhite(img)))
	default:
		err = fmt.Errorf("%w: %v is not written", ErrFormat, to)
	}
	if err != nil {
		return Thumbnail{}, err
	}
	size := img.Bounds().Size()
	return Thumbnail{Picture{to, size.X, size.Y}, b.Bytes()}, nil
}

// toPalette returns img in the 255 colours of a general palette, dithered, and one more for the pixels that are more transparent
// than not: a GIF has nothing between.
func toPalette(img image.Image) *image.Paletted {
	const transparent = 255
	r := image.Rectangle{Max: img.Bounds().Size()}
	out := image.NewPaletted(r, palette.Plan9[:transparent])
	draw.FloydSteinberg.Draw(out, r, overWhite(img), image.Point{})
	if opaque(img) {
		return out
	}
	out.Palette = append(append(color.Palette{}, out.Palette...), color.Transparent)
	m := toRGBA(img)
	for y := range r.Dy() {
		for x := range r.Dx() {
			if m.Pix[y*m.Stride+4*x+3] < 0x80 {
				out.Pix[y*out.Stride+x] = transparent
			}
		}
	}
	return out
}
