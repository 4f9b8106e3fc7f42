package jpeg

import "math/bits"

const (
	lutBits  = 11
	skipBits = 12
)

// entry is what the next lutBits bits begin with: either a symbol with the bits of its value behind it, complete,
//
//	bits 16-31 value, signed | 8-15 coefficients to advance | 0-5 bits, not 0
//
// or a symbol alone, because its value is longer or it ends a band, or 0, because the code is longer or there is none:
//
//	bits 16-23 symbol | 8-15 bits of its code | 0-5 zero
type entry uint32

func (e entry) bits() uint          { return uint(e & 63) }
func (e entry) advance() uint8      { return uint8(e >> 8) }
func (e entry) value() int64        { return int64(int32(e)) >> 16 }
func (e entry) symbol() (s, n uint) { return uint(e>>16) & 0xff, uint(e>>8) & 0xff }

// The index of a coefficient is a uint8 that says how a block ended when it is above 64:
const (
	endOfBlock = 128 // what an end-of-block symbol advances, from an index below 64
	badCode    = 255 // there was a code that the table does not have
)

// entryKind says which symbols a lookup completes.
type entryKind uint8

const (
	dcValues     entryKind = iota // the symbol is the size of a difference
	acValues                      // of a sequential scan: run and size, end of block, run of 16 zeros
	acBandValues                  // of a progressive scan: an end of block may stand for many, and is left to the caller
)

// table decodes one Huffman code.
type table struct {
	spec   *huffmanSpec // that it was built from
	kind   entryKind
	lut    [1 << lutBits]entry
	over   [17]uint32 // over[n]: one more than the last code of n bits
	offset [17]int32  // offset[n]: from a code of n bits to its place in values
	values [256]uint8
	skip   *[1 << skipBits]skipEntry // of acValues
}

func (t *table) build(spec *huffmanSpec, kind entryKind) {
	t.spec, t.kind = spec, kind
	copy(t.values[:], spec.values)
	clear(t.lut[:])
	code, next := uint32(0), int32(0)
	for n := uint(1); n <= 16; n++ {
		t.offset[n] = next - int32(code)
		for range spec.counts[n-1] {
			if n <= lutBits {
				t.fill(code, n, uint(t.values[next&255]))
			}
			code++
			next++
		}
		t.over[n] = code
		code <<= 1
	}
	if kind == acValues {
		if t.skip == nil {
			t.skip = new([1 << skipBits]skipEntry)
		}
		t.buildSkip()
	}
}

// fill enters a symbol wherever its code of n bits begins the index.
func (t *table) fill(code uint32, n, symbol uint) {
	free := lutBits - n // bits of the index behind the code
	alone := entry(symbol<<16 | n<<8)
	run, size := symbol>>4, symbol&15
	switch {
	case t.kind == dcValues:
		run, size = 0, symbol
	case size == 0 && run == 0 && t.kind == acValues:
		alone = entry(endOfBlock<<8 | n)
	case size == 0 && run == 15:
		alone = entry(16<<8 | n)
	}
	complete := t.kind == dcValues || size > 0
	for i := range uint(1) << free {
		e := alone
		if complete && size <= free {
			v := extend(uint64(i)<<(64-free), size)
			e = entry(uint32(v)<<16 | uint32(run+1)<<8 | uint32(n+size))
		}
		t.lut[uint(code)<<free|i] = e
	}
}

// extend returns the number in the top size bits of v, 0 to 16, as T.81 F.2.2.1 has it: those that begin with 0 are negative.
func extend(v uint64, size uint) int64 {
	x := int64(v >> 1 >> (63 - size)) // in two steps, for a size of 0
	if x < 1<<size>>1 {
		x += 1 - 1<<size
	}
	return x
}

// symbol returns the symbol that v begins with, whose lookup gave e, which is not complete, and the bits of its code; 0 bits if
// the table has no such code.
func (t *table) symbol(e entry, v uint64) (symbol, n uint) {
	if e != 0 {
		return e.symbol()
	}
	for n := uint(lutBits + 1); n <= 16; n++ {
		if code := uint32(v >> (64 - n)); code < t.over[n] {
			return uint(t.values[uint8(int32(code)+t.offset[n])]), n
		}
	}
	return 0, 0
}

// difference is the way of the DC codes that are not in lut: it returns the difference that v begins with and its bits, 0 if it is
// not one.
func (t *table) difference(e entry, v uint64) (diff int64, n uint) {
	size, n := t.symbol(e, v)
	if n == 0 || size > 16 { // T.81 has 11, and lossless 16
		return 0, 0
	}
	return extend(v<<n, size), n + size
}

// coefficient is the way of the AC codes of a sequential scan that are not in lut: from index k, it returns the index behind the
// coefficient that v begins with, its value, and the bits taken.
func (t *table) coefficient(e entry, v uint64, k uint8) (next uint8, value int64, n uint) {
	symbol, n := t.symbol(e, v)
	run, size := uint8(symbol>>4), symbol&15
	switch {
	case n == 0, size == 0 && run > 0 && run < 15:
		return badCode, 0, 0
	case size == 0 && run == 0:
		return k + endOfBlock, 0, n
	case size == 0:
		return k + 16, 0, n
	case k+run > 63: // image/jpeg ends the block before the value's bits
		return endOfBlock, 0, n
	}
	return k + run + 1, extend(v<<n, size), n + size
}

// skipEntry is what the next skipBits bits hold of coefficients that are not wanted, as many as are complete:
//
//	bits 4-11 coefficients to advance, with endOfBlock | 0-3 bits, 0 if not one is complete
type skipEntry uint16

func (e skipEntry) bits() uint     { return uint(e & 15) }
func (e skipEntry) advance() uint8 { return uint8(e >> 4) }

// passes reports whether e can be taken: it ends in a block whose next coefficient is k, and with a symbol that belongs there.
func (e skipEntry) passes(k uint8) bool {
	next := k + e.advance()
	return e.bits() != 0 && (next <= 64 || next >= endOfBlock && next < endOfBlock+64)
}

func (t *table) buildSkip() {
	for i := range t.skip {
		used, advance := uint(0), uint(0)
		for advance < 64 && used < skipBits {
			e := t.lut[uint(i)<<used&(1<<skipBits-1)>>(skipBits-lutBits)]
			n, step := e.bits(), uint(e.advance())
			if n == 0 { // then the value may still be within the bits that lut does not have
				n, step = t.long(e)
			}
			if n == 0 || used+n > skipBits || step < 64 && advance+step > 63 {
				break
			}
			used, advance = used+n, advance+step
		}
		t.skip[i] = skipEntry(used | advance<<4)
	}
}

// long returns the bits of a symbol with its value, and its advance, from the entry of a symbol alone; 0 bits if it is none.
func (t *table) long(e entry) (n, advance uint) {
	symbol, n := e.symbol()
	if symbol&15 == 0 { // an end-of-band run, or nothing
		return 0, 0
	}
	return n + symbol&15, symbol>>4 + 1
}

// valueBits returns how many bits behind its code gave a value, and these bits.
func valueBits(value int64) (raw uint64, size uint) {
	size = uint(bits.Len64(uint64(max(value, -value))))
	if value < 0 {
		value += 1<<size - 1
	}
	return uint64(value), size
}
