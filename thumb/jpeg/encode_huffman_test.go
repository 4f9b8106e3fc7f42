package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// checkSpec reports what is wrong with a code: lengths beyond Kraft's sum, a code of ones, a symbol missing.
func checkSpec(t *testing.T, s codeSpec, freq *[256]int) (bits int) {
	t.Helper()
	var total, space int
	var lengths [256]int
	i := 0
	for length, n := range s.counts {
		total += int(n)
		space += int(n) << (15 - length)
		for ; i < total; i++ {
			lengths[s.symbols[i]] = length + 1
		}
	}
	if total != len(s.symbols) || space >= 1<<16 {
		t.Errorf("%d codes for %d symbols use %#x of 0xffff", total, len(s.symbols), space)
	}
	for symbol, f := range freq {
		if f > 0 != (lengths[symbol] > 0) {
			t.Errorf("symbol %#x of frequency %d has %d bits", symbol, f, lengths[symbol])
		}
		bits += f * lengths[symbol]
	}
	return bits
}

func TestCodesHaveAtMost16Bits(t *testing.T) {
	var fibonacci, doubling, even, single [256]int
	a, b := 1, 1
	for i := range 60 { // the deepest tree there is for its sum
		fibonacci[3*i] = a
		a, b = b, a+b
		doubling[255-i] = 1 << i
	}
	for i := range even {
		even[i] = 7
	}
	single[17] = 1
	for name, freq := range map[string]*[256]int{"Fibonacci": &fibonacci, "doubling": &doubling, "even": &even, "single": &single} {
		t.Run(name, func(t *testing.T) { checkSpec(t, optimalSpec(freq), freq) })
	}
}

func TestCodesAreOptimal(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for range 500 {
		var freq [256]int
		for range 1 + rnd.IntN(200) {
			freq[rnd.IntN(256)] = 1 + int(rnd.ExpFloat64()*50)
		}
		got := checkSpec(t, optimalSpec(&freq), &freq)
		// the depth of a leaf is how often it is merged: the sum of all merged weights is the length of the text
		if want := mergedWeights(freq[:]); got != want {
			t.Fatalf("%d bits, want %d", got, want)
		}
	}
}

// mergedWeights is Huffman's algorithm without any cleverness, with one leaf of weight 0 more.
func mergedWeights(freq []int) (sum int) {
	w := []int{0}
	for _, f := range freq {
		if f > 0 {
			w = append(w, f)
		}
	}
	for len(w) > 1 {
		for i := range 2 {
			for j := i + 1; j < len(w); j++ {
				if w[j] < w[i] {
					w[i], w[j] = w[j], w[i]
				}
			}
		}
		w[1] += w[0]
		w = w[1:]
		sum += w[0]
	}
	return sum
}

func TestZerosFollowFF(t *testing.T) {
	var c codes
	c[0] = 0xff<<5 | 8    // token 0 is a byte of ones
	c[1] = 0x7fab<<5 | 15 // token 1 puts it across bytes
	rnd := rand.New(rand.NewPCG(15, 16))
	for n := range 200 {
		tokens := make([]token, n)
		var want []byte
		var acc, used uint64
		for i := range tokens {
			tokens[i] = token(rnd.IntN(2))
			code := uint64(c[tokens[i]])
			for bit := int(code%32) - 1; bit >= 0; bit-- {
				acc, used = acc<<1|code>>(5+bit)&1, used+1
				if used == 8 {
					want, used = append(want, byte(acc)), 0
				}
			}
		}
		if used > 0 {
			want = append(want, byte(acc<<(8-used))|0xff>>used)
		}
		want = bytes.ReplaceAll(want, []byte{0xff}, []byte{0xff, 0})
		var w bitWriter
		w.write(tokens[:n/2], &c)
		w.write(tokens[n/2:], &c)
		if got := w.finish(); !bytes.Equal(got, want) {
			t.Fatalf("%d tokens: got % x, want % x", n, got, want)
		}
	}
}
