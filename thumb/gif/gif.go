package gif

import (
	"errors"
	"fmt"
	"image"
)

var (
	// ErrFormat is returned when bytes do not begin as a GIF does.
	ErrFormat = errors.New("gif: not a GIF")

	// ErrDamaged is returned when a GIF is broken, ends early, or breaks a rule that image/gif insists on.
	ErrDamaged = errors.New("gif: damaged picture")
)

// Picture is a GIF that has been parsed up to the pixels of its first frame.
type Picture struct {
	Width, Height int             // of the screen, in pixels; either may be 0
	Frame         image.Rectangle // where on the screen the first frame is; it may be empty
	Interlaced    bool            // so Rows needs the whole frame
	Transparent   bool            // a colour of the palette is

	// Palette has the colours of the first frame as red, green, blue and alpha, the transparent one as zeros. What lies beyond its
	// end is black and opaque.
	Palette [256][4]uint8

	colours int    // in the palette
	codes   int    // bits of an index in the stream, 2 to 8
	pixels  []byte // the blocks of the stream, and what follows
	broken  error  // what is wrong before the pixels, but not with the screen
}

// pixelCount returns how many pixels the frame has.
func (p *Picture) pixelCount() int64 { return int64(p.Frame.Dx()) * int64(p.Frame.Dy()) }

// Need returns how many bytes of memory Rows allocates, to within a few hundred: about 120 KiB, and a byte for each pixel of the frame
// if it is interlaced.
func (p *Picture) Need() int64 {
	need := decoderBytes + int64(bufferSize(p.Frame.Dx()))
	if p.Interlaced {
		need += p.pixelCount()
	}
	return need
}

// Rows decodes the frame and calls sink with each of its rows from y = 0 on, which is Frame.Min.Y of the screen, of Frame.Dx()
// indices. The row is gone when sink returns. An empty frame has no rows.
//
// check is called before anything is allocated, and then after no more than 64 KiB of input or of rows; its error, and that of sink,
// ends Rows and is returned as it is. Any other error is ErrDamaged, with what is wrong.
func (p *Picture) Rows(check func() error, sink func(y int, row []uint8) error) error {
	if err := check(); err != nil {
		return err
	}
	if p.broken != nil {
		return p.broken
	}
	d := newDecoder(p, check)
	if p.Interlaced {
		return d.interlaced(sink)
	}
	return d.rows(sink)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
