package inflate

import "encoding/binary"

// adler is the checksum of RFC 1950: a is 1 and the sum of all bytes, b the sum of what a was after each of them.
type adler struct{ a, b uint32 }

const (
	adlerBase = 65521

	// adlerWords is how many words of 8 bytes are added up before lanes of 16 bits overflow: 255*(21*22/2) < 1<<16.
	adlerWords = 22
	adlerGroup = 8 * adlerWords

	// adlerMost is how many bytes go before the remainder is taken. b, of 64 bits, would have room for 1<<28, and the vectors of
	// addMany, where a lane of 32 bits takes 255*(16+15+14+13) of 16 bytes at most, for 1<<21.
	adlerMost = 1 << 20
)

func newAdler() adler { return adler{a: 1} }

func (s adler) sum() uint32 { return s.b<<16 | s.a }

// write adds p to the sum.
func (s *adler) write(p []byte) {
	for len(p) > adlerMost {
		s.write(p[:adlerMost])
		p = p[adlerMost:]
	}
	a, b, n := addMany(uint64(s.a), uint64(s.b), p)
	for _, c := range p[n:] {
		a += uint64(c)
		b += a
	}
	s.a, s.b = uint32(a%adlerBase), uint32(b%adlerBase)
}

// addManyGo adds groups, and returns how many bytes these were.
func addManyGo(a, b uint64, p []byte) (a2, b2 uint64, n int) {
	for ; len(p)-n >= adlerGroup; n += adlerGroup {
		a, b = addGroup(a, b, (*[adlerGroup]byte)(p[n:]))
	}
	return a, b, n
}

// addGroup adds eight bytes at once, in lanes of 16 bits: the bytes 0 2 4 6 of each word in one word, 1 3 5 7 in another.
func addGroup(a, b uint64, p *[adlerGroup]byte) (uint64, uint64) {
	const low = 0x00ff00ff00ff00ff
	var even, odd uint64         // sums of the bytes
	var evenSums, oddSums uint64 // sums of what those were before each word
	for i := 0; i < len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		evenSums += even
		oddSums += odd
		even += w & low
		odd += w >> 8 & low
	}
	// A byte counts in b once for itself and once for each byte after it: 8 times for each word after its own, and 8-k times, as
	// byte k of its word, within it.
	b += adlerGroup*a + 8*(lanes(evenSums)+lanes(oddSums)) + weighted(even, 8) + weighted(odd, 7)
	return a + lanes(even) + lanes(odd), b
}

// lanes returns the sum of the four lanes.
func lanes(v uint64) uint64 { return v&0xffff + v>>16&0xffff + v>>32&0xffff + v>>48 }

// weighted returns the sum of the lanes, the first taken w times and each after it two times less.
func weighted(v, w uint64) uint64 {
	return w*(v&0xffff) + (w-2)*(v>>16&0xffff) + (w-4)*(v>>32&0xffff) + (w-6)*(v>>48)
}
