package gif

const (
	ahead = 32 << 10 // how much is decoded before rows are handed out

	// decoderBytes is the size of a decoder without its buffer, as the allocator rounds it.
	decoderBytes = 88 << 10
)

// bufferSize returns how much newDecoder allocates for rows of w pixels.
func bufferSize(w int) int { return max(w, ahead) + outSlack }

// decoder turns the pixels of one picture into rows.
type decoder struct {
	p     *Picture
	check func() error
	lzw   lzw

	rest []byte // blocks that have not been read
	used int    // bytes of blocks before those in input
	cut  bool   // the blocks end without an empty one

	buf []uint8
	out int // buf[:out] has been decoded and not handed out
}

func newDecoder(p *Picture, check func() error) *decoder {
	d := &decoder{p: p, check: check, rest: p.pixels, buf: make([]uint8, bufferSize(p.Frame.Dx()))}
	d.lzw.init(p.codes)
	return d
}

// fill puts blocks behind what is left of the input, and returns false if there are none.
func (d *decoder) fill() bool {
	z := &d.lzw
	from := z.bit >> 3
	d.used += from
	n := copy(z.in[:], z.in[from:z.end>>3])
	left := n
	for n+255 <= inputSize && !d.cut {
		if len(d.rest) == 0 || len(d.rest) <= int(d.rest[0]) {
			d.cut = true
			break
		}
		size := int(d.rest[0])
		if size == 0 {
			break
		}
		n += copy(z.in[n:], d.rest[1:1+size])
		d.rest = d.rest[1+size:]
	}
	z.bit, z.end = z.bit&7, 8*n
	return n > left
}

// more decodes until there is a row, or the stream ends.
func (d *decoder) more() (ended bool, err error) {
	mark := len(d.buf) - outSlack
	for d.out < mark && !ended {
		if err := d.check(); err != nil {
			return false, err
		}
		if d.lzw.bit+d.lzw.width > d.lzw.end && !d.fill() {
			if d.cut {
				return false, damaged("ends early")
			}
			return true, nil
		}
		if d.out, ended, err = d.lzw.decode(d.buf, d.out, mark); err != nil {
			return false, err
		}
	}
	return ended, nil
}

// rows decodes all rows in the order of the file and hands them to sink.
func (d *decoder) rows(sink func(y int, row []uint8) error) error {
	w, left := d.p.Frame.Dx(), d.p.pixelCount()
	for y, ended := 0, false; !ended; {
		have := d.out
		var err error
		if ended, err = d.more(); err != nil {
			return err
		}
		if left -= int64(d.out - have); left < 0 {
			return damaged("too many pixels")
		}
		at := 0
		for ; w > 0 && d.out-at >= w; at += w {
			row := d.buf[at : at+w : at+w]
			if !d.inPalette(row) {
				return damaged("colour beyond the palette in row %d", y)
			}
			if err := sink(y, row); err != nil {
				return err
			}
			y++
		}
		d.out = copy(d.buf, d.buf[at:d.out])
	}
	if left > 0 {
		return damaged("%d pixels too few", left)
	}
	return d.end()
}

// inPalette reports whether all of row are indices of colours.
func (d *decoder) inPalette(row []uint8) bool {
	if d.p.colours >= 1<<d.p.codes {
		return true
	}
	top := uint8(0)
	for _, index := range row {
		top = max(top, index)
	}
	return int(top) < d.p.colours
}

// end looks at what follows the last code. Some encoders leave the rest of its block behind it, or a block of one byte; whatever else
// is not the empty block is refused, as by image/gif. A code that is cut off by the end is one byte at most.
func (d *decoder) end() error {
	n := d.used + (d.lzw.bit+7)>>3 // bytes that the codes were in
	rest := d.p.pixels
	for n > 0 {
		n -= int(rest[0])
		rest = rest[1+int(rest[0]):]
	}
	if n == 0 && len(rest) >= 2 && rest[0] == 1 {
		rest = rest[2:]
	}
	if len(rest) == 0 || rest[0] != 0 {
		return damaged("something else than the end after the last code")
	}
	return nil
}

// The passes of an interlaced frame: every pass has the rows from y on, in steps of dy.
var passes = [4]struct{ y, dy int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}}

// interlaced puts all passes together before it hands out the rows.
func (d *decoder) interlaced(sink func(y int, row []uint8) error) error {
	w, h := d.p.Frame.Dx(), d.p.Frame.Dy()
	frame := make([]uint8, w*h)
	pass, y := 0, 0
	err := d.rows(func(_ int, row []uint8) error {
		for y >= h {
			pass++
			y = passes[pass].y
		}
		copy(frame[y*w:], row)
		y += passes[pass].dy
		return nil
	})
	if err != nil {
		return err
	}
	for y := 0; y < h && w > 0; y++ {
		if err := d.check(); err != nil {
			return err
		}
		if err := sink(y, frame[y*w:][:w]); err != nil {
			return err
		}
	}
	return nil
}
