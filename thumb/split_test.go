package thumb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// noise returns n bytes, of which many are 0 or 255.
func noise(rnd *rand.Rand, n int) []uint8 {
	b := make([]uint8, n)
	for i := range b {
		b[i] = uint8(min(max(rnd.IntN(512)-128, 0), 255))
	}
	return b
}

// TestSplit splits rows of every width up to several vectors, and looks that what lies behind the parts is left alone.
func TestSplit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for w := range 100 {
		row := noise(rnd, 4*w)
		for n, split := range map[int]func(p [4][]uint8, row []uint8){
			3: func(p [4][]uint8, row []uint8) { split3(p[0], p[1], p[2], row) },
			4: func(p [4][]uint8, row []uint8) { split4(p[0], p[1], p[2], p[3], row) },
		} {
			var parts [4][]uint8
			backing := bytes.Repeat([]uint8{7}, 4*(w+20))
			for i := range parts {
				parts[i] = backing[i*(w+20):][:w]
			}
			split(parts, row[:n*w])
			for i := range n {
				for x, got := range parts[i] {
					if want := row[n*x+i]; got != want {
						t.Fatalf("channel %d of %d, sample %d of %d is %d, want %d", i, n, x, w, got, want)
					}
				}
				if after := backing[i*(w+20)+w:][:20]; !bytes.Equal(after, bytes.Repeat([]uint8{7}, 20)) {
					t.Fatalf("channel %d of %d: %v behind %d samples", i, n, after, w)
				}
			}
		}
	}
}

func TestIsOpaque(t *testing.T) {
	for n := range 40 {
		alpha := bytes.Repeat([]uint8{255}, n)
		if !isOpaque(alpha) {
			t.Errorf("%d times 255 is not opaque", n)
		}
		for i := range alpha {
			alpha[i] = 254
			if isOpaque(alpha) {
				t.Errorf("254 at %d of %d is opaque", i, n)
			}
			alpha[i] = 255
		}
	}
}

// TestMultiply has all products, at every place of a vector.
func TestMultiply(t *testing.T) {
	for offset := range 20 {
		v, a := make([]uint8, 1<<16+offset), make([]uint8, 1<<16+offset)
		for i := range v {
			v[i], a[i] = uint8(i), uint8(i>>8)
		}
		before := bytes.Clone(v)
		multiply(v[offset:], a[offset:])
		for i, got := range v[offset:] {
			p := int(before[offset+i]) * int(a[offset+i])
			if want := (2*p + 255) / 510; int(got) != want {
				t.Fatalf("%d of alpha %d is %d, want %d", before[offset+i], a[offset+i], got, want)
			}
		}
		if !bytes.Equal(v[:offset], before[:offset]) {
			t.Fatalf("bytes before the first were changed")
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	const w = 4000
	var p [4][]uint8
	for i := range p {
		p[i] = make([]uint8, w)
	}
	row := make([]uint8, 4*w)
	for n, work := range map[int]func(){
		3: func() { split3(p[0], p[1], p[2], row) },
		4: func() { split4(p[0], p[1], p[2], p[3], row) },
	} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(w)
			for b.Loop() {
				work()
			}
		})
	}
	b.Run("multiply", func(b *testing.B) {
		b.SetBytes(w)
		for b.Loop() {
			multiply(p[0], p[1])
		}
	})
	b.Run("opaque", func(b *testing.B) {
		b.SetBytes(w)
		full := bytes.Repeat([]uint8{255}, w)
		for b.Loop() {
			isOpaque(full)
		}
	})
}
