package thumb

import (
	"bytes"
	"fmt"
	"image"
	"time"

	"golang.org/x/image/webp"

	"tintype/thumb/sample"
)

// Picture is what can be said about a picture without its pixels. Width and Height are those a viewer shows, after the EXIF
// orientation; both are at least 1.
type Picture struct {
	Format        Format
	Width, Height int
}

// Thumbnail is a picture that this package made: what it is, and its bytes.
type Thumbnail struct {
	Picture
	Data []byte
}

// Stat tells what picture data holds, from its headers only: it decodes no pixels and allocates nothing in proportion to them. A
// JPEG's markers are counted to its end.
//
// It returns ErrFormat, ErrUnsupported, ErrDamaged or ErrTooLarge where Make would for the same reason. The reverse does not hold: a
// picture that Stat takes may still end early.
func Stat(data []byte, lim Limits) (Picture, error) {
	hdr, err := readHeader(data, lim, false)
	if err != nil {
		return Picture{}, err
	}
	return hdr.picture(), nil
}

// StatHead is Stat for the first bytes of a picture that is too large to be looked at whole; a few megabytes have the headers of
// any. What only comes behind them is missed: more scans of a JPEG, and the orientation of a WebP.
func StatHead(head []byte, lim Limits) (Picture, error) {
	if Sniff(head) != WebP {
		return Stat(head, lim)
	}
	var c image.Config
	if err := guarded(func() (err error) { c, err = webp.DecodeConfig(bytes.NewReader(head)); return err }); err != nil {
		return Picture{}, err
	}
	if err := lim.check(c.Width, c.Height); err != nil {
		return Picture{}, err
	}
	return Picture{WebP, c.Width, c.Height}, nil
}

// Make returns one thumbnail of data for each of sizes, in their order: long side at most the size, in proportion, never enlarged,
// upright, without metadata. Sizes below 1 count as 1. The picture is decoded once; without sizes, Make only finds out whether it
// can be.
//
// A JPEG gives JPEGs; another format gives PNGs where any pixel of the picture is not opaque, and JPEGs otherwise. The errors are
// those of Stat, ErrTooSlow, and what lim.Admit returns.
func Make(data []byte, lim Limits, sizes ...int) ([]Thumbnail, error) {
	hdr, err := readHeader(data, lim, true)
	if err != nil {
		return nil, err
	}
	wanted := hdr.fit(sizes)
	done, err := lim.admit(hdr.need(wanted))
	if err != nil {
		return nil, err
	}
	defer done()
	var canvases []*canvas
	defer func() {
		for _, c := range canvases {
			c.free()
		}
	}()
	var src *source
	err = guarded(func() error {
		src, err = hdr.open(data, wanted, time.Now().Add(lim.withDefaults().Deadline))
		if err != nil {
			return err
		}
		for _, size := range wanted {
			canvases = append(canvases, src.newCanvas(size.X, size.Y, hdr.orientation))
		}
		return src.rows(func(plane, y int, band sample.Plane) error {
			for _, c := range canvases {
				c.take(plane, y, band)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	var made []Thumbnail
	for i, c := range canvases {
		to := JPEG
		if c.transparent = src.transparent; c.transparent {
			to = PNG
		}
		t, err := c.encode(to)
		if err != nil {
			return nil, fmt.Errorf("thumb: make %d: %w", sizes[i], err)
		}
		made = append(made, t)
	}
	return made, nil
}

// fit returns the thumbnails' sizes, upright.
func (hdr header) fit(sizes []int) []image.Point {
	pic := hdr.picture()
	fitted := make([]image.Point, len(sizes))
	for i, size := range sizes {
		fitted[i].X, fitted[i].Y = Fit(pic.Width, pic.Height, size)
	}
	return fitted
}
