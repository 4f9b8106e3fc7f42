//go:build goexperiment.simd && amd64

package jpeg

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// sameIDCT holds idct8 against its Go twin, and reports whether idct8AVX2 takes b.
func sameIDCT(t *testing.T, b *block) bool {
	t.Helper()
	const stride = 11 // three bytes at the right belong to nobody
	var untouched, got, want [8 * stride]uint8
	for i := range untouched {
		untouched[i] = uint8(i)
	}
	got, want = untouched, untouched
	mine, twin := *b, *b
	taken := idct8AVX2(&mine, got[:], stride)
	if !taken {
		if mine != *b || got != untouched {
			t.Errorf("block %v: refused, and written to", b[:64])
		}
		idct8(&mine, got[:], stride)
	}
	idct8Go(&twin, want[:], stride)
	if got != want {
		t.Errorf("block %v: got %v, want %v", b[:64], got, want)
	}
	if mine != twin {
		t.Errorf("block %v: left %v, want %v", b[:64], mine, twin)
	}
	return taken
}

func TestAVX2IDCTIsTheSame(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(21, 22))
	for bits := range 24 {
		for round := range 2000 {
			var b block
			for k, at := range zigzag[:1+round%64] {
				if k == 0 || rnd.IntN(2) == 0 {
					b[at] = min(max(rnd.Int32N(1<<bits*2+1)-1<<bits, -limitAVX2), limitAVX2)
				}
			}
			if !sameIDCT(t, &b) || t.Failed() {
				t.Fatalf("%d bits, round %d: %v", bits, round, b[:64])
			}
		}
	}
}

// TestAVX2IDCTAtTheLimit has blocks that make each sample as large as limitAVX2 allows, and blocks that are beyond it.
func TestAVX2IDCTAtTheLimit(t *testing.T) {
	needAVX2(t)
	var factors [8][8]int64 // of a sample, by coefficient
	for u := range 8 {
		var f [8]int64
		f[u] = 1 << 20
		f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7] = butterfly8(f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7])
		for i := range 8 {
			factors[i][u] = f[i]
		}
	}
	for i := range 64 {
		for _, sign := range []int32{-1, 1} {
			var b block
			for at := range 64 {
				b[at] = sign * limitAVX2
				if factors[i/8][at/8] < 0 != (factors[i%8][at%8] < 0) {
					b[at] = -b[at]
				}
			}
			if !sameIDCT(t, &b) {
				t.Errorf("refused, but all are within the limit: %v", b[:64])
			}
			b[i] = sign * (limitAVX2 + 1)
			if sameIDCT(t, &b) {
				t.Errorf("taken, but one is beyond the limit: %v", b[:64])
			}
			b[i] = []int32{math.MinInt32, math.MaxInt32}[(sign+1)/2]
			if sameIDCT(t, &b) {
				t.Errorf("taken, but one is beyond the limit: %v", b[:64])
			}
		}
	}
}

func FuzzAVX2IDCT(f *testing.F) {
	needAVX2(f)
	f.Add(make([]byte, 256))
	f.Add(bytes.Repeat([]byte{0xff, 0xff, 0x7f, 0, 1, 0, 0x80, 0xff}, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b block
		for i := range min(64, len(data)/4) {
			b[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		}
		sameIDCT(t, &b)
		for i := range b {
			b[i] >>= 8
		}
		sameIDCT(t, &b)
	})
}

func TestAVX2DequantisesTheSame(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(23, 24))
	for range 1000 {
		var values [64]int16
		var quant [64]int32
		for i := range values {
			values[i] = int16(rnd.Uint32())
			quant[i] = int32(rnd.Uint32() >> rnd.IntN(24))
		}
		var got, want block
		got.dequantiseAVX2(&values, &quant)
		want.dequantiseGo(&values, &quant, 8)
		if got != want {
			t.Fatalf("%v times %v is %v, want %v", values, quant, got, want)
		}
	}
}

func TestAVX2DecodesTheSame(t *testing.T) {
	needAVX2(t)
	for name, data := range files(t, "testdata/*.jpg") {
		for n := 1; n <= 8; n++ {
			_, got, err := decodeAll(data, n)
			if err != nil {
				t.Fatal(err)
			}
			withoutAVX2(func() {
				_, want, err := decodeAll(data, n)
				if err != nil {
					t.Fatal(err)
				}
				for c := range want {
					if !bytes.Equal(got[c].Pix, want[c].Pix) {
						t.Errorf("%s at %d/8: component %d differs", name, n, c)
					}
				}
			})
		}
	}
}
