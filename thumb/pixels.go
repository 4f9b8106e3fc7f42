package thumb

import (
	"image"
	"image/color"
	"image/draw"
)

// plain returns m as one of the four kinds of image that resample, turn and encode are quick and exact with: *image.YCbCr,
// *image.Gray, *image.RGBA or *image.NRGBA, with its first pixel at 0,0. It takes m over.
func plain(m image.Image) image.Image {
	r := image.Rectangle{Max: m.Bounds().Size()}
	switch m := m.(type) {
	case *image.YCbCr, *image.Gray, *image.RGBA, *image.NRGBA:
		if m.Bounds() == r {
			return m
		}
	case *image.Paletted:
		return unpalette(m)
	case *image.NYCbCrA:
		return joinAlpha(m)
	case *image.Gray16:
		return &image.Gray{Pix: highBytes(m.Pix), Stride: m.Stride / 2, Rect: r}
	case *image.RGBA64:
		return &image.RGBA{Pix: highBytes(m.Pix), Stride: m.Stride / 2, Rect: r}
	case *image.NRGBA64:
		return &image.NRGBA{Pix: highBytes(m.Pix), Stride: m.Stride / 2, Rect: r}
	}
	return toRGBA(m) // CMYK, and what a decoder may return one day
}

// unpalette looks every pixel up, since the resizer would do so for each of its samples. Colours of a GIF or PNG palette are not
// premultiplied.
func unpalette(m *image.Paletted) *image.NRGBA {
	var colours [256]color.NRGBA
	for i := range colours {
		colours[i].A = 0xff // a pixel outside of its palette is black
	}
	for i, c := range m.Palette[:min(len(m.Palette), 256)] {
		colours[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
	}
	out := image.NewNRGBA(image.Rectangle{Max: m.Rect.Size()})
	for y := range m.Rect.Dy() {
		dst := out.Pix[y*out.Stride:]
		for x, i := range m.Pix[y*m.Stride : y*m.Stride+m.Rect.Dx()] {
			c := colours[i]
			dst[4*x], dst[4*x+1], dst[4*x+2], dst[4*x+3] = c.R, c.G, c.B, c.A
		}
	}
	return out
}

// joinAlpha gives a picture the alpha that is stored beside it.
func joinAlpha(m *image.NYCbCrA) *image.NRGBA {
	rgba := toRGBA(&m.YCbCr)
	out := &image.NRGBA{Pix: rgba.Pix, Stride: rgba.Stride, Rect: rgba.Rect} // the same bytes while all is opaque
	for y := range out.Rect.Dy() {
		dst := out.Pix[y*out.Stride:]
		for x, a := range m.A[y*m.AStride : y*m.AStride+out.Rect.Dx()] {
			dst[4*x+3] = a
		}
	}
	return out
}

// highBytes returns the upper byte of each 16-bit sample.
func highBytes(pix []byte) []byte {
	out := make([]byte, len(pix)/2)
	for i := range out {
		out[i] = pix[2*i]
	}
	return out
}

// opaque reports whether every pixel of img, which is of a kind that plain returns, is opaque.
func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// toRGBA returns img with its first pixel at 0,0.
func toRGBA(img image.Image) *image.RGBA {
	r := image.Rectangle{Max: img.Bounds().Size()}
	if m, ok := img.(*image.RGBA); ok && m.Rect == r {
		return m
	}
	out := image.NewRGBA(r)
	put(out, image.Point{}, img)
	return out
}

// put copies all of img onto dst, with its first pixel at at.
func put(dst *image.RGBA, at image.Point, img image.Image) {
	r := image.Rectangle{at, at.Add(img.Bounds().Size())}
	draw.Draw(dst, r, img, img.Bounds().Min, draw.Src)
}

// overWhite returns img as it looks on white paper, opaque. A JPEG cannot say transparent, and black is what a transparent pixel
// holds most often.
func overWhite(img image.Image) image.Image {
	if m, ok := img.(*image.NRGBA); ok && m.Opaque() {
		return &image.RGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect} // the same bytes, and quicker to encode
	}
	if opaque(img) {
		return img
	}
	out := image.NewRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Over)
	return out
}
