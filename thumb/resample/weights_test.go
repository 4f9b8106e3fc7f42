package resample

import (
	"math/rand/v2"
	"testing"
)

// TestWeights holds what engines count on; see axis.
func TestWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		side := 1 + rng.IntN(1+rng.IntN(3000))
		from := (2*rng.Float64() - 1) * float64(rng.IntN(2))
		g := geometry{side, from, float64(side) + (2*rng.Float64()-1)*float64(rng.IntN(2)), 1 + rng.IntN(1+rng.IntN(1200))}
		checkAxis(t, newAxis(g))
	}
	for _, g := range []geometry{{1, 0, 1, 1}, {1, 0, 1, 10000}, {65535, 0, 65535, 1}, {65535, 0, 65534.5, 65535}, {2, 0, 0.001, 5},
		{9999, 0, 9999, 10000}, {9, 9, 9, 30}, {9, -9, 18, 7}} {
		checkAxis(t, newAxis(g))
	}
}

func checkAxis(t *testing.T, a *axis) {
	t.Helper()
	before := 0
	for i := range a.size {
		start, weights := a.need(i)
		if start < before || start+len(weights)/2 > (a.side+1)/2 {
			t.Fatalf("%+v: sample %d takes %d weights from pair %d on, the one before from %d", a.geometry, i, len(weights), start, before)
		}
		before = start
		sum, size := 0, 0
		for _, w := range weights {
			sum += int(w)
			size += max(int(w), -int(w))
		}
		if sum != one || size >= 2*one {
			t.Fatalf("%+v: weights of sample %d add up to %d, their sizes to %d", a.geometry, i, sum, size)
		}
		if end := 2*start + len(weights); end > a.side && weights[len(weights)-1] != 0 {
			t.Fatalf("%+v: sample %d takes what is beyond the end", a.geometry, i)
		}
	}
}

func TestCached(t *testing.T) {
	forget()
	g := geometry{300, 0, 300, 200}
	a := cached(g)
	if cached(g) != a {
		t.Error("computed again")
	}
	for i := range maxAxes - 1 {
		cached(geometry{300, 0, 300, 100 + i})
	}
	if cached(g) != a {
		t.Error("forgotten while there was room")
	}
	for i := range maxAxes {
		cached(geometry{300, 0, 300, 1000 + i})
	}
	if cached(g) == a {
		t.Error("kept beyond maxAxes others")
	}
	forget()
	large := geometry{32767, 0, 32767, 10000}
	if cached(large); len(axes.recent) != 0 {
		t.Errorf("keeps %d bytes, more than %d", large.bytes(), maxAxisBytes)
	}
}
