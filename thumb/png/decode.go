package png

import (
	"encoding/binary"
	"io"

	"tintype/thumb/inflate"
)

const (
	// rowSlack is how far beyond a row it may be written, so that pixels of 3 bytes can be written as 4.
	rowSlack = 8

	// checkEvery is how many bytes, of the file or of rows, are worked on before check is called.
	checkEvery = 64 << 10
)

// decoder turns the pixels of one picture into rows.
type decoder struct {
	p     *Picture
	check func() error
	work  int   // bytes of rows since check was called
	ended error // what check returned

	zlib     *inflate.Reader
	rest     []byte // chunks that have not been read
	chunk    []byte // what is left of the one that is being read
	size     int    // of that one
	expanded []byte // a row of 8-bit channels
	row      []byte // a row of the file, unfiltered
	above    []byte // the one before it, or zeros
}

func newDecoder(p *Picture, check func() error) *decoder {
	n := int(p.rowBytes(p.Width))
	d := &decoder{p: p, check: check, rest: p.pixels, row: make([]byte, n+rowSlack), above: make([]byte, n+rowSlack)}
	d.zlib = inflate.NewReader(d.next, 1+n)
	if !p.direct() {
		d.expanded = make([]byte, p.Width*p.Channels()+rowSlack)
	}
	return d
}

// next returns a piece of the pixels for inflate. Pieces are short, as inflate can go through many without a byte of output.
func (d *decoder) next() ([]byte, error) {
	if d.ended = d.check(); d.ended != nil {
		return nil, d.ended
	}
	for len(d.chunk) == 0 {
		if len(d.rest) == 0 {
			return nil, io.EOF
		}
		d.size = int(binary.BigEndian.Uint32(d.rest))
		d.chunk, d.rest = d.rest[8:8+d.size], d.rest[chunkFrame+d.size:]
	}
	piece := d.chunk[:min(len(d.chunk), checkEvery)]
	d.chunk = d.chunk[len(piece):]
	return piece, nil
}

// inflated returns the next n bytes of the pixels, not to be changed.
func (d *decoder) inflated(n int) ([]byte, error) {
	if d.work += n; d.work >= checkEvery {
		d.work = 0
		if err := d.check(); err != nil {
			return nil, err
		}
	}
	b, err := d.zlib.Next(n)
	if err != nil {
		return nil, d.streamError(err)
	}
	return b, nil
}

// streamError turns an error of the stream into one of ours.
func (d *decoder) streamError(err error) error {
	switch {
	case d.ended != nil:
		return d.ended
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return damaged("too few pixels")
	}
	return damaged("%w", err)
}

// pass decodes h rows of w pixels and hands them to sink.
func (d *decoder) pass(w, h int, sink func(y int, row []byte) error) error {
	n := int(d.p.rowBytes(w))
	pixel := (d.p.bits() + 7) / 8
	clear(d.above)
	for y := range h {
		b, err := d.inflated(1 + n)
		if err != nil {
			return err
		}
		if !unfilter(b[0], pixel, d.row[:n+rowSlack], d.above[:n], b[1:]) {
			return damaged("filter %d in row %d", b[0], y)
		}
		out := d.row[:n]
		if d.expanded != nil {
			out = d.expanded[:w*d.p.Channels()+rowSlack]
			d.p.expand(out, d.row[:n], w)
			out = out[:len(out)-rowSlack]
		}
		if err := sink(y, out); err != nil {
			return err
		}
		d.row, d.above = d.above, d.row
	}
	return nil
}

// readBuffer is how much image/png reads of a chunk at once. It takes bytes that follow the stream in its last chunk if they came
// with the end of the stream, and so do we: some encoders leave a few there.
const readBuffer = 4096

// end makes sure that the stream ends with the last row and has the right checksum.
func (d *decoder) end() error {
	if _, err := d.zlib.Next(1); err == nil {
		return damaged("too many pixels")
	} else if err != io.EOF {
		return d.streamError(err)
	}
	left := len(d.chunk) + d.zlib.Rest()
	if used := d.size - left; left > (readBuffer-used%readBuffer)%readBuffer {
		return damaged("%d bytes after the pixels", left)
	}
	return nil
}

// The passes of Adam7: every pass has the pixels from x and y on, in steps of dx and dy.
var passes = [7]struct{ x, y, dx, dy int }{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

// interlaced puts all passes together in a frame before it hands out the rows.
func (d *decoder) interlaced(sink func(y int, row []byte) error) error {
	n := d.p.Channels()
	stride := d.p.Width * n
	frame := make([]byte, stride*d.p.Height)
	for _, a := range passes {
		w, h := (d.p.Width-a.x+a.dx-1)/a.dx, (d.p.Height-a.y+a.dy-1)/a.dy
		if w == 0 { // has no rows, not even empty ones
			continue
		}
		err := d.pass(w, h, func(y int, row []byte) error {
			spread(frame[(a.y+y*a.dy)*stride+a.x*n:][:((w-1)*a.dx+1)*n], row, n, a.dx*n)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := d.end(); err != nil {
		return err
	}
	for y := range d.p.Height {
		if err := d.check(); err != nil {
			return err
		}
		if err := sink(y, frame[y*stride:][:stride]); err != nil {
			return err
		}
	}
	return nil
}

// spread copies pixels of n bytes from src to every step bytes of dst.
func spread(dst, src []byte, n, step int) {
	for i, j := 0, 0; i < len(src); i, j = i+n, j+step {
		copy(dst[j:j+n], src[i:i+n])
	}
}
