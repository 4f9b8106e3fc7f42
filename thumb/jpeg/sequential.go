package jpeg

import "math"

// block holds the wanted coefficients of one block, dequantised, in natural order, row by row: n*n of them. The others are written
// to unwanted. All are 0 between blocks. A hostile file's may be too large for their type; what they turn into is as good.
type block [128]int32

const unwanted = 64

// shape is what the scale n/8 wants of a block.
type shape struct {
	n    int
	last uint8      // zigzag index of the last coefficient that is wanted
	slot [256]uint8 // by zigzag index, the place in a block; for an index that says how a block ended, unwanted
	idct func(b *block, dst []uint8, stride int)

	wanted uint64 // bit k is the AC coefficient of zigzag index k
}

// zigzag gives the natural place, 8*row+column, of a coefficient.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

func newShape(n int) shape {
	s := shape{n: n, idct: idcts[n]}
	for k := range s.slot {
		s.slot[k] = unwanted
	}
	for k, at := range zigzag {
		row, col := int(at>>3), int(at&7)
		if row < n && col < n {
			s.slot[k] = uint8(row*n + col)
			s.last = uint8(k)
			s.wanted |= 1 << k &^ 1
		}
	}
	return s
}

// natural returns the factors of a block in the order of its coefficients.
func (s *shape) natural(zigzagged *[256]int32) *[64]int32 {
	t := new([64]int32)
	for k := range zigzag {
		if at := s.slot[k]; at != unwanted {
			t[at] = zigzagged[k]
		}
	}
	return t
}

// block decodes a block of a sequential scan into b, but for the DC coefficient, of which it returns the difference. The bits of
// coefficients that s does not want are passed over, several at a time. flat says that the DC coefficient is all there is.
func (r *bitReader) block(u *unit, s *shape, b *block) (diff int64, flat bool) {
	diff = r.difference(u.dc)
	buf, acc, n, pos := r.buf, r.acc, r.n, r.pos
	ac, quant := u.ac, u.quant
	k, last := uint8(1), s.last
	var e entry
	for k <= last {
		acc, n, pos = refill(buf, acc, n, pos)
		e = ac.lut[acc>>(64-lutBits)]
		if e.bits() != 0 {
			acc <<= e.bits()
			n -= int(e.bits())
			k += e.advance()
			b[s.slot[k-1]&127] = int32(e.value()) * quant[k-1]
			if k > last {
				break
			}
			// A second one, as 45 bits are left, and none takes more than 31.
			e = ac.lut[acc>>(64-lutBits)]
			if e.bits() != 0 {
				acc <<= e.bits()
				n -= int(e.bits())
				k += e.advance()
				b[s.slot[k-1]&127] = int32(e.value()) * quant[k-1]
				continue
			}
		}
		next, value, used := ac.coefficient(e, acc, k)
		acc <<= used & 63
		n -= int(used)
		k, e = next, 0
		b[s.slot[k-1]&127] = int32(value) * quant[k-1]
	}
	r.acc, r.n, r.pos = acc, n, pos
	flat = k == 1+endOfBlock
	switch {
	case k < 64:
		k = r.skip(ac, k)
	case k > 64 && k < endOfBlock && e != 0: // a run led out of the block: as image/jpeg, leave the value's bits
		raw, size := valueBits(e.value())
		r.acc = r.acc>>size | raw<<(64-size)
		r.n += int(size)
	}
	r.bad = r.bad || k == badCode
	return diff, flat
}

// skip passes over the rest of a block, from coefficient k on, and returns the index that says how it ended.
func (r *bitReader) skip(ac *table, k uint8) uint8 {
	buf, acc, n, pos := r.buf, r.acc, r.n, r.pos
	for k < 64 {
		acc, n, pos = refill(buf, acc, n, pos)
		e := ac.skip[acc>>(64-skipBits)]
		if e.passes(k) {
			acc <<= e.bits()
			n -= int(e.bits())
			k += e.advance()
			if k >= 64 {
				break
			}
			e = ac.skip[acc>>(64-skipBits)]
			if e.passes(k) {
				acc <<= e.bits()
				n -= int(e.bits())
				k += e.advance()
				continue
			}
		}
		next, used := ac.pass(acc, k)
		acc <<= used & 63
		n -= int(used)
		k = next
	}
	r.acc, r.n, r.pos = acc, n, pos
	return k
}

// pass is the way of the coefficients that are not in the skip table.
func (t *table) pass(acc uint64, k uint8) (next uint8, n uint) {
	e := t.lut[acc>>(64-lutBits)]
	if e.bits() == 0 {
		next, _, n = t.coefficient(e, acc, k)
		return next, n
	}
	next, n = k+e.advance(), e.bits()
	if next > 64 && next < endOfBlock { // as in block
		_, size := valueBits(e.value())
		n -= size
	}
	return next, n
}

// sequentialScan decodes scan i and hands out its components' rows, but for those that a later scan brings again.
func (d *decoder) sequentialScan(i int) error {
	s := &d.pic.scans[i]
	m := d.begin(s)
	units := d.units(s, acValues)
	for y := range m.high {
		if err := d.check(); err != nil {
			return err
		}
		for x := range m.wide {
			if d.due() {
				if err := d.next(); err != nil {
					return err
				}
			}
			d.left--
			d.mcu(units, x)
		}
		if err := d.bits.done(); err != nil { // before anybody sees what it made
			return err
		}
		for _, c := range s.components {
			if d.lastScan[c.index] != i {
				continue
			}
			if err := d.emit(c.index, y); err != nil {
				return err
			}
		}
	}
	return nil
}

// mcu decodes the MCU x of a row into the bands.
func (d *decoder) mcu(units []unit, x int) {
	n := d.shape.n
	for i := range units {
		u := &units[i]
		diff, flat := d.bits.block(u, &d.shape, &d.block)
		dc := limitDC(d.pred[u.component] + diff)
		d.pred[u.component] = dc
		d.block[0] = limit32(dc * int64(u.quant[0]))
		band := &d.bands[u.component]
		dst := band.pix[(u.row*band.stride+x*band.step+u.col)*n:]
		if flat {
			fill(dst, band.stride, n, &d.block)
			continue
		}
		d.shape.idct(&d.block, dst, band.stride)
	}
}

// limitDC keeps hostile differences, which add up, within what the IDCT can sum. An honest DC coefficient has 12 bits.
func limitDC(dc int64) int64 { return min(max(dc, -1<<16), 1<<16) }

func limit32(v int64) int32 { return int32(min(max(v, math.MinInt32), math.MaxInt32)) }
