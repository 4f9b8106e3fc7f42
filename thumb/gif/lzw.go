package gif

const (
	maxBits = 12 // of a code
	noCode  = 1 << maxBits

	// longest is how many bytes a code can stand for at most: one more than the code added before it.
	longest = 1 << maxBits

	// outSlack is what one code may write past the mark it is checked against.
	outSlack = longest + 8

	inputSize = 16 << 10 // input without its blocks; a power of two
	inSlack   = 4        // what may be read behind it
)

// entry is what a code stands for. suffix has the last 8 of its bytes or fewer, as many as make the rest a multiple of 8.
//
//	bits 0-15   how many bytes
//	bits 16-31  the code that stands for the rest
//	bits 32-39  the first of all the bytes
type entry struct {
	suffix uint64 // the first byte is the lowest
	about  uint64
}

func (e entry) length() int   { return int(e.about & 0xffff) }
func (e entry) prefix() int   { return int(e.about >> 16 & 0xffff) }
func (e entry) first() uint64 { return e.about >> 32 }

// lzw is the state of a stream. Its codes are literals up to clear, which forgets all that follow; clear+1 is the end; and each code
// after the first that stands for bytes adds one: the bytes of the code before and the first of its own.
type lzw struct {
	in       [inputSize + inSlack]byte
	bit, end int // the next bit of in, and where it ends

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
		z.table[i] = entry{suffix: uint64(i), about: uint64(i)<<32 | 1}
	}
	z.reset()
}

func (z *lzw) reset() { z.next, z.last, z.width = z.clear+1, noCode, z.least }

// decode writes to buf[out:] what the codes of the input stand for, until out is mark or more or the input has no whole code any more.
// It returns the new out and whether the stream has ended. buf is longer than mark by outSlack.
func (z *lzw) decode(buf []uint8, out, mark int) (n int, ended bool, err error) {
	in, bit, end, table := &z.in, z.bit, z.end, &z.table
	width, next, last, clear := z.width, z.next, z.last, z.clear
	for bit+width <= end && out < mark {
		code := le.Uint32(in[bit>>3&(inputSize-1):]) >> (bit & 7) & (1<<(width&31) - 1)
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
			added, before := &table[next&(noCode-1)], &table[last&(noCode-1)]
			suffix, length := before.suffix, before.about&7
			added.about = before.about + 1 // now, as it may be the code's own: its first byte is already known
			first := table[code&(noCode-1)].first()
			if length == 0 {
				suffix = 0
				added.about += uint64(last)<<16 - before.about&(0xffff<<16)
			}
			added.suffix = suffix | first<<(8*length)
		}
		e := &table[code&(noCode-1)]
		if e.length() <= 8 {
			le.PutUint64(buf[out:], e.suffix)
		} else {
			z.put(buf[out:], e)
		}
		out += e.length()
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
	for at := (e.length() - 1) &^ 7; at >= 0; at -= 8 {
		le.PutUint64(dst[at:], e.suffix)
		e = &z.table[e.prefix()&(noCode-1)]
	}
}
