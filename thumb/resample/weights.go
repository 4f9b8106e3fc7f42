package resample

import (
	"math"
	"slices"
	"sync"
)

const (
	lobes = 3
	one   = 1 << 14 // the sum of the weights of a sample
)

// geometry is what weights depend on: a side of the source in samples, where the part of it begins that is wanted, how long that
// is, and the side of the result.
type geometry struct {
	side   int
	from   float64
	extent float64
	size   int
}

// scale is the step in the source for one sample of the result; reach, how far the filter sees to either side.
func (g geometry) scale() float64 { return g.extent / float64(g.size) }
func (g geometry) reach() float64 { return lobes * max(g.scale(), 1) }

// pairs returns how many pairs of samples, each beginning at an even one, a filter may touch. That is one more than half its width
// where it begins at an odd one.
func (g geometry) pairs() int {
	taps := min(int(2*g.reach())+1, g.side)
	return taps/2 + 1
}

func (g geometry) bytes() int64 {
	n := int64(roundUp(g.size, group))
	return n*4 + (n*int64(g.pairs())+3)*4 + int64(2*g.pairs())*8
}

// axis is the weights for a side of the source. Sample i of the result is the sum of taps(i) times the samples from 2*first[i] on:
// they begin at an even one. first never decreases. The weights of a sample add up to one, and their sizes to less than 2*one,
// which is what engines count on. At the end, weights may be 0 for samples that the source does not have.
//
// first and weights go on to a multiple of group with what means nothing but may be read, and weights for 6 more.
type axis struct {
	geometry
	pairs   int // of weights for each sample
	first   []int32
	weights []int16
}

func (a *axis) taps(i int) []int16 { return a.weights[i*2*a.pairs:][:2*a.pairs] }

// need returns the first pair of samples that sample i takes, and weights up to the last pair it takes.
func (a *axis) need(i int) (int, []int16) {
	w := a.taps(i)
	for len(w) > 2 && w[len(w)-1] == 0 && w[len(w)-2] == 0 {
		w = w[:len(w)-2]
	}
	return int(a.first[i]), w
}

func newAxis(g geometry) *axis {
	n := roundUp(g.size, group)
	a := &axis{geometry: g, pairs: g.pairs(), first: make([]int32, n), weights: make([]int16, n*2*g.pairs()+6)}
	taps := make([]float64, 2*a.pairs)
	for i := range g.size {
		from, n := g.filter(i, taps)
		a.first[i] = int32(from / 2)
		quantise(a.taps(i)[from%2:], taps[:n])
	}
	return a
}

// filter sets taps to the weights of sample i and returns how many there are and where the first of them is in the source. What
// lies beyond an edge is added to the sample at the edge. The weights add up to 1.
func (g geometry) filter(i int, taps []float64) (from, n int) {
	stretch := max(g.scale(), 1)
	centre := g.from + (float64(i)+0.5)*g.scale() - 0.5 // both counted from the middle of a sample
	const edge = 1e-6                                   // there the filter is 0, and rounding must not decide whether it counts
	lo, hi := int(math.Ceil(centre-g.reach()+edge)), int(math.Floor(centre+g.reach()-edge))
	from = min(max(lo, 0), g.side-1)
	n = min(max(hi, 0), g.side-1) - from + 1
	clear(taps[:n])
	sum := 0.0
	for x := lo; x <= hi; x++ {
		v := lanczos((float64(x) - centre) / stretch)
		taps[min(max(x-from, 0), n-1)] += v
		sum += v
	}
	for t := range taps[:n] {
		taps[t] /= sum
	}
	return from, n
}

func lanczos(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x * math.Sin(x/lobes) / (x / lobes)
}

// quantise rounds taps to multiples of 1/one that add up to one. It rounds running sums, from both ends to the middle, so that many
// small weights do not all become nothing, and so that the mirror image of a filter has its mirrored weights.
func quantise(fixed []int16, taps []float64) {
	n := len(taps)
	total := 0
	end := func(at, step int) {
		sum, before := 0.0, 0
		for range n / 2 {
			sum += taps[at] * one
			now := int(math.Floor(sum + 0.5))
			fixed[at] = int16(now - before)
			before = now
			at += step
		}
		total += before
	}
	end(0, 1)
	end(n-1, -1)
	middle := n / 2 // of an even number, the larger of two: what is left is then at most 1
	if n%2 == 0 && taps[middle-1] > taps[middle] {
		middle--
	}
	fixed[middle] += int16(one - total)
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// The weights of a picture are computed in about the time that it takes to apply them, and pictures of a kind come often.
const (
	maxAxes      = 16
	maxAxisBytes = 128 << 10 // a larger one is not kept; so the axes kept are at most 2 MiB
)

var axes struct {
	sync.Mutex // guards the slice; an axis does not change
	recent     []*axis
}

// cached returns the axis of g, from the last few used if it is there.
func cached(g geometry) *axis {
	if a := recall(g); a != nil {
		return a
	}
	a := newAxis(g) // outside the lock: two may compute the same, which is harmless
	if g.bytes() <= maxAxisBytes {
		remember(a)
	}
	return a
}

func recall(g geometry) *axis {
	axes.Lock()
	defer axes.Unlock()
	i := slices.IndexFunc(axes.recent, func(a *axis) bool { return a.geometry == g })
	if i < 0 {
		return nil
	}
	a := axes.recent[i]
	copy(axes.recent[1:i+1], axes.recent[:i])
	axes.recent[0] = a
	return a
}

func remember(a *axis) {
	axes.Lock()
	defer axes.Unlock()
	axes.recent = slices.Insert(axes.recent, 0, a)
	if len(axes.recent) > maxAxes {
		axes.recent = slices.Delete(axes.recent, maxAxes, len(axes.recent))
	}
}
