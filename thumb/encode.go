package thumb

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/png"

	"golang.org/x/image/bmp"

	"tintype/thumb/jpeg"
)

// jpegQuality is where the eye stops to see a difference on a screen; 90 would be half as large again.
const jpegQuality = 80

// slowPixels is from where on a PNG is compressed less, which makes it a tenth to a fifth larger: hostile pixels take over a second a
// megapixel otherwise.
const slowPixels = 1 << 18

// encode writes c without any metadata, and uses it up. JPEG and BMP get it on white where it is transparent: the alpha of a BMP is
// ignored by most viewers. What is not a JPEG must have planes of one size.
func (c *canvas) encode(to Format) (t Thumbnail, err error) {
	err = recovered(func() error { t, err = c.encoded(to); return err })
	return t, err
}

func (c *canvas) encoded(to Format) (Thumbnail, error) {
	var b bytes.Buffer
	var err error
	t := Thumbnail{Picture: Picture{to, c.w, c.h}}
	switch to {
	case JPEG:
		t.Data, err = jpeg.Encode(nil, c.w, c.h, c.jpegPlanes(), jpegQuality)
	case PNG:
		level := png.DefaultCompression
		if c.w*c.h > slowPixels {
			level = png.BestSpeed
		}
		err = (&png.Encoder{CompressionLevel: level}).Encode(&b, c.image())
	case GIF:
		err = gif.Encode(&b, c.toPalette(), nil)
	case BMP:
		c.overWhite()
		err = bmp.Encode(&b, c.image())
	default:
		err = fmt.Errorf("%w: %v is not written", ErrFormat, to)
	}
	if err != nil {
		return Thumbnail{}, err
	}
	if to != JPEG {
		t.Data = b.Bytes()
	}
	return t, nil
}

// toPalette returns c in the 255 colours of a general palette, dithered, and one more for the pixels that are more transparent
// than not: a GIF has nothing between.
func (c *canvas) toPalette() *image.Paletted {
	const transparent = 255
	var alpha []uint8
	if c.transparent {
		alpha = c.planes[3].Pix
	}
	c.overWhite()
	r := image.Rect(0, 0, c.w, c.h)
	out := image.NewPaletted(r, palette.Plan9[:transparent])
	draw.FloydSteinberg.Draw(out, r, c.image(), image.Point{})
	if alpha != nil {
		out.Palette = append(append(color.Palette{}, out.Palette...), color.Transparent)
	}
	for i, a := range alpha {
		if a < 0x80 {
			out.Pix[i] = transparent
		}
	}
	return out
}
