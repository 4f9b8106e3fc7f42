package thumb

import (
	"image"
	"slices"
	"sync"

	"tintype/thumb/resample"
	"tintype/thumb/sample"
)

// canvas is a picture in the making: upright planes of w x h samples, but for the Cb and Cr of ycc, which may have half of both.
type canvas struct {
	model  model
	w, h   int
	planes []sample.Plane

	transparent bool // of rgba
	resizers    []*resample.Resizer
	memory      *[]uint8 // what the planes are part of
}

// memories are of canvases that are done.
var memories = sync.Pool{New: func() any { return new([]uint8) }}

// What it may take to encode a canvas: for each pixel the codes of noise, or its PNG from a frame with alpha; and what compresses that.
const (
	jpegBytes    = 10
	pngBytes     = 20
	encoderBytes = 1 << 20
)

// need returns the bytes that a canvas of w x h, upright, allocates until it is encoded.
func (l layout) need(w, h int, o orientation) int64 {
	need := int64(encoderBytes)
	if l.model == rgba {
		need += int64(w) * int64(h) * pngBytes
	} else {
		need += int64(w) * int64(h) * jpegBytes
	}
	for i := range l.planes {
		src, w, h := l.part(i, w, h, o)
		need += resample.Need(src, w, h) + int64(w)*int64(h)
	}
	return need
}

// newCanvas returns a canvas of w x h, upright, for a picture that is stored as o and whose rows are to come.
func (l layout) newCanvas(w, h int, o orientation) *canvas {
	c := &canvas{model: l.model, w: w, h: h, memory: memories.Get().(*[]uint8)}
	*c.memory = slices.Grow((*c.memory)[:0], len(l.planes)*w*h)
	free := (*c.memory)[:len(l.planes)*w*h]
	for i := range l.planes {
		src, w, h := l.part(i, w, h, o)
		p := sample.Plane{Pix: free[:w*h]}
		p.Width, p.Height = o.size(w, h)
		p.Stride, free = p.Width, free[w*h:]
		c.planes = append(c.planes, p)
		c.resizers = append(c.resizers, resample.New(src, w, h, int(o), p))
	}
	return c
}

// free lets another canvas have the memory of c, which is not used again.
func (c *canvas) free() {
	if cap(*c.memory) <= maxKept {
		memories.Put(c.memory)
	}
}

// maxKept is the memory that is kept for another canvas, in bytes: that of 1024 pixels has 3 MB at most.
const maxKept = 4 << 20

// part returns what of plane i goes into a picture that is w x h when upright, and the size that the plane has there, as stored. The
// chroma of a JPEG is half as wide and high, rounded up.
func (l layout) part(i, w, h int, o orientation) (resample.Source, int, int) {
	w, h = o.size(w, h)
	src := l.planes[i]
	if l.model != ycc || i == 0 || min(w, h) < narrow {
		return src, w, h
	}
	src.X, src.ExtentX = halfGrid(src.ExtentX, w, o.flipsX())
	src.Y, src.ExtentY = halfGrid(src.ExtentY, h, o.flipsY())
	return src, (w + 1) / 2, (h + 1) / 2
}

// narrow is a side of a thumbnail that has chroma of full size until it is encoded: of an odd number of pixels, halfGrid lays the last
// sample on the edge of the picture, half a pixel from its place, and where there are few that shows.
const narrow = 32

// halfGrid returns which part of a side of chroma, where size pixels cover extent samples, its samples in the thumbnail cover. They
// stand between two pixels each, so of an odd number the last covers a pixel that is not there: in the upright picture, that is.
func halfGrid(extent float64, size int, flipped bool) (from, part float64) {
	part = extent * float64((size+1)/2*2) / float64(size)
	if flipped {
		from = extent - part
	}
	return from, part
}

// take gives rows of a plane to its resizer.
func (c *canvas) take(plane, y int, band sample.Plane) { c.resizers[plane].Rows(y, band) }

// toRGB makes the planes red, green, blue and, if they had, alpha.
func (c *canvas) toRGB() {
	if c.model == ycc || c.model == ycck {
		yccToRGB(c.planes[0].Pix, c.planes[1].Pix, c.planes[2].Pix)
	}
	if c.model == cmyk || c.model == ycck {
		for _, p := range c.planes[:3] {
			if c.model == ycck {
				invert(p.Pix)
			}
			multiply(p.Pix, c.planes[3].Pix)
		}
	}
	if c.model != rgba {
		c.model, c.planes = rgb, c.planes[:3]
	}
}

// overWhite makes c opaque, as it looks on white paper.
func (c *canvas) overWhite() {
	if !c.transparent {
		return
	}
	alpha := c.planes[3].Pix
	for _, p := range c.planes[:3] {
		for i, v := range p.Pix {
			p.Pix[i] = uint8(min(int(v)+255-int(alpha[i]), 255))
		}
	}
	c.model, c.planes, c.transparent = rgb, c.planes[:3], false
}

// jpegPlanes returns c as a JPEG stores it: gray, or with Cb and Cr of half the size. It uses c up.
func (c *canvas) jpegPlanes() []sample.Plane {
	if c.model == gray || c.model == ycc && c.planes[1].Width == (c.w+1)/2 && c.planes[1].Height == (c.h+1)/2 {
		return c.planes
	}
	c.overWhite()
	c.toRGB()
	y, cb, cr := rgbToYCC(c.planes[0], c.planes[1], c.planes[2])
	return []sample.Plane{y, cb, cr}
}

// image returns c as a picture for other encoders. Its planes must be of one size; it uses c up.
func (c *canvas) image() image.Image {
	if c.model == gray {
		return &image.Gray{Pix: c.planes[0].Pix, Stride: c.w, Rect: image.Rect(0, 0, c.w, c.h)}
	}
	c.toRGB()
	out := image.NewNRGBA(image.Rect(0, 0, c.w, c.h))
	r, g, b := c.planes[0].Pix, c.planes[1].Pix, c.planes[2].Pix
	for i := range r {
		p := (*[4]uint8)(out.Pix[4*i:])
		p[0], p[1], p[2], p[3] = r[i], g[i], b[i], 255
	}
	if c.transparent {
		for i, a := range c.planes[3].Pix {
			p := (*[4]uint8)(out.Pix[4*i:])
			p[0], p[1], p[2], p[3] = divide(p[0], a), divide(p[1], a), divide(p[2], a), a
		}
	}
	return out
}

// divide returns the colour that multiplied by a is v. The filter overshoots at edges, each channel by itself, so v may be above a.
func divide(v, a uint8) uint8 {
	if a == 0 {
		return 0
	}
	return uint8(min((uint32(v)*255+uint32(a)/2)/uint32(a), 255))
}
