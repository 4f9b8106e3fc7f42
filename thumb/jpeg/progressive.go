package jpeg

import (
	"math"

	"tintype/thumb/sample"
)

// coefficients holds what the scans of a progressive picture have brought of a component.
//
// Whether a coefficient is 0 decides how a refinement scan is read, so nonzero knows that of all of them; values are kept of those
// that the scale wants.
type coefficients struct {
	grid
	dc      []int16  // of each block
	values  []int16  // n*n of each block, in natural order, and room for at; in the place of DC is what nobody wants
	nonzero []uint64 // of each block: bit k is the AC coefficient of zigzag index k
}

// at returns block i, of which n*n are its own.
func (c *coefficients) at(i, n int) *[64]int16 { return (*[64]int16)(c.values[i*n*n:]) }

func (d *decoder) progressive() error {
	n := d.shape.n
	for c := range d.pic.Components {
		if d.lastScan[c] < 0 {
			continue
		}
		g := d.pic.grid(c)
		blocks := g.wide * g.high
		k := &d.coefs[c]
		k.grid, k.dc, k.values, k.nonzero = g, sample.Reuse(k.dc, blocks), sample.Reuse(k.values, blocks*n*n+64), sample.Reuse(k.nonzero, blocks)
		clear(k.dc)
		clear(k.values)
		clear(k.nonzero)
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
	units := d.units(s, acBandValues)
	at := make([]int, len(units)) // the next block of each, in its component
	for y := range m.high {
		if err := d.check(); err != nil {
			return err
		}
		for i, u := range units {
			at[i] = (y*(d.bands[u.component].height/d.shape.n)+u.row)*d.coefs[u.component].wide + u.col
		}
		for range m.wide {
			if d.due() {
				if err := d.next(); err != nil {
					return err
				}
			}
			d.left--
			for i := range units {
				d.dcBlock(s, &units[i], at[i])
				at[i] += d.bands[units[i].component].step
			}
		}
	}
	return d.bits.done()
}

// dcBlock decodes a block of a scan of DC coefficients.
func (d *decoder) dcBlock(s *scan, u *unit, at int) {
	value := &d.coefs[u.component].dc[at]
	if s.high != 0 {
		*value = limit16(int64(*value) | int64(d.bits.bit())<<s.low)
		return
	}
	d.pred[u.component] = limitDC(d.pred[u.component] + d.bits.difference(u.dc))
	*value = limit16(d.pred[u.component] << s.low)
}

// acScan decodes a scan of AC coefficients, or of one more bit of them, which is of one component.
func (d *decoder) acScan(s *scan) error {
	m := d.begin(s)
	u := d.units(s, acBandValues)[0]
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

	zeros [128]uint8 // of the block that is refined, the coefficients that are 0, in order, and noZero
}

// acFirst decodes the coefficients of a block, T.81 G.1.2.2. It returns how many blocks after this one have none.
func (r *bitReader) acFirst(a *acBand, values *[64]int16, nonzero *uint64) (eobRun int) {
	buf, acc, n, pos := r.buf, r.acc, r.n, r.pos
	t, s, low, got := a.table, a.shape, a.low&15, uint64(0)
	k, last := a.first, a.last
	for k <= last {
		if n < 32 { // a symbol has 31 at most
			acc, n, pos = refill(buf, acc, n, pos)
		}
		e := t.lut[acc>>(64-lutBits)]
		if used := e.bits(); used != 0 {
			value := e.value()
			k += e.advance()
			switch {
			case k > last+1: // a run led out of the band: as image/jpeg, leave the value's bits
				_, size := valueBits(value)
				used -= size
			case value != 0:
				got |= 1 << (k - 1)
				values[s.slot[k-1]&63] = limit16(value << low)
			}
			acc <<= used & 63
			n -= int(used)
			continue
		}
		symbol, used := t.symbol(e, acc)
		acc <<= used & 63
		n -= int(used)
		run, size := symbol>>4, symbol&15
		if size == 0 && run < 15 {
			r.bad = r.bad || used == 0
			r.acc, r.n, r.pos = acc, n, pos
			eobRun = r.eobRun(run) - 1
			acc, n = r.acc, r.n
			break
		}
		k += uint8(run) + 1
		if size > 0 && k <= last+1 {
			got |= 1 << (k - 1)
			values[s.slot[k-1]&63] = limit16(extend(acc, size) << low)
			acc <<= size
			n -= int(size)
		}
	}
	r.acc, r.n, r.pos = acc, n, pos
	*nonzero |= got
	return eobRun
}

// dequantiseGo sets n*n coefficients, the first of which is not in values.
func (b *block) dequantiseGo(values *[64]int16, quant *[64]int32, n int) {
	for i := range n * n {
		b[i&63] = int32(values[i&63]) * quant[i&63]
	}
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
		dst := band.pix[(row*band.stride+x)*n:]
		d.block[0] = limit32(int64(coefs.dc[first+x]) * int64(quant[0]))
		if n > 3 && coefs.nonzero[first+x]&d.shape.wanted == 0 { // smaller IDCTs cost less than a mispredicted branch
			fill(dst, band.stride, n, &d.block)
			continue
		}
		dc := d.block[0]
		d.block.dequantise(coefs.at(first+x, n), quant, n)
		d.block[0] = dc
		d.shape.idct(&d.block, dst, band.stride)
	}
}
