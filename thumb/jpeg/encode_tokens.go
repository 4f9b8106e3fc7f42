package jpeg

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A token is one Huffman symbol of the scan and the bits that follow it:
//
//	 31            16 15   10  9     8  7            0
//	+----------------+-------+---------+--------------+
//	| following bits |   0   |  table  |    symbol    |
//	+----------------+-------+---------+--------------+
//
// The table is 0 for the DC of Y, 1 for its AC, 2 and 3 for those of Cb and Cr. The symbol is that of T.81 F.1.2, so its low four
// bits say how many follow. A scan is tokens first and bits later because its best codes are known only when it ends, and because
// two simple loops are faster than one that does both.
type token uint32

const (
	tokenTables = 4
	tokenKinds  = tokenTables << 8
	tokenKind   = tokenKinds - 1 // mask of table and symbol

	// A block has one token for its DC, and at most one for each AC coefficient: a token for 16 zeros stands for 16 of them.
	maxBlockTokens = 64

	symbolEOB    = 0x00 // the rest of the block is zero
	symbol16Zero = 0xf0
)

// dcToken and acToken return a token for the value v of at most 11 bits. The table is that of a component; run is a symbol's high
// half in place.
func dcToken(table int, v int32) token { return signed(token(table)<<9, v) }

func acToken(table int, run uint, v int32) token { return signed(token(table)<<9|1<<8|token(run), v) }

// signed adds size and bits of v to a token, T.81 F.1.2.1: the negative ones as v-1, so that their first bit is 0.
func signed(t token, v int32) token {
	sign := v >> 31
	size := uint(bits.Len32(uint32((v^sign)-sign))) & 15
	return t | token(size) | token(uint32(v+sign)&(1<<size-1))<<16
}

// appendTokens appends the tokens of b, whose DC differs by diff from the one before. The capacity of dst must suffice for
// maxBlockTokens more.
func (b *codedBlock) appendTokens(dst []token, table int, diff int32) []token {
	n := len(dst)
	out := (*[maxBlockTokens]token)(dst[n : n+maxBlockTokens])
	out[0] = dcToken(table, diff)
	used := uint(1)
	last := uint(0)
	for set := b.set &^ 1; set != 0; set &= set - 1 {
		k := uint(bits.TrailingZeros64(set))
		run := (k - last - 1) << 4
		last = k
		for ; run > 15<<4; run -= 16 << 4 {
			out[used%maxBlockTokens] = acToken(table, symbol16Zero, 0)
			used++
		}
		out[used%maxBlockTokens] = acToken(table, run, int32(b.coefs[columnOrder[k%64]%64]))
		used++
	}
	if last != 63 {
		out[used%maxBlockTokens] = acToken(table, symbolEOB, 0)
		used++
	}
	return dst[:n+int(used)]
}

// A bitWriter appends tokens to a scan.
type bitWriter struct {
	out []byte
	acc uint64 // the last n bits are still to be appended
	n   uint
}

// codes has for each kind of token its code with room for the following bits, times 32, plus the length of both, at most 16+11.
type codes [tokenKinds]uint32

// chunk is how many tokens are written at a time: so few that growing out for the worst case, by growth, costs little.
const (
	chunk         = 1024
	maxWord       = 16 // 8 bytes, each 0xff and stuffed
	maxTokenBytes = 8  // 27 bits, stuffed
	growth        = chunk*maxTokenBytes + maxWord
)

// write appends tokens.
func (w *bitWriter) write(tokens []token, c *codes) {
	for len(tokens) > 0 {
		n := min(len(tokens), chunk)
		w.writeChunk(tokens[:n], c)
		tokens = tokens[n:]
	}
}

func (w *bitWriter) writeChunk(tokens []token, c *codes) {
	w.out = slices.Grow(w.out, len(tokens)*maxTokenBytes+maxWord)
	acc, used := w.acc, w.n
	for _, t := range tokens {
		code := c[t&tokenKind]
		size := uint(code % 32)
		v := uint64(code>>5 | uint32(t>>16))
		if used+size > 64 {
			over := used + size - 64
			w.word(acc<<((size-over)%64) | v>>(over%64))
			acc, used = v, over
			continue
		}
		acc = acc<<size | v
		used += size
	}
	w.acc, w.n = acc, used
}

// word appends 8 bytes, and a zero after each 0xff. The capacity of out must suffice.
func (w *bitWriter) word(v uint64) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := len(w.out)
	if v&^(v+ones)&tops == 0 { // adding 1 clears the top bit of a 0xff: there is none
		w.out = w.out[:n+8]
		binary.BigEndian.PutUint64(w.out[n:], v)
		return
	}
	for shift := 56; shift >= 0; shift -= 8 {
		w.byte(byte(v >> shift))
	}
}

func (w *bitWriter) byte(b byte) {
	w.out = append(w.out, b)
	if b == 0xff {
		w.out = append(w.out, 0)
	}
}

// finish appends what is left, filled up with ones as T.81 F.1.2.3 asks.
func (w *bitWriter) finish() []byte {
	for w.n >= 8 {
		w.n -= 8
		w.byte(byte(w.acc >> w.n))
	}
	if w.n > 0 {
		w.byte(byte(w.acc<<(8-w.n)) | 0xff>>w.n)
	}
	return w.out
}
