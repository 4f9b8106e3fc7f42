package gif

import (
	"encoding/binary"
	"image"
)

// What the parts of a file begin with.
const (
	extension  = 0x21
	descriptor = 0x2c // of a frame
	trailer    = 0x3b

	plainText      = 0x01
	graphicControl = 0xf9
	comment        = 0xfe
	application    = 0xff
)

// Parse reads a GIF up to the pixels of its first frame. It returns an error, ErrFormat or ErrDamaged, only if there is something
// wrong with the header, the screen or the palette after it, so a file that is cut off behind them has its size; what is wrong with
// the rest is returned by Rows, and Frame is empty then.
//
// The Picture refers to data.
//
//	signature | width height | fields, background, aspect | palette | extensions and frames | trailer        6 + 2+2 + 1+1+1 bytes
func Parse(data []byte) (*Picture, error) {
	if len(data) < 6 || string(data[:6]) != "GIF87a" && string(data[:6]) != "GIF89a" {
		return nil, ErrFormat
	}
	if len(data) < 13 {
		return nil, damaged("header of %d bytes", len(data))
	}
	p := &Picture{Width: int(le.Uint16(data[6:])), Height: int(le.Uint16(data[8:]))}
	r := reader{data[13:]}
	global, err := r.palette(data[10])
	if err != nil {
		return nil, err
	}
	if err := p.frame(&r, global); err != nil {
		p.broken = err
		p.Frame, p.Interlaced = image.Rectangle{}, false
	}
	return p, nil
}

var le = binary.LittleEndian

// reader is what is left of the file.
type reader struct{ rest []byte }

// take returns the next n bytes.
func (r *reader) take(n int) ([]byte, error) {
	if len(r.rest) < n {
		return nil, damaged("ends early")
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

// palette returns the palette that fields announces, 3 bytes a colour, or nil.
func (r *reader) palette(fields uint8) ([]byte, error) {
	if fields&0x80 == 0 {
		return nil, nil
	}
	return r.take(3 << (1 + fields&7))
}

// blocks skips blocks up to the empty one.
func (r *reader) blocks() error {
	for {
		size, err := r.take(1)
		if err != nil {
			return err
		}
		if size[0] == 0 {
			return nil
		}
		if _, err := r.take(int(size[0])); err != nil {
			return err
		}
	}
}

// frame looks for the first frame and reads its head.
func (p *Picture) frame(r *reader, global []byte) error {
	transparent := -1
	for {
		kind, err := r.take(1)
		if err != nil {
			return err
		}
		switch kind[0] {
		case extension:
			if err := r.extension(&transparent); err != nil {
				return err
			}
		case descriptor:
			return p.head(r, global, transparent)
		case trailer:
			return damaged("no frame")
		default:
			return damaged("block of type %#x", kind[0])
		}
	}
}

// extension reads one, of which only the transparent index is of interest. One without it leaves that of another before it.
func (r *reader) extension(transparent *int) error {
	kind, err := r.take(1)
	if err != nil {
		return err
	}
	switch kind[0] {
	case graphicControl: // size | fields | delay | transparent index | end       1 + 1 + 2 + 1 + 1 bytes
		b, err := r.take(6)
		if err != nil {
			return err
		}
		if b[0] != 4 || b[5] != 0 {
			return damaged("graphic control of %d bytes, ending with %d", b[0], b[5])
		}
		if b[1]&1 != 0 {
			*transparent = int(b[4])
		}
		return nil
	case plainText:
		if _, err := r.take(13); err != nil {
			return err
		}
	case application, comment: // blocks, though the first of an application may be empty
		if kind[0] == application {
			size, err := r.take(1)
			if err != nil {
				return err
			}
			if _, err := r.take(int(size[0])); err != nil {
				return err
			}
		}
	default:
		return damaged("extension of type %#x", kind[0])
	}
	return r.blocks()
}

// head reads what a frame has before its pixels.
//
//	left top | width height | fields | palette | bits of an index       2+2 + 2+2 + 1 + n + 1 bytes
func (p *Picture) head(r *reader, global []byte, transparent int) error {
	b, err := r.take(9)
	if err != nil {
		return err
	}
	left, top := int(le.Uint16(b)), int(le.Uint16(b[2:]))
	p.Frame = image.Rect(left, top, left+int(le.Uint16(b[4:])), top+int(le.Uint16(b[6:])))
	if p.Frame.Max.X > p.Width || p.Frame.Max.Y > p.Height { // an empty one too
		return damaged("frame %v on a screen of %dx%d", p.Frame, p.Width, p.Height)
	}
	p.Interlaced = b[8]&0x40 != 0
	palette, err := r.palette(b[8])
	if err != nil {
		return err
	}
	if palette == nil {
		palette = global
	}
	if palette == nil {
		return damaged("no palette")
	}
	p.setPalette(palette, transparent)
	codes, err := r.take(1)
	if err != nil {
		return err
	}
	if codes[0] < 2 || codes[0] > 8 {
		return damaged("indices of %d bits", codes[0])
	}
	p.codes, p.pixels = int(codes[0]), r.rest
	return nil
}

// setPalette takes colours of 3 bytes. transparent is the index of the one that is, or -1; one beyond the palette extends it by colours
// that are all transparent, as image/gif and browsers have it.
func (p *Picture) setPalette(rgb []byte, transparent int) {
	p.colours = len(rgb) / 3
	for i := range p.Palette {
		p.Palette[i] = [4]uint8{3: 255}
		if i < p.colours {
			copy(p.Palette[i][:3], rgb[3*i:])
		}
	}
	if transparent < 0 {
		return
	}
	p.Transparent = true
	p.Palette[transparent] = [4]uint8{}
	for ; p.colours <= transparent; p.colours++ {
		p.Palette[p.colours] = [4]uint8{}
	}
}
