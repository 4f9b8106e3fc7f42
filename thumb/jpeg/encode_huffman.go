package jpeg

import "slices"

// A codeSpec is a code as a DHT segment has it: how many symbols have a code of 1 to 16 bits, and the symbols by length.
type codeSpec struct {
	counts  [16]uint8
	symbols []uint8
}

// makeCodes numbers the codes of each table's symbols, T.81 C.2.
func makeCodes(specs []codeSpec) *codes {
	c := new(codes)
	for table, s := range specs {
		code, i := uint32(0), 0
		for length, count := range s.counts {
			for range count {
				symbol := s.symbols[i]
				size := uint32(symbol & 15)
				c[table<<8|int(symbol)] = code<<size<<5 | uint32(length) + 1 + size
				code++
				i++
			}
			code <<= 1
		}
	}
	return c
}

// frequencies counts the tokens.
func (e *encoder) frequencies() *[tokenKinds]int {
	freq := new([tokenKinds]int)
	for _, piece := range e.tokens {
		for _, t := range piece {
			freq[t&tokenKind]++
		}
	}
	return freq
}

// scanBytes returns how long a scan of these tokens is, without the zeros that follow its 0xff.
func (c *codes) scanBytes(freq *[tokenKinds]int) int {
	bits := 0
	for kind, n := range freq {
		bits += n * int(c[kind]%32)
	}
	return bits/8 + 1
}

// optimalHuffman returns the codes that make tokens of these frequencies shortest, for as many tables as the picture has.
func (e *encoder) optimalHuffman(freq *[tokenKinds]int) []codeSpec {
	tables := 2
	if len(e.channels) > 1 {
		tables = 4
	}
	specs := make([]codeSpec, tables)
	for i := range specs {
		specs[i] = optimalSpec((*[256]int)(freq[i<<8:]))
	}
	return specs
}

// optimalSpec returns the best code for symbols of these frequencies, among those of at most 16 bits whose longest is not all ones,
// as T.81 K.2 does. At least one frequency must not be zero.
func optimalSpec(freq *[256]int) codeSpec {
	bySymbol := make([]uint8, 0, 256) // the frequent ones first
	for symbol, f := range freq {
		if f > 0 {
			bySymbol = append(bySymbol, uint8(symbol))
		}
	}
	slices.SortStableFunc(bySymbol, func(a, b uint8) int { return freq[b] - freq[a] })

	// One leaf more, rarer than all, takes the code of ones and is then left out.
	leaves := []int{0}
	for _, symbol := range slices.Backward(bySymbol) {
		leaves = append(leaves, freq[symbol])
	}
	counts := limitLengths(codeLengths(leaves))
	longest := 16
	for counts[longest] == 0 {
		longest--
	}
	counts[longest]--

	s := codeSpec{symbols: bySymbol}
	for i := range s.counts {
		s.counts[i] = uint8(counts[i+1])
	}
	return s
}

// codeLengths returns how many leaves of a Huffman tree are at each depth. The leaves' weights are in ascending order, so the nodes
// made of them are as well, and the two lightest are always at the front of one row or the other.
func codeLengths(leaves []int) []int {
	n := len(leaves)
	weights := slices.Grow(slices.Clone(leaves), n-1)
	parents := make([]int, 2*n-1)
	leaf, node := 0, n
	for len(weights) < 2*n-1 {
		sum := 0
		for range 2 {
			next := &node
			if leaf < n && (node == len(weights) || weights[leaf] <= weights[node]) {
				next = &leaf
			}
			sum += weights[*next]
			parents[*next] = len(weights)
			*next++
		}
		weights = append(weights, sum)
	}
	depths := make([]int, 2*n-1) // of the root, which is last, 0
	counts := make([]int, n+17)
	for i := 2*n - 3; i >= 0; i-- {
		depths[i] = depths[parents[i]] + 1
		if i < n {
			counts[depths[i]]++
		}
	}
	return counts
}

// limitLengths moves the leaves below depth 16 up, T.81 figure K.3: of two that are siblings one takes their parent's place, and the
// other goes below the next leaf above, which steps down with it.
func limitLengths(counts []int) []int {
	for i := len(counts) - 1; i > 16; i-- {
		for counts[i] > 0 {
			j := i - 2
			for counts[j] == 0 {
				j--
			}
			counts[i] -= 2
			counts[i-1]++
			counts[j+1] += 2
			counts[j]--
		}
	}
	return counts[:17]
}
