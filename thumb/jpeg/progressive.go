package jpeg

import (
	"math"
	"math/bits"
)

// coefficients holds what the scans of a progressive picture have brought of a component.
//
// Whether a coefficient is 0 decides how a refinement scan is read, so nonzero knows that of all of them; values are kept of those
// that the scale wants.
type coefficients struct {
	grid
	values  []int16  // n*n of each block, in natural order
	nonzero []uint64 // of each block: bit k is the AC coefficient of zigzag index k
}

// at returns block i.
func (c *coefficients) at(i, n int) []int16 { return c.values[i*n*n:][:n*n] }

func (d *decoder) progressive() error {
	n := d.shape.n
	for c := range d.pic.Components {
		if d.lastScan[c] < 0 {
			continue
		}
		g := d.pic.grid(c)
		d.coefs[c] = coefficients{g, make([]int16, g.wide*g.high*n*n), make([]uint64, g.wide*g.high)}
	}
	for i := range d.pic.scans {
		s := &d.pic.scans[i]
		decode := d.acScan
		if s.first == 0 {
			decode = d.dcScan
		}
		if err := decode(s); err != nil {
			return err
		}
	}
	if err := d.reconstruct(); err != nil {
		return err
	}
	return d.absent()
}

// dcScan decodes a scan of DC coefficients, or of one more bit of them.
func (d *decoder) dcScan(s *scan) error {
	m := d.begin(s)
	units := d.units(s, symbolsOnly)
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
			for i := range units {
				u := &units[i]
				c, b := &d.coefs[u.component], &d.bands[u.component]
				row := y*(b.height/d.shape.n) + u.row
				value := &c.at(row*c.wide+x*b.step+u.col, d.shape.n)[0]
				if s.high != 0 {
					*value = limit16(int64(*value) | int64(d.bits.bit())<<s.low)
					continue
				}
				d.pred[u.component] = limitDC(d.pred[u.component] + d.bits.difference(u.dc))
				*value = limit16(d.pred[u.component] << s.low)
			}
		}
	}
	return d.bits.done()
}

// acScan decodes a scan of AC coefficients, or of one more bit of them, which is of one component.
func (d *decoder) acScan(s *scan) error {
	m := d.begin(s)
	kind := acFirstValues
	if s.high != 0 {
		kind = symbolsOnly
	}
	u := d.units(s, kind)[0]
	a := acBand{table: u.ac, shape: &d.shape, first: s.first, last: s.last, low: s.low}
	a.mask = 1<<(s.last+1) - 1<<s.first // of 64 bits, also when last is 63
	c := &d.coefs[u.component]
	for y := range m.high {
		if err := d.check(); err != nil {
			return err
		}
		row := y * c.wide
		for x := 0; x < m.wide; x++ {
			if d.eobRun > 0 && d.left > 0 && s.high == 0 {
				empty := min(d.eobRun, d.left, m.wide-x)
				d.eobRun -= empty
				d.left -= empty
				x += empty - 1
				continue
			}
			if d.due() {
				if err := d.next(); err != nil {
					return err
				}
			}
			d.left--
			values, nonzero := c.at(row+x, d.shape.n), &c.nonzero[row+x]
			if s.high == 0 {
				d.eobRun = d.bits.acFirst(&a, values, nonzero)
			} else {
				d.eobRun = d.bits.acRefine(&a, values, nonzero, d.eobRun)
			}
			if d.bits.bad {
				return d.bits.done()
			}
		}
	}
	return d.bits.done()
}

// acBand is what the blocks of a scan of AC coefficients have in common.
type acBand struct {
	table       *table
	shape       *shape
	first, last uint8
	low         uint8
	mask        uint64 // of the coefficients first to last
}

// put stores a coefficient, if it is wanted.
func (a *acBand) put(values []int16, k uint8, value int64) {
	if at := a.shape.slot[k]; at != unwanted {
		values[at] = limit16(value << a.low)
	}
}

// acFirst decodes the coefficients of a block, T.81 G.1.2.2. It returns how many blocks after this one have none.
func (r *bitReader) acFirst(a *acBand, values []int16, nonzero *uint64) (eobRun int) {
	t := a.table
	for k := a.first; k <= a.last; {
		r.refill()
		e := t.lut[r.acc>>(64-lutBits)]
		if used := e.bits(); used != 0 {
			value := e.value()
			k += e.advance()
			switch {
			case k > a.last+1: // a run led out of the band: as image/jpeg, leave the value's bits
				_, size := valueBits(value)
				used -= size
			case value != 0:
				*nonzero |= 1 << ((k - 1) & 63)
				a.put(values, k-1, value)
			}
			r.take(used)
			continue
		}
		symbol, used := t.symbol(e, r.acc)
		r.take(used)
		run, size := symbol>>4, symbol&15
		switch {
		case used == 0:
			r.bad = true
			return 0
		case size == 0 && run < 15:
			return r.eobRun(run) - 1
		case size == 0:
			k += 16
			continue
		}
		k += uint8(run)
		if k > a.last {
			break
		}
		*nonzero |= 1 << (k & 63)
		a.put(values, k, extend(r.acc, size))
		r.take(size)
		k++
	}
	return 0
}

