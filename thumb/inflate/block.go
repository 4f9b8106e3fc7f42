package inflate

// lensOrder is the order in which a dynamic block gives the lengths of the codes of code lengths.
var lensOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// loadFixed makes the tables those of RFC 1951, 3.2.6.
func (r *Reader) loadFixed() {
	if r.fixed { // or a stream of empty blocks of 10 bits would be slow
		return
	}
	lens := r.lens[:]
	for i := range maxLit {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	for i := range maxDist {
		lens[maxLit+i] = 5
	}
	build(r.lit[:], litRoot, lens[:maxLit], litEntries[:])
	build(r.dist[:], distRoot, lens[maxLit:], distEntries[:])
	r.fixed = true
}

// loadDynamic reads the tables that the block begins with, RFC 1951, 3.2.7.
func (r *Reader) loadDynamic() error {
	v, err := r.take(14)
	if err != nil {
		return err
	}
	lits, dists, n := int(v&0x1f)+257, int(v>>5&0x1f)+1, int(v>>10)+4
	if lits > 286 || dists > 30 {
		return ErrCorrupt
	}
	var own [19]uint8
	for _, at := range lensOrder[:n] {
		v, err := r.take(3)
		if err != nil {
			return err
		}
		own[at] = uint8(v)
	}
	r.fixed = false
	if !build(r.dist[:], lensRoot, own[:], lensEntries[:]) {
		return ErrCorrupt
	}
	lens := r.lens[:lits+dists]
	if err := r.readLens(lens); err != nil {
		return err
	}
	if !build(r.lit[:], litRoot, lens[:lits], litEntries[:]) || !build(r.dist[:], distRoot, lens[lits:], distEntries[:]) {
		return ErrCorrupt
	}
	if shortLiterals(lens[:256]) {
		r.lit.pair()
	}
	return nil
}

// shortLiterals reports whether pairs of literals will be common enough for the time it takes to find them.
func shortLiterals(lens []uint8) bool {
	const short = litRoot / 2
	share := 0 // of all codes, in 1<<short parts
	for _, n := range lens {
		if n != 0 && n <= short {
			share += 1 << (short - n)
		}
	}
	return share > 1<<short/3
}

// readLens reads lengths of codes, by the table in r.dist.
func (r *Reader) readLens(lens []uint8) error {
	for i := 0; i < len(lens); {
		e, err := r.lensCode()
		if err != nil {
			return err
		}
		if e < 16 {
			lens[i] = uint8(e)
			i++
			continue
		}
		var again uint8
		least, extra := 3, uint(2)
		switch e {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			again = lens[i-1]
		case 17:
			extra = 3
		case 18:
			least, extra = 11, 7
		}
		v, err := r.take(extra)
		if err != nil {
			return err
		}
		end := i + least + int(v)
		if end > len(lens) {
			return ErrCorrupt
		}
		for ; i < end; i++ {
			lens[i] = again
		}
	}
	return nil
}

func (r *Reader) lensCode() (int, error) {
	for {
		e := r.dist[r.bits&(1<<lensRoot-1)]
		if e == noCode {
			return 0, ErrCorrupt
		}
		if e.bits() <= r.nbits {
			r.drop(e.bits())
			return e.value(), nil
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
}
