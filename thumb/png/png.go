package png

import (
	"errors"
	"fmt"

	"tintype/thumb/inflate"
)

var (
	// ErrFormat is returned when bytes do not begin as a PNG does.
	ErrFormat = errors.New("png: not a PNG")

	// ErrDamaged is returned when a PNG is broken, ends early, or breaks a rule that image/png insists on.
	ErrDamaged = errors.New("png: damaged picture")
)

// Picture is a PNG that has been parsed, but for its pixels.
type Picture struct {
	Width, Height int    // in pixels, at least 1
	Gray          bool   // the file has no colours by its type, though it may have transparency
	Alpha         bool   // pixels may be transparent: by an alpha channel, a transparent colour or a palette with transparency
	Interlaced    bool   // by Adam7, so Rows needs a frame
	Exif          []byte // the payload of the eXIf chunk, part of the file; nil if there is none

	kind    colorType
	depth   int       // bits of a channel, or of an index
	palette [256]rgba // black and opaque after its end
	key     [3]uint16 // the transparent colour, if there is one
	keyed   bool
	pixels  []byte // the IDAT chunks that follow each other, from the length of the first to the checksum of the last
}

type rgba = [4]uint8

// colorType is as in the header of the file.
type colorType uint8

const (
	gray      colorType = 0
	trueColor colorType = 2
	indexed   colorType = 3
	grayAlpha colorType = 4
	trueAlpha colorType = 6
)

// channels returns how many numbers the file has for a pixel.
func (k colorType) channels() int {
	switch k {
	case trueColor:
		return 3
	case grayAlpha:
		return 2
	case trueAlpha:
		return 4
	}
	return 1
}

// Channels returns how many bytes a pixel has in the rows that Rows hands out: 4 are red, green, blue and alpha, not premultiplied,
// when Alpha is set; otherwise 1 is gray when Gray is set, and 3 are red, green and blue.
func (p *Picture) Channels() int {
	switch {
	case p.Alpha:
		return 4
	case p.Gray:
		return 1
	}
	return 3
}

// bits returns the size of a pixel in the file.
func (p *Picture) bits() int { return p.kind.channels() * p.depth }

// rowBytes returns the size of w pixels in the file, without the filter's byte before them.
func (p *Picture) rowBytes(w int) int64 { return (int64(w)*int64(p.bits()) + 7) / 8 }

// direct reports whether a row in the file is one of Rows as it is.
func (p *Picture) direct() bool {
	return p.depth == 8 && (p.kind == trueAlpha || !p.keyed && (p.kind == gray || p.kind == trueColor))
}

// frameBytes returns the size of the frame that an interlaced picture is put together in. Parse made sure that it is an int.
func (p *Picture) frameBytes() int64 {
	if !p.Interlaced {
		return 0
	}
	return int64(p.Width) * int64(p.Height) * int64(p.Channels())
}

// Need returns how many bytes of memory Rows allocates, to within a few hundred. Without interlacing they are about 150 KiB and three
// rows; an interlaced picture needs a frame of Width*Height*Channels() bytes besides, so look before you call Rows.
func (p *Picture) Need() int64 {
	row := p.rowBytes(p.Width)
	need := inflate.Size(1+row) + readerBytes + 2*(row+rowSlack)
	if !p.direct() {
		need += int64(p.Width)*int64(p.Channels()) + rowSlack
	}
	return need + p.frameBytes()
}

// readerBytes is the size of an inflate.Reader without its buffer: its tables.
const readerBytes = 22 << 10

// Rows decodes the pixels and calls sink with each row from y = 0 on, of Width*Channels() bytes. The row is gone when sink returns,
// and sink must not change it: the next row is decoded from it.
//
// check is called before anything is allocated, and then after no more than 64 KiB or one row of work, whichever is longer, about
// every 50 ms at worst; its error, and that of sink, ends Rows and is returned as it is. Any other error is ErrDamaged, with what is
// wrong.
func (p *Picture) Rows(check func() error, sink func(y int, row []byte) error) error {
	if err := check(); err != nil {
		return err
	}
	d := newDecoder(p, check)
	var err error
	if p.Interlaced {
		err = d.interlaced(sink)
	} else {
		err = d.pass(p.Width, p.Height, sink)
		if err == nil {
			err = d.end()
		}
	}
	return err
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
