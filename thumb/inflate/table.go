package inflate

import "math/bits"

// A table turns the next bits of the stream into an entry: its first 1<<root entries are looked up by root bits, and codes that are
// longer go on in a table after these, of as many bits as the longest with that beginning has left.
//
//	bits 0-7    how many bits this takes: the code (in a second table, what is left of it) and the extra bits after it
//	bits 8-23   two literals, the base of a length or distance, or where the second table begins
//	bits 24-25  how many literals it is, or flagSecond, or flagEnd
//	bits 26-29  how many bits the code has, or how many the second table is looked up by
//	bit 30      something else than a literal, length or distance; with neither flag, no code begins so
//	bit 31      a literal
type entry uint32

const (
	flagLiteral entry = 1<<31 | 1<<24
	flagSpecial entry = 1 << 30
	flagSecond  entry = flagSpecial | 1<<24
	flagEnd     entry = flagSpecial | 1<<25
	noCode      entry = flagSpecial
)

func (e entry) bits() uint    { return uint(uint8(e)) }
func (e entry) value() int    { return int(e >> 8 & 0xffff) }
func (e entry) width() uint   { return uint(e >> 26 & 0xf) }
func (e entry) literals() int { return int(e >> 24 & 3) }

const (
	maxLit  = 288 // the last two only in fixed blocks, and not to be used there
	maxDist = 32
	maxCode = 15 // bits

	litRoot  = 11
	distRoot = 8
	lensRoot = 7 // the longest code of code lengths there can be

	// The codes of a second table of k bits are a complete tree of that depth, so they are at least k+1. All the second tables
	// together are largest when each is as deep as can be: 288/5 of 16 entries, and 32/8 of 128.
	litMask  = 1<<12 - 1
	distMask = 1<<10 - 1
)

type (
	litTable  [litMask + 1]entry
	distTable [distMask + 1]entry
)

// Entries of the symbols, but for the bits of their codes.
var (
	litEntries  [maxLit]entry
	distEntries [maxDist]entry
	lensEntries [19]entry
)

func init() {
	for i := range 256 {
		litEntries[i] = flagLiteral | entry(i)<<8
	}
	litEntries[256] = flagEnd
	base, extra := 3, 0
	for i := 257; i < 285; i++ {
		if i >= 265 && i%4 == 1 {
			extra++
		}
		litEntries[i] = entry(base<<8 | extra)
		base += 1 << extra
	}
	litEntries[285] = 258 << 8
	litEntries[286], litEntries[287] = noCode, noCode

	base, extra = 1, 0
	for i := range 30 {
		if i >= 4 && i%2 == 0 {
			extra++
		}
		distEntries[i] = entry(base<<8 | extra)
		base += 1 << extra
	}
	distEntries[30], distEntries[31] = noCode, noCode

	for i := range lensEntries {
		lensEntries[i] = entry(i << 8)
	}
}

// build fills t for symbols whose codes have the given lengths. Like zlib it refuses a set of codes that is not complete, with two
// exceptions: no code at all, and a single one of one bit.
func build(t []entry, root int, lens []uint8, symbols []entry) bool {
	var count [maxCode + 1]int
	for _, n := range lens {
		count[n]++
	}
	count[0] = 0
	var first [maxCode + 2]int // of the symbols by length of code, the first of each
	used := 0                  // of the 1<<maxCode codes
	for n, c := range count {
		first[n+1] = first[n] + c
		used += c << (maxCode - n)
	}
	total := first[maxCode+1]
	if used != 1<<maxCode && total != 0 && !(total == 1 && count[1] == 1) {
		return false
	}
	var sorted [maxLit]uint16
	at := first
	for i, n := range lens {
		if n != 0 {
			sorted[at[n]] = uint16(i)
			at[n]++
		}
	}

	// Codes of n bits are put into the first 1<<n entries. For the next length these are doubled, which repeats each code with
	// both values of the bit after it.
	t[0] = noCode
	code := 0
	for n := 1; n <= root; n++ {
		code <<= 1
		copy(t[1<<(n-1):1<<n], t[:1<<(n-1)])
		for _, s := range sorted[first[n]:first[n+1]] {
			t[reverse(code, n)] = coded(symbols[s], n, n)
			code++
		}
	}
	if first[root+1] < total {
		buildSecond(t, root, code, &count, sorted[first[root+1]:total], symbols)
	}
	return true
}

// buildSecond fills the tables after the first 1<<root entries. code is the one after the last of root bits; count is how many codes
// there are of each length, and sorted the symbols of those above root.
func buildSecond(t []entry, root, code int, count *[maxCode + 1]int, sorted []uint16, symbols []entry) {
	end, start, width := 1<<root, 0, 0
	prefix := -1
	for n := root + 1; n <= maxCode; n++ {
		code <<= 1
		for left := count[n]; left > 0; left-- {
			rev := reverse(code, n)
			if p := rev & (1<<root - 1); p != prefix {
				prefix = p
				start, width = end, n-root
				for fit := left; fit < 1<<width; width++ {
					fit = fit*2 + count[root+width+1]
				}
				end += 1 << width
				t[prefix] = flagSecond | entry(width<<26|start<<8|root)
			}
			e := coded(symbols[sorted[0]], n, n-root)
			sorted = sorted[1:]
			for i := rev >> root; i < 1<<width; i += 1 << (n - root) {
				t[start+i] = e
			}
			code++
		}
	}
}

// coded returns the entry of a symbol with a code of n bits, of which the last are looked up here.
func coded(symbol entry, n, last int) entry {
	if symbol == noCode {
		return noCode
	}
	return symbol + entry(last|last<<26)
}

// reverse returns the n bits of code in the order in which the stream has them.
func reverse(code, n int) int { return int(bits.Reverse16(uint16(code)) >> (16 - n)) }

// pair joins literals that are looked up by fewer than root bits together. It pays where codes are short.
func (t *litTable) pair() {
	for i := 1<<litRoot - 1; i > 0; i-- { // downwards, as the second is looked up further down and must be single
		e := t[i]
		if e < flagLiteral {
			continue
		}
		second := t[i>>e.bits()]
		if both := e.bits() + second.bits(); second >= flagLiteral && both <= litRoot {
			t[i] = 1<<31 | 2<<24 | second>>8&0xff<<16 | e&0xff00 | entry(both)
		}
	}
}
