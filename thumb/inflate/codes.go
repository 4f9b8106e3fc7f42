package inflate

import "encoding/binary"

// inSlack is what one turn of the fast loop may read past the position it is checked at: 8 bytes, and 8 more from where it has moved
// on to, by 7 at most.
const inSlack = 16

// codes decompresses a block that has tables, until it ends or the buffer is full.
func (r *Reader) codes() error {
	for r.out < r.mark {
		var end bool
		var err error
		if len(r.in)-r.pos >= inSlack {
			end, err = r.fast()
		} else {
			end, err = r.one()
		}
		if err != nil {
			return err
		}
		if end {
			r.state = (*Reader).block
			return nil
		}
	}
	return nil
}

// fast decompresses while there is slack on both sides, so that neither is looked at between the parts of a symbol. It reports
// whether the block ended.
//
// Refilled, bits has at least 56 bits: enough for two entries of literals and one of any kind, or for a length and a distance, with
// all that belongs to them. What lies above nbits is what the stream goes on with, and is read again by the next refill.
func (r *Reader) fast() (end bool, err error) {
	in, buf, lit, dist := r.in, r.buf, &r.lit, &r.dist
	pos, out, bits, nbits := r.pos, r.out, r.bits, r.nbits
	lastIn, mark := len(in)-inSlack, r.mark

	for pos <= lastIn && out < mark {
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
		pos += int((63 - nbits) >> 3)
		nbits |= 56
		e := lit[bits&(1<<litRoot-1)]
		if e >= flagLiteral {
			binary.LittleEndian.PutUint16(buf[out:], uint16(e>>8))
			out += e.literals()
			bits >>= e.bits() & 63
			nbits -= e.bits()
			e = lit[bits&(1<<litRoot-1)]
			if e >= flagLiteral {
				binary.LittleEndian.PutUint16(buf[out:], uint16(e>>8))
				out += e.literals()
				bits >>= e.bits() & 63
				nbits -= e.bits()
				e = lit[bits&(1<<litRoot-1)]
				if e >= flagLiteral {
					binary.LittleEndian.PutUint16(buf[out:], uint16(e>>8))
					out += e.literals()
					bits >>= e.bits() & 63
					nbits -= e.bits()
					continue
				}
			}
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
			pos += int((63 - nbits) >> 3)
			nbits |= 56
		}
		if e&flagSpecial != 0 {
			if e&flagSecond == flagSecond {
				bits >>= litRoot
				nbits -= litRoot
				e = lit[(uint64(e.value())+bits&(1<<e.width()-1))&litMask]
			}
			if e >= flagLiteral {
				buf[out] = byte(e >> 8)
				out++
				bits >>= e.bits() & 63
				nbits -= e.bits()
				continue
			}
			if e&flagSpecial != 0 {
				if e == noCode {
					err = ErrCorrupt
				} else {
					bits >>= e.bits() & 63
					nbits -= e.bits()
					end = true
				}
				break
			}
		}
		length := e.value() + int(bits&(1<<(e.bits()&63)-1)>>(e.width()))
		bits >>= e.bits() & 63
		nbits -= e.bits()

		e = dist[bits&(1<<distRoot-1)]
		if e&flagSpecial != 0 {
			if e&flagSecond == flagSecond {
				bits >>= distRoot
				nbits -= distRoot
				e = dist[(uint64(e.value())+bits&(1<<e.width()-1))&distMask]
			}
			if e == noCode {
				err = ErrCorrupt
				break
			}
		}
		back := e.value() + int(bits&(1<<(e.bits()&63)-1)>>(e.width()))
		bits >>= e.bits() & 63
		nbits -= e.bits()
		if back > out {
			err = ErrCorrupt
			break
		}
		copyMatch(buf, out, back, length)
		out += length
	}
	r.pos, r.out, r.bits, r.nbits = pos, out, bits&(1<<nbits-1), nbits
	return end, err
}

// one decompresses one entry of the table, and takes no more of the input than it needs.
func (r *Reader) one() (end bool, err error) {
	e, err := r.code(r.lit[:], litRoot)
	if err != nil {
		return false, err
	}
	if e >= flagLiteral {
		binary.LittleEndian.PutUint16(r.buf[r.out:], uint16(e>>8))
		r.out += e.literals()
		return false, nil
	}
	if e&flagSpecial != 0 {
		return true, nil
	}
	length, err := r.extended(e)
	if err != nil {
		return false, err
	}
	e, err = r.code(r.dist[:], distRoot)
	if err != nil {
		return false, err
	}
	back, err := r.extended(e)
	if err != nil {
		return false, err
	}
	if back > r.out {
		return false, ErrCorrupt
	}
	copyMatch(r.buf, r.out, back, length)
	r.out += length
	return false, nil
}

// code takes the bits of the next code, but not those after it. Bits that are still missing are looked up as 0: an entry found with
// them has a code at least as long as the bits there are.
func (r *Reader) code(t []entry, root uint) (entry, error) {
	for {
		e, used := t[r.bits&(1<<root-1)], uint(0)
		if e < flagLiteral && e&flagSecond == flagSecond {
			used = root
			e = t[uint64(e.value())+r.bits>>root&(1<<e.width()-1)]
		}
		if e == noCode {
			return 0, ErrCorrupt
		}
		if e < flagLiteral {
			used += e.width()
		} else {
			used += e.bits()
		}
		if used <= r.nbits {
			r.drop(used)
			return e, nil
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
}

// extended returns the value of an entry whose code has been taken, with its extra bits.
func (r *Reader) extended(e entry) (int, error) {
	v, err := r.take(e.bits() - e.width())
	return e.value() + int(v), err
}

// Of a match from less than 8 bytes back, the first 8 bytes repeat those that are there: masked, they are multiplied. Stored over
// and over, these 8 bytes move on by as many as is a multiple of the distance.
var (
	spread = [8]uint64{0, 0x0101010101010101, 0x0001000100010001, 0x0001000001000001, 1<<32 | 1, 1<<40 | 1, 1<<48 | 1, 1<<56 | 1}
	stride = [8]int{0, 8, 8, 6, 8, 5, 6, 7}
)

// copyMatch writes n bytes at buf[out:], each as the one back before it, and up to 15 of no meaning after them.
func copyMatch(buf []byte, out, back, n int) {
	dst := buf[out : out+n+15]
	src := buf[out-back : out+n+8]
	if back < 8 {
		word := binary.LittleEndian.Uint64(src) & (1<<(8*back) - 1) * spread[back]
		for i := 0; i < n; i += stride[back] {
			binary.LittleEndian.PutUint64(dst[i:], word)
		}
		return
	}
	if n > 32 && back >= n {
		copy(dst[:n], src)
		return
	}
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
	}
}