// eobRun returns how many blocks, this one included, end here: 1<<run and as many as the next run bits say.
func (r *bitReader) eobRun(run uint) int {
	n := 1<<run + int(r.acc>>1>>(63-run))
	r.take(run)
	return n
}

// acRefine decodes one more bit of the coefficients of a block, T.81 G.1.2.3: of those that are not 0 a bit each, and which of the
// others are 1 or -1 from here on. Of eobRun blocks, from this one on, the latter are none; it returns that for the next block.
func (r *bitReader) acRefine(a *acBand, values []int16, nonzero *uint64, eobRun int) int {
	old, rest := *nonzero, a.mask
	for eobRun == 0 && rest != 0 {
		r.refill()
		symbol, used := a.table.symbol(a.table.lut[r.acc>>(64-lutBits)], r.acc)
		r.take(used)
		run, size := symbol>>4, symbol&15
		if used == 0 || size > 1 {
			r.bad = true
			return 0
		}
		if size == 0 && run < 15 {
			eobRun = r.eobRun(run)
			break
		}
		sign := int64(r.acc>>63)*2 - 1
		r.take(size)
		zero := rest &^ old
		for ; run > 0; run-- {
			zero &= zero - 1
		}
		if zero == 0 { // more zeros than there are
			r.bad = true
			return 0
		}
		at := zero & -zero
		passed := rest & (at<<1 - 1)
		r.correct(a, old&passed, values)
		if size == 1 {
			*nonzero |= at
			a.put(values, uint8(bits.TrailingZeros64(at)), sign)
		}
		rest &^= passed
	}
	if eobRun == 0 {
		return 0
	}
	r.correct(a, old&rest, values)
	return eobRun - 1
}

// correct takes a bit for each coefficient in mask, and moves those away from 0 whose bit is set.
func (r *bitReader) correct(a *acBand, mask uint64, values []int16) {
	count := bits.OnesCount64(mask)
	if count > r.n {
		if count > 56 {
			r.correct(a, mask&math.MaxUint32, values)
			r.correct(a, mask&^math.MaxUint32, values)
			return
		}
		r.refill()
	}
	for m := mask & a.shape.wanted; m != 0; m &= m - 1 {
		k := bits.TrailingZeros64(m)
		before := bits.OnesCount64(mask & (1<<k - 1))
		bit := int64(r.acc << (before & 63) >> 63)
		value := &values[a.shape.slot[k&63]]
		sign := int64(*value)>>63 | 1
		*value = limit16(int64(*value) + sign*bit<<a.low)
	}
	r.take(uint(count))
}

// limit16 keeps hostile coefficients in their type. An honest one has 12 bits.
func limit16(v int64) int16 { return int16(min(max(v, math.MinInt16), math.MaxInt16)) }

// reconstruct makes samples of the coefficients and hands them out.
func (d *decoder) reconstruct() error {
	var quant [4]*[64]int32 // in natural order
	for c := range d.pic.Components {
		quant[c] = d.shape.natural(dequantiser(d.pic.quant[d.pic.Components[c].quant], d.shape.n))
	}
	for y := range d.pic.mcusHigh() {
		if err := d.check(); err != nil {
			return err
		}
		for c := range d.pic.Components {
			if d.lastScan[c] < 0 {
				continue
			}
			d.bands[c].height = d.coefs[c].v * d.shape.n
			for row := range d.coefs[c].v {
				d.blockRow(c, y, row, quant[c])
			}
			if err := d.emit(c, y); err != nil {
				return err
			}
		}
	}
	return nil
}

// blockRow makes samples of one of the rows of blocks in the y-th row of MCUs.
func (d *decoder) blockRow(c, y, row int, quant *[64]int32) {
	n, coefs, band := d.shape.n, &d.coefs[c], &d.bands[c]
	first := (y*coefs.v + row) * coefs.wide
	for x := range coefs.shownWide {
		values := coefs.at(first+x, n)
		dst := band.pix[(row*band.stride+x)*n:]
		if coefs.nonzero[first+x]&d.shape.wanted == 0 {
			d.block[0] = int64(values[0]) * int64(quant[0])
			fill(dst, band.stride, n, &d.block)
			continue
		}
		for i, v := range values {
			d.block[i&63] = int64(v) * int64(quant[i&63])
		}
		d.shape.idct(&d.block, dst, band.stride)
	}
}
