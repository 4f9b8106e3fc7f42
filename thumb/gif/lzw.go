package gif

const (
	maxBits = 12 // of a code
	noCode  = 1 << maxBits

	// longest is how many bytes a code can stand for at most: one more than the code added before it.
	longest = 1 << maxBits

	// outSlack is what one code may write past the mark it is checked against.
	outSlack = longest + 8

	// inSlack is what may be read behind the input.
	inSlack = 4
)

// entry is what a code stands for: length bytes, of which suffix has the last 8 or fewer, as many as make the rest a multiple of 8,
// and the code prefix that rest.
type entry struct {
	suffix uint64 // the first byte is the lowest
	length uint16
	prefix uint16
	first  uint8 // of all the bytes
}

// lzw is the state of a stream. Its codes are literals up to clear, which forgets all that follow; clear+1 is the end; and each code
// after the first that stands for bytes adds one: the bytes of the code before and the first of its own.
type lzw struct {
	in       []byte // the last inSlack bytes are of no meaning
	bit, end int    // the next bit of in, and where it ends

	table [1 << maxBits]entry
	clear uint32
	least int    // bits of a code after clear
	width int    // bits of the next code
	next  uint32 // the code that the next adds, and the largest it may be
	last  uint32 // the one before, or noCode: then none is added
}

func (z *lzw) init(literalBits int) {
	z.clear, z.least = 1<<literalBits, literalBits+1
	for i := range z.clear {
		z.table[i] = entry{suffix: uint64(i), length: 1, first: uint8(i)}
	}
	z.reset()
}

func (z *lzw) reset() { z.next, z.last, z.width = z.clear+1, noCode, z.least }

// decode writes to buf[out:] what the codes of the input stand for, until out is mark or more or the input has no whole code any more.
// It returns the new out and whether the stream has ended. buf is longer than mark by outSlack.
func (z *lzw) decode(buf []uint8, out, mark int) (n int, ended bool, err error) {
	in, bit, end, table := z.in, z.bit, z.end, &z.table
	width, next, last, clear := z.width, z.next, z.last, z.clear
	for bit+width <= end && out < mark {
		code := le.Uint32(in[bit>>3:]) >> (bit & 7) & (1<<(width&31) - 1)
		bit += width
		if code-clear <= 1 {
			if code != clear {
				ended = true
				break
			}
			z.reset()
			width, next, last = z.width, z.next, z.last
			continue
		}
		if code > next {
			err = damaged("code %d of %d", code, next)
			break
		}
		if last != noCode {
			// Of the code that is added here, the first byte is known from the last one.
			added, before := &table[next&(noCode-1)], table[last&(noCode-1)]
			added.length, added.first = before.length+1, before.first
			byteOf := uint64(table[code&(noCode-1)].first)
			if n := before.length & 7; n != 0 {
				added.suffix, added.prefix = before.suffix|byteOf<<(8*n), before.prefix
			} else {
				added.suffix, added.prefix = byteOf, uint16(last)
			}
		}
		e := &table[code&(noCode-1)]
		if e.length <= 8 {
			le.PutUint64(buf[out:], e.suffix)
		} else {
			z.put(buf[out:], e)
		}
		out += int(e.length)
		last = code
		if next++; next>>(width&31) != 0 {
			if width < maxBits {
				width++
			} else { // the table is full
				next, last = noCode-1, noCode
			}
		}
	}
	z.bit, z.width, z.next, z.last = bit, width, next, last
	return out, ended, err
}

// put writes more than 8 bytes, from the last on.
func (z *lzw) put(dst []uint8, e *entry) {
	for at := int(e.length-1) &^ 7; at >= 0; at -= 8 {
		le.PutUint64(dst[at:], e.suffix)
		e = &z.table[e.prefix&(noCode-1)]
	}
}
