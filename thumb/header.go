package thumb

import (
	"bytes"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/bmp"

	"tintype/thumb/gif"
	"tintype/thumb/jpeg"
	"tintype/thumb/png"
)

// header is what the bytes before the pixels say. Its sides have been held against the limits.
type header struct {
	format        Format
	width, height int // as stored; of an animation, the canvas
	orientation   orientation

	jpeg *jpeg.Picture // of a JPEG
	png  *png.Picture  // of a PNG
	gif  *gif.Picture  // of a GIF
	webp webpFile      // of a WebP
}

func (hdr header) picture() Picture {
	w, h := hdr.orientation.size(hdr.width, hdr.height)
	return Picture{Format: hdr.format, Width: w, Height: h}
}

// readHeader is the gate: whatever decodes pixels does so with a header from here, of the whole file. With only its head, a JPEG or
// a PNG may be cut off or broken behind what is needed to tell its size; there is no decoding it then.
func readHeader(data []byte, lim Limits, whole bool) (header, error) {
	hdr := header{format: Sniff(data), orientation: upright}
	if hdr.format == 0 {
		return header{}, fmt.Errorf("%w: %d bytes beginning %q", ErrFormat, len(data), data[:min(len(data), 8)])
	}
	if err := guarded(func() error { return hdr.read(data, whole) }); err != nil {
		return header{}, err
	}
	if hdr.width < 1 || hdr.height < 1 {
		return header{}, fmt.Errorf("%w: %v of %dx%d", ErrDamaged, hdr.format, hdr.width, hdr.height)
	}
	if err := lim.check(hdr.width, hdr.height); err != nil {
		return header{}, err
	}
	if hdr.jpeg != nil {
		if err := checkScans(hdr.jpeg.Scans, hdr.width, hdr.height); err != nil {
			return header{}, err
		}
	}
	return hdr, nil
}

func (hdr *header) read(data []byte, whole bool) error {
	var c image.Config
	var exif []byte
	var err error
	switch hdr.format {
	case JPEG:
		parse := jpeg.ParseHead
		if whole {
			parse = jpeg.Parse
		}
		if hdr.jpeg, err = parse(data); err == nil {
			c.Width, c.Height, exif = hdr.jpeg.Width, hdr.jpeg.Height, hdr.jpeg.Exif
		}
	case PNG:
		parse := png.ParseHead
		if whole {
			parse = png.Parse
		}
		if hdr.png, err = parse(data); err == nil {
			c.Width, c.Height, exif = hdr.png.Width, hdr.png.Height, hdr.png.Exif
		}
	case GIF:
		if hdr.gif, err = gif.Parse(data); err == nil {
			c.Width, c.Height = hdr.gif.Width, hdr.gif.Height
		}
	case BMP:
		c, err = bmp.DecodeConfig(bytes.NewReader(data))
	case WebP:
		hdr.webp, err = parseWebP(data)
		c.Width, c.Height, exif = hdr.webp.canvas.X, hdr.webp.canvas.Y, hdr.webp.exif
	}
	hdr.width, hdr.height, hdr.orientation = c.Width, c.Height, exifOrientation(exif)
	return err
}

// guarded calls f, which decodes a stranger's bytes, and gives its error the kind that callers know.
func guarded(f func() error) error {
	switch err := recovered(f); {
	case err == nil, errors.Is(err, ErrTooSlow), errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, jpeg.ErrScans):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, jpeg.ErrUnsupported), errors.Is(err, bmp.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	default:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
}

// recovered calls f and makes a panic, of a decoder or of what follows it, ErrDamaged: it is our server that would end, for a picture
// that is of no use anyway.
func recovered(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the decoder panicked: %v", ErrDamaged, p)
		}
	}()
	return f()
}
