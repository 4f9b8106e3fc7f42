package thumb

import (
	"fmt"
	"image"
	"time"

	"github.com/nfnt/resize"

	"tintype/thumb/sample"
)

// Convert returns the picture in data as another one: of format to and of exactly width x height, each at least 1, upright and
// without metadata. It enlarges and distorts if that is what the size asks; a size below 1 is ErrScaling, and one beyond lim is
// ErrTooLarge. Of an animation it takes the first frame. Other errors are those of Make.
//
// The filter is Lanczos of two lobes over the whole picture, as the gainImage call of dfsapi always had. A JPEG is of quality 80.
// JPEG and BMP have transparent pixels over white; GIF has 255 colours and pixels that are transparent or not. WebP cannot be
// written and is ErrFormat.
func Convert(data []byte, lim Limits, to Format, width, height int) (Thumbnail, error) {
	if width < 1 || height < 1 {
		return Thumbnail{}, fmt.Errorf("%w: convert to %dx%d", ErrScaling, width, height)
	}
	if err := lim.check(width, height); err != nil {
		return Thumbnail{}, err
	}
	hdr, err := readHeader(data, lim, true)
	if err != nil {
		return Thumbnail{}, err
	}
	whole := hdr.fit([]int{max(hdr.width, hdr.height)})
	done, err := lim.admit(hdr.convertNeed(width, height))
	if err != nil {
		return Thumbnail{}, err
	}
	defer done()
	var c *canvas
	err = guarded(func() error {
		src, err := hdr.open(data, whole, time.Now().Add(lim.withDefaults().Deadline))
		if err == nil {
			c, err = src.frame()
		}
		return err
	})
	if err != nil {
		return Thumbnail{}, err
	}
	c.stretch(width, height, hdr.orientation)
	t, err := c.encode(to)
	if err != nil {
		return Thumbnail{}, fmt.Errorf("thumb: convert to %v: %w", to, err)
	}
	return t, nil
}

// frame returns all planes of s as they come, some perhaps smaller than others.
func (s *source) frame() (*canvas, error) {
	c := &canvas{model: s.model}
	for _, p := range s.planes {
		c.planes = append(c.planes, sample.New(p.Width, p.Height))
	}
	err := s.rows(func(plane, y int, band sample.Plane) error {
		for i := range band.Height {
			copy(c.planes[plane].Row(y+i), band.Row(i))
		}
		return nil
	})
	c.transparent = s.transparent
	return c, err
}

// stretch makes all planes of c, which is stored as o, w x h and upright.
func (c *canvas) stretch(w, h int, o orientation) {
	c.w, c.h = w, h
	w, h = o.size(w, h)
	for i, p := range c.planes {
		if p.Width != w || p.Height != h {
			from := &image.Gray{Pix: p.Pix, Stride: p.Stride, Rect: image.Rect(0, 0, p.Width, p.Height)}
			to := resize.Resize(uint(w), uint(h), from, resize.Lanczos2).(*image.Gray)
			p = sample.Plane{Pix: to.Pix, Stride: to.Stride, Width: w, Height: h}
		}
		c.planes[i] = turn(p, o)
	}
}
