package thumb

import (
	"image"
	"image/color"

	"tintype/thumb/jpeg"
	"tintype/thumb/png"
	"tintype/thumb/resample"
	"tintype/thumb/sample"
)

// model says what the planes of a picture mean.
type model uint8

const (
	gray model = iota + 1
	ycc        // as JFIF has it; Cb and Cr may be smaller than Y
	rgb
	rgba // premultiplied
	cmyk // 255 is no ink
	ycck // the ycc of cyan, magenta and yellow, where 255 is all ink, and the black of cmyk
)

// layout is how a picture comes: which planes, and what they cover of it.
type layout struct {
	model  model
	planes []resample.Source // each with its extents
}

// alike returns the layout of n planes of w x h.
func alike(m model, n, w, h int) layout {
	l := layout{model: m}
	for range n {
		l.planes = append(l.planes, plane(w, h, float64(w), float64(h)))
	}
	return l
}

func plane(w, h int, extentX, extentY float64) resample.Source {
	return resample.Source{Width: w, Height: h, ExtentX: extentX, ExtentY: extentY}
}

// source is a picture whose rows are to come, as stored: not turned upright.
type source struct {
	layout

	// rows decodes the picture and gives sink the rows of each plane in their order, several at a time; those of different planes
	// take turns. sink must not keep or change a band. rows is called once.
	rows func(sink func(plane, y int, band sample.Plane) error) error

	transparent bool // of rgba, known when rows has returned: a pixel is not opaque
}

var jpegModels = map[jpeg.Model]model{jpeg.Gray: gray, jpeg.YCbCr: ycc, jpeg.RGB: rgb, jpeg.CMYK: cmyk, jpeg.YCCK: ycck}

// jpegLayout is that of p at n/8.
func jpegLayout(p *jpeg.Picture, n int) layout {
	l := layout{model: jpegModels[p.Model]}
	for c := range p.Components {
		s := p.Size(c, n)
		l.planes = append(l.planes, plane(s.Width, s.Height, s.ExtentX, s.ExtentY))
	}
	return l
}

func jpegSource(p *jpeg.Picture, n int, check func() error) *source {
	return &source{layout: jpegLayout(p, n), rows: func(sink func(int, int, sample.Plane) error) error {
		return p.Decode(n, check, sink)
	}}
}

// oversampling is how many times larger than its thumbnail a JPEG is decoded at least, for the filter to do its work: with less, a
// difference from the filtered full size begins to show.
const oversampling = 1.4

// scaleFor returns the n of the smallest n/8 of w x h that leaves w2 x h2 that much.
func scaleFor(w, h, w2, h2 int) int {
	n := 1
	for n < 8 && (float64(n*w) < 8*oversampling*float64(w2) || float64(n*h) < 8*oversampling*float64(h2)) {
		n++
	}
	return n
}

func pngLayout(p *png.Picture) layout {
	m := rgb
	switch {
	case p.Alpha:
		m = rgba
	case p.Gray:
		m = gray
	}
	return alike(m, channels[m], p.Width, p.Height)
}

func pngSource(p *png.Picture, check func() error) *source {
	s := &source{layout: pngLayout(p)}
	s.rows = func(sink func(int, int, sample.Plane) error) error {
		return p.Rows(check, s.splitter(p.Width, false, sink))
	}
	return s
}

// frameSource is for what decoders of frames return, with the first pixel at 0,0: *image.YCbCr of 4:2:0, *image.NYCbCrA of it,
// *image.Paletted, *image.NRGBA or *image.RGBA without gaps between rows.
func frameSource(img image.Image, check func() error) *source {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	switch m := img.(type) {
	case *image.YCbCr:
		return planeSource(m, check)
	case *image.NYCbCrA:
		return rowSource(rgba, w, h, false, check, func(y int, row []uint8) {
			for x := range w {
				c := m.YCbCrAt(x, y)
				p := (*[4]uint8)(row[4*x:])
				p[0], p[1], p[2] = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				p[3] = m.A[y*m.AStride+x]
			}
		})
	case *image.Paletted:
		return palettedSource(m, check)
	case *image.NRGBA:
		return rowSource(rgba, w, h, false, check, func(y int, row []uint8) { copy(row, m.Pix[y*m.Stride:]) })
	}
	m := img.(*image.RGBA)
	return rowSource(rgba, w, h, true, check, func(y int, row []uint8) { copy(row, m.Pix[y*m.Stride:]) })
}

func planeSource(m *image.YCbCr, check func() error) *source {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	chroma := plane((w+1)/2, (h+1)/2, float64(w)/2, float64(h)/2)
	l := alike(ycc, 1, w, h)
	l.planes = append(l.planes, chroma, chroma)
	strides := [3]int{m.YStride, m.CStride, m.CStride}
	return &source{layout: l, rows: func(sink func(int, int, sample.Plane) error) error {
		for i, pix := range [3][]uint8{m.Y, m.Cb, m.Cr} {
			band := sample.Plane{Pix: pix, Stride: strides[i], Width: l.planes[i].Width}
			for y := 0; y < l.planes[i].Height; y += band.Height {
				if err := check(); err != nil {
					return err
				}
				band.Pix, band.Height = pix[y*band.Stride:], min(16, l.planes[i].Height-y)
				if err := sink(i, y, band); err != nil {
					return err
				}
			}
		}
		return nil
	}}
}

var channels = map[model]int{gray: 1, rgb: 3, rgba: 4}

// rowSource is of rows that read writes one at a time, of w pixels. premultiplied says whether the colours of four channels are.
func rowSource(m model, w, h int, premultiplied bool, check func() error, read func(y int, row []uint8)) *source {
	s := &source{layout: alike(m, channels[m], w, h)}
	s.rows = func(sink func(int, int, sample.Plane) error) error {
		split := s.splitter(w, premultiplied, sink)
		row := make([]uint8, w*channels[m])
		for y := range h {
			if err := check(); err != nil {
				return err
			}
			read(y, row)
			if err := split(y, row); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}
