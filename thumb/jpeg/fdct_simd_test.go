//go:build goexperiment.simd && amd64

package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"tintype/thumb/sample"
)

func needAVX2(t testing.TB) {
	if !hasAVX2 {
		t.Skip("this processor has no AVX2")
	}
}

// withoutAVX2 calls f as on a processor that has none.
func withoutAVX2(f func()) {
	defer func(old bool) { hasAVX2 = old }(hasAVX2)
	hasAVX2 = false
	f()
}

func TestAVX2BlocksAreTheSame(t *testing.T) {
	needAVX2(t)
	for _, quality := range []int{1, 25, 50, 80, 95, 100} {
		for table := range 2 {
			var q quantiser
			q.set(table, quality)
			testBlocks(func(name string, pix []uint8, stride int) {
				var got, want [2]codedBlock
				transformPairAVX2(&got, pix, stride, &q)
				transformPairGo(&want, pix, stride, &q)
				if got != want {
					t.Errorf("%s, quality %d: got %v, want %v", name, quality, got, want)
				}
			})
		}
	}
}

func TestAVX2FilesAreTheSame(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	check := func(name string, w, h int, planes []sample.Plane, quality int) {
		got := mustEncode(t, w, h, planes, quality)
		withoutAVX2(func() {
			if want := mustEncode(t, w, h, planes, quality); !bytes.Equal(got, want) {
				t.Errorf("%s, %d x %d, quality %d: other bytes", name, w, h, quality)
			}
		})
	}
	for _, quality := range []int{1, 50, 80, 100} {
		w, h, planes := photo(t)
		check("photo", w, h, planes, quality)
		for _, layout := range layouts {
			for size := 1; size < 50; size++ {
				check(layout, size, 50-size, testPlanes(layout, size, 50-size, rnd), quality)
			}
		}
	}
}

func BenchmarkEncodeWithoutAVX2(b *testing.B) { withoutAVX2(func() { BenchmarkEncode(b) }) }
