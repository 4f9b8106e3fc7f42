package thumb

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/bmp"
)

// header is what the bytes before the pixels say. Its sides have been held against the limits.
type header struct {
	format        Format
	width, height int // as stored; of an animation, the canvas
	orientation   orientation
	cmyk          bool     // a JPEG of four channels
	webp          webpFile // of a WebP
}

func (hdr header) picture() Picture {
	w, h := hdr.orientation.size(hdr.width, hdr.height)
	return Picture{Format: hdr.format, Width: w, Height: h}
}

// readHeader is the gate: whatever decodes pixels does so with a header from here.
func readHeader(data []byte, lim Limits) (header, error) {
	hdr := header{format: Sniff(data), orientation: upright}
	if hdr.format == 0 {
		return header{}, fmt.Errorf("%w: %d bytes beginning %q", ErrFormat, len(data), data[:min(len(data), 8)])
	}
	if err := guarded(func() error { return hdr.readSize(data) }); err != nil {
		return header{}, err
	}
	if hdr.width < 1 || hdr.height < 1 {
		return header{}, fmt.Errorf("%w: %v of %dx%d", ErrDamaged, hdr.format, hdr.width, hdr.height)
	}
	if err := lim.check(hdr.width, hdr.height); err != nil {
		return header{}, err
	}
	switch hdr.format {
	case JPEG:
		found := walkJPEG(data)
		if hdr.cmyk && !found.adobe { // the decoder finds out after its work
			return header{}, fmt.Errorf("%w: CMYK without Adobe's marker", ErrDamaged)
		}
		if err := checkScans(found.scans, hdr.width, hdr.height); err != nil {
			return header{}, err
		}
		hdr.orientation = found.orientation
	case PNG:
		hdr.orientation = pngOrientation(data)
	case WebP:
		hdr.orientation = exifOrientation(hdr.webp.exif)
	}
	return hdr, nil
}

func (hdr *header) readSize(data []byte) error {
	var c image.Config
	var err error
	r := bytes.NewReader(data)
	switch hdr.format {
	case JPEG:
		c, err = jpeg.DecodeConfig(r)
		hdr.cmyk = c.ColorModel == color.CMYKModel
	case PNG:
		c, err = png.DecodeConfig(r)
	case GIF:
		c, err = gif.DecodeConfig(r)
	case BMP:
		c, err = bmp.DecodeConfig(r)
	case WebP:
		hdr.webp, err = parseWebP(data)
		c.Width, c.Height = hdr.webp.canvas.X, hdr.webp.canvas.Y
	}
	hdr.width, hdr.height = c.Width, c.Height
	return err
}

// guarded calls f, which runs a decoder on a stranger's bytes, and returns its error as ErrDamaged. A panic of the decoder is one
// too: it is our server that would end, for a picture that is of no use anyway.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the decoder panicked: %v", ErrDamaged, p)
		}
	}()
	if err := f(); err != nil {
		if errors.Is(err, ErrTooSlow) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
