package jpeg

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// acRefine decodes one more bit of the coefficients of a block, T.81 G.1.2.3: of those that are not 0 a bit each, and which of the
// others are 1 or -1 from here on. Of eobRun blocks, from this one on, the latter are none; it returns that for the next block.
func (r *bitReader) acRefine(a *acBand, values *[64]int16, nonzero *uint64, eobRun int) int {
	old := *nonzero & a.mask
	count := uint(bits.OnesCount64(old))
	moves, got := uint64(0), uint(0) // a bit for each of old, the last one lowest, and how many of them there are
	if eobRun == 0 {
		var set uint64
		set, moves, got, eobRun = r.refineSymbols(a, values, old)
		*nonzero |= set
	}
	if eobRun > 0 {
		moves = r.gather(moves, count-got)
		eobRun--
	}
	if moves != 0 {
		a.move(values, old, moves<<((64-count)&63))
	}
	return eobRun
}

// refineSymbols decodes the symbols of a block, of which the coefficients in old are not 0, and stores which others are 1 or -1: in
// set, and in values if they are wanted. The bits between them are in moves, got of them. If eobRun is above 0, it is where the
// symbols end, and the other bits are to come.
//
// It takes no branch that depends on a run: most of them would be mispredicted.
func (r *bitReader) refineSymbols(a *acBand, values *[64]int16, old uint64) (set, moves uint64, got uint, eobRun int) {
	a.findZeros(old)
	buf, acc, n, pos, t, low := r.buf, r.acc, r.n, r.pos, a.table, a.low&15
	zero, passed := uint(math.MaxUint), uint(a.first) // index in a.zeros; first and how many of old are passed
	for at := uint(0); at != uint(a.last); {
		acc, n, pos = refill(buf, acc, n, pos)
		e := t.lut[acc>>(64-lutBits)]
		value := e.value()
		if e.bits() != 0 {
			acc <<= e.bits()
			n -= int(e.bits())
			zero += uint(e.advance())
		} else {
			r.acc, r.n, r.pos = acc, n, pos
			var advance uint
			advance, value, eobRun = r.refineSymbol(t)
			acc, n, pos = r.acc, r.n, r.pos
			zero += advance
			if advance == 0 {
				break
			}
		}
		at = uint(a.zeros[zero&127])
		if uint64(value+1) > 2 || at == noZero {
			r.bad = true
			break
		}
		set |= uint64(value&1) << at
		values[a.shape.slot[at]&63] = int16(value << low)
		count := at - zero - passed
		passed += count
		if int(count) > n {
			r.acc, r.n, r.pos = acc, n, pos
			moves = r.gather(moves, count)
			acc, n, pos = r.acc, r.n, r.pos
			continue
		}
		moves = moves<<(count&63) | acc>>1>>((63-count)&63)
		acc <<= count & 63
		n -= int(count)
	}
	r.acc, r.n, r.pos = acc, n, pos
	return set, moves, passed - uint(a.first), eobRun
}

// refineSymbol is the way of the symbols that are not complete in lut. One that ends the band, or is bad, advances 0.
func (r *bitReader) refineSymbol(t *table) (advance uint, value int64, eobRun int) {
	symbol, used := t.symbol(t.lut[r.acc>>(64-lutBits)], r.acc)
	r.take(used)
	run, size := symbol>>4, symbol&15
	switch {
	case used == 0:
		r.bad = true
		return 0, 0, 0
	case size == 0 && run < 15:
		return 0, 0, r.eobRun(run)
	}
	value = extend(r.acc, size)
	r.take(size)
	return run + 1, value, 0
}

// move moves away from 0 those of old that are wanted and whose bit in moves is 1; there is one for each of old, from the top.
func (a *acBand) move(values *[64]int16, old, moves uint64) {
	low := a.low & 15
	for m := old & a.shape.wanted; m != 0; m &= m - 1 {
		before := bits.OnesCount64(old & (m&-m - 1))
		bit := int64(moves << (before & 63) >> 63)
		value := &values[a.shape.slot[bits.TrailingZeros64(m)]&63]
		sign := int64(*value)>>63 | 1
		*value = limit16(int64(*value) + sign*bit<<low)
	}
}

// eobRun returns how many blocks, this one included, end here: 1<<run and as many as the next run bits say.
func (r *bitReader) eobRun(run uint) int {
	n := 1<<run + int(r.acc>>1>>(63-run))
	r.take(run)
	return n
}

// gather shifts the next count bits into v.
func (r *bitReader) gather(v uint64, count uint) uint64 {
	for count > 0 {
		r.refill()
		part := min(count, 56)
		v = v<<part | r.acc>>(64-part)
		r.take(part)
		count -= part
	}
	return v
}

// noZero is behind the last of acBand.zeros.
const noZero = 255

// findZeros lists the coefficients of the band that are not in old, with noZero behind them as often as a run can lead there.
func (a *acBand) findZeros(old uint64) {
	count, eight := 0, uint64(0) // eight: of the place of zero's lowest bit
	for zero := a.mask &^ old; zero != 0; zero >>= 8 {
		binary.LittleEndian.PutUint64(a.zeros[count&63:], positions[uint8(zero)]+eight)
		count += bits.OnesCount8(uint8(zero))
		eight += 0x0808080808080808
	}
	binary.LittleEndian.PutUint64(a.zeros[count&63:], math.MaxUint64)
	binary.LittleEndian.PutUint64(a.zeros[count&63+8:], math.MaxUint64)
}

// positions[b] holds the places of the bits that are set in b, a byte for each, the lowest first.
var positions = func() (t [256]uint64) {
	for b := range t {
		for m, i := b, 0; m != 0; m, i = m&(m-1), i+8 {
			t[b] |= uint64(bits.TrailingZeros(uint(m))) << i
		}
	}
	return t
}()
