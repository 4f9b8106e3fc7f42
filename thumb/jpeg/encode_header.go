package jpeg

// maxHeader is how long a header can be: segments, two tables of 64 steps and four codes of at most 256 symbols.
const maxHeader = 2 + 18 + 2*69 + 19 + 4 + 4*(17+256) + 14

// appendHeader appends all that comes before the scan.
func (e *encoder) appendHeader(dst []byte, specs []codeSpec) []byte {
	gray := len(e.channels) == 1
	dst = append(dst, 0xff, markerSOI)
	// JFIF 1.1, pixels are square, no thumbnail
	dst = append(dst, 0xff, markerAPP0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0)
	for i := range e.quantisers {
		if i == 1 && gray {
			break
		}
		dst = append(dst, 0xff, markerDQT, 0, 2+65, byte(i))
		for k := range columnOrder {
			dst = append(dst, byte(e.quantisers[i].steps[columnOrder[k]]))
		}
	}
	n := byte(len(e.channels))
	dst = append(dst, 0xff, markerSOF0, 0, 8+3*n, 8, byte(e.h>>8), byte(e.h), byte(e.w>>8), byte(e.w), n)
	for i, c := range e.channels {
		dst = append(dst, byte(i)+1, byte(c.perMCU<<4|c.perMCU), byte(c.table))
	}
	dst = appendHuffman(dst, specs, gray)
	dst = append(dst, 0xff, markerSOS, 0, 6+2*n, n)
	for i, c := range e.channels {
		dst = append(dst, byte(i)+1, byte(c.table<<4|c.table))
	}
	return append(dst, 0, 63, 0) // all coefficients, as baseline has them
}

// appendHuffman appends the first two codes, which are for gray, or all, in one segment.
func appendHuffman(dst []byte, specs []codeSpec, gray bool) []byte {
	if gray {
		specs = specs[:2]
	}
	size := 2
	for _, s := range specs {
		size += 1 + len(s.counts) + len(s.symbols)
	}
	dst = append(dst, 0xff, markerDHT, byte(size>>8), byte(size))
	for i, s := range specs {
		class, id := i&1, i>>1 // DC or AC, as token has them
		dst = append(dst, byte(class<<4|id))
		dst = append(dst, s.counts[:]...)
		dst = append(dst, s.symbols...)
	}
	return dst
}
