package thumb

import (
	"errors"
	"image"
	"image/color"

	"tintype/thumb/gif"
	"tintype/thumb/sample"
)

// gifLayout has alpha where a colour is transparent or the frame leaves something open.
func gifLayout(p *gif.Picture) layout {
	m := rgb
	if p.Transparent || p.Frame != image.Rect(0, 0, p.Width, p.Height) {
		m = rgba
	}
	return alike(m, channels[m], p.Width, p.Height)
}

func gifSource(p *gif.Picture, check func() error) *source {
	s := &source{layout: gifLayout(p)}
	s.rows = func(sink func(int, int, sample.Plane) error) error {
		c := newGIFCanvas(p, s, sink)
		if err := c.open(0, p.Frame.Min.Y, check); err != nil {
			return err
		}
		if err := p.Rows(check, c.row); err != nil {
			return err
		}
		if p.Frame.Empty() {
			return errors.New("empty frame")
		}
		return c.open(p.Frame.Max.Y, p.Height, check)
	}
	return s
}

// gifCanvas lays the rows of the frame on those of the whole picture.
type gifCanvas struct {
	frame   image.Rectangle
	colours [256]uint32 // their first byte is the lowest; either opaque or 0, so the same when multiplied by alpha
	parts   []sample.Plane
	empty   sample.Plane
	to      *source
	sink    func(plane, y int, band sample.Plane) error
}

func newGIFCanvas(p *gif.Picture, to *source, sink func(int, int, sample.Plane) error) *gifCanvas {
	c := &gifCanvas{frame: p.Frame, empty: sample.New(p.Width, 1), to: to, sink: sink}
	for range to.planes {
		c.parts = append(c.parts, sample.New(p.Width, 1))
	}
	for i, colour := range p.Palette {
		c.colours[i] = le.Uint32(colour[:])
	}
	return c
}

// open hands out the rows from y up to end, in which there is no frame.
func (c *gifCanvas) open(y, end int, check func() error) error {
	for ; y < end; y++ {
		if err := check(); err != nil {
			return err
		}
		c.to.transparent = true
		for i := range c.parts {
			if err := c.sink(i, y, c.empty); err != nil {
				return err
			}
		}
	}
	return nil
}

// row hands out row y of the frame.
func (c *gifCanvas) row(y int, indices []uint8) error {
	var part [4][]uint8
	for i, p := range c.parts {
		part[i] = p.Pix[c.frame.Min.X:c.frame.Max.X]
	}
	lookUp(&part, indices, &c.colours)
	if len(c.parts) == 4 && !isOpaque(c.parts[3].Pix) {
		c.to.transparent = true
	}
	for i, p := range c.parts {
		if err := c.sink(i, c.frame.Min.Y+y, p); err != nil {
			return err
		}
	}
	return nil
}

// lookUp writes the colours of the indices to r, g, b and, if there is one, alpha.
func lookUp(part *[4][]uint8, indices []uint8, colours *[256]uint32) {
	r, g, b := part[0][:len(indices)], part[1][:len(indices)], part[2][:len(indices)]
	if part[3] == nil {
		for x, index := range indices {
			c := colours[index]
			r[x], g[x], b[x] = uint8(c), uint8(c>>8), uint8(c>>16)
		}
		return
	}
	alpha := part[3][:len(indices)]
	for x, index := range indices {
		c := colours[index]
		r[x], g[x], b[x], alpha[x] = uint8(c), uint8(c>>8), uint8(c>>16), uint8(c>>24)
	}
}

// palettedSource looks every pixel up.
func palettedSource(m *image.Paletted, check func() error) *source {
	colours := paletteColours(m.Palette)
	return rowSource(rgb, m.Rect.Dx(), m.Rect.Dy(), false, check, func(y int, row []uint8) {
		indices := m.Pix[y*m.Stride:]
		for x := 0; 3*x < len(row); x++ {
			copy(row[3*x:][:3], colours[indices[x]][:])
		}
	})
}

// paletteColours returns p, of a bitmap and so opaque. What a pixel may have beyond its end is black.
func paletteColours(p color.Palette) (colours [256][3]uint8) {
	for i, c := range p[:min(len(p), len(colours))] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		colours[i] = [3]uint8{n.R, n.G, n.B}
	}
	return colours
}
