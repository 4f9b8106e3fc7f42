package resample

import (
	"sync"

	"tintype/thumb/sample"
)

// Between the filters, samples have 6 bits after the point: 255 and what the filter overshoots by fit into 16 bits then, and the
// result is rounded once. Sums of 16-bit samples and weights fit into 32 bits, since the weights add up to less than 2*one.
const (
	downShift   = 14 - 6
	acrossShift = 14 + 6
)

// portable computes with 64-bit words that hold two numbers each, so that one multiplication does the work of two.
//
// A pair of samples a and b lies in the ring as a + b<<24, and its weights are multiplied as v + u<<24 for u*a + v*b:
//
//	(a + b<<24) * (v + u<<24) = a*v + (u*a + v*b)<<24 + b*u<<48
//
// Sums of a*v fit into 24 signed bits, and so do those in the middle, which are wanted.
//
// Between the filters, a word holds the samples of two rows as s + t<<32, to be multiplied by one weight.
type portable struct {
	width, stride int
	ring          []uint32 // slots of width words
	sums          []uint64 // of one row; bias between rows
	mid           []int64  // group/2 rows of stride words; what is right of width is 0
	across        *axis
}

// bias is where sums begin: 1<<23 makes the lowest 24 bits positive, so that nothing is borrowed from the middle, which the rest
// rounds.
const bias = 1<<23 + 1<<(downShift-1)<<24

func newPortable(width int, down, across *axis) engine {
	p, _ := portables.Get().(*portable)
	if p == nil {
		p = new(portable)
	}
	p.width, p.stride, p.across = width, width+2*across.pairs, across
	p.ring = sample.Reuse(p.ring, down.pairs*width)
	p.sums = sample.Reuse(p.sums, width)
	p.mid = sample.Reuse(p.mid, group/2*p.stride)
	clear(p.mid)
	for x := range p.sums {
		p.sums[x] = bias
	}
	return p
}

var portables sync.Pool

func (p *portable) free() {
	p.across = nil
	if 4*cap(p.ring)+8*cap(p.sums)+8*cap(p.mid) <= maxKept {
		portables.Put(p)
	}
}

func (p *portable) lay(slot int, upper, lower []uint8) {
	d := p.ring[slot*p.width:][:p.width]
	upper, lower = upper[:len(d)], lower[:len(d)]
	for x := range d {
		d[x] = uint32(upper[x]) | uint32(lower[x])<<24
	}
}

func (p *portable) vertical(k int, terms []term) {
	for len(terms) > 0 {
		n := len(terms)
		switch {
		case n > 12:
			n = 6
		case n > 6:
			n = (n + 1) / 2
		}
		p.add(terms[:n])
		terms = terms[n:]
	}
	d := p.mid[k/2*p.stride:][:len(p.sums)]
	if k%2 == 0 {
		for x, s := range p.sums {
			d[x] = int64(int16(s >> (24 + downShift)))
			p.sums[x] = bias
		}
		return
	}
	for x, s := range p.sums {
		d[x] += int64(int16(s>>(24+downShift))) << 32
		p.sums[x] = bias
	}
}

// add adds up to 6 pairs of rows to the sums.
func (p *portable) add(terms []term) {
	var r [6][]uint32
	var k [6]uint64
	for i, t := range terms {
		r[i] = p.ring[t.slot*p.width:][:p.width]
		k[i] = uint64(int64(t.lower) + int64(t.upper)<<24)
	}
	switch len(terms) {
	case 6:
		add6(p.sums, r[0], r[1], r[2], r[3], r[4], r[5], k)
	case 5:
		add5(p.sums, r[0], r[1], r[2], r[3], r[4], k)
	case 4:
		add4(p.sums, r[0], r[1], r[2], r[3], k)
	case 3:
		add3(p.sums, r[0], r[1], r[2], k)
	default:
		for i := range terms {
			add1(p.sums, r[i], k[i])
		}
	}
}

func add6(sums []uint64, a, b, c, d, e, f []uint32, k [6]uint64) {
	n := len(sums)
	a, b, c, d, e, f = a[:n], b[:n], c[:n], d[:n], e[:n], f[:n]
	for x := range sums {
		sums[x] += uint64(a[x])*k[0] + uint64(b[x])*k[1] + uint64(c[x])*k[2] +
			uint64(d[x])*k[3] + uint64(e[x])*k[4] + uint64(f[x])*k[5]
	}
}

func add5(sums []uint64, a, b, c, d, e []uint32, k [6]uint64) {
	n := len(sums)
	a, b, c, d, e = a[:n], b[:n], c[:n], d[:n], e[:n]
	for x := range sums {
		sums[x] += uint64(a[x])*k[0] + uint64(b[x])*k[1] + uint64(c[x])*k[2] + uint64(d[x])*k[3] + uint64(e[x])*k[4]
	}
}

func add4(sums []uint64, a, b, c, d []uint32, k [6]uint64) {
	n := len(sums)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	for x := range sums {
		sums[x] += uint64(a[x])*k[0] + uint64(b[x])*k[1] + uint64(c[x])*k[2] + uint64(d[x])*k[3]
	}
}

func add3(sums []uint64, a, b, c []uint32, k [6]uint64) {
	n := len(sums)
	a, b, c = a[:n], b[:n], c[:n]
	for x := range sums {
		sums[x] += uint64(a[x])*k[0] + uint64(b[x])*k[1] + uint64(c[x])*k[2]
	}
}

func add1(sums []uint64, a []uint32, k uint64) {
	a = a[:len(sums)]
	for x := range sums {
		sums[x] += uint64(a[x]) * k
	}
}

func (p *portable) horizontal(rows *[group][]uint8) {
	for k := 0; k < group; k += 4 {
		p.across4(rows[k], rows[k+1], rows[k+2], rows[k+3], p.mid[k/2*p.stride:][:2*p.stride])
	}
}

// across4 makes four rows from two rows of mid. Two weights at a time is as fast as all of them unrolled for their number, for which
// there are not enough registers.
func (p *portable) across4(a, b, c, d []uint8, mid []int64) {
	upper, lower := mid[:p.stride], mid[p.stride:]
	first := p.across.first[:len(a)]
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	for x := range a {
		w := p.across.taps(x)
		from := 2 * int(first[x])
		s, t := upper[from:][:len(w)], lower[from:][:len(w)]
		const half = 1<<(acrossShift-1) | 1<<(acrossShift-1)<<32
		sum, sum2 := int64(half), int64(half)
		for i := 1; i < len(w); i += 2 {
			k, l := int64(w[i-1]), int64(w[i])
			sum += s[i-1]*k + s[i]*l
			sum2 += t[i-1]*k + t[i]*l
		}
		a[x], b[x] = halves(sum)
		c[x], d[x] = halves(sum2)
	}
}

// halves returns the two samples in a sum of words.
func halves(sum int64) (uint8, uint8) {
	s := int32(sum)
	t := int32((sum - int64(s)) >> 32) // what s borrowed is given back
	return clamp(s >> acrossShift), clamp(t >> acrossShift)
}

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		v = ^(v >> 31) // 0 below, all ones above
	}
	return uint8(v)
}
