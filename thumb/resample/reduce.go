package resample

import "tintype/thumb/sample"

// The filter needs six rows of the source for each step of the result: hundreds of them where a long picture becomes tiny. Where they
// would take more than maxRing bytes, and the picture shrinks to a sixteenth or less, so many rows are made one first, their mean, that
// an eighth is left to the filter. What that does to details as large as the result has is below one half per cent.
const (
	maxRing     = 8 << 20
	reducedFrom = 16
	reducedTo   = 8
)

// reducer makes one row of every few of the source and gives it to a Resizer.
type reducer struct {
	rows int // of the source for one
	sums []uint32
	have int // rows in sums
	mean sample.Plane
	to   *Resizer
}

// reduced returns s after a reducer, and how many of its rows become one; 1: it needs none.
func (s Source) reduced(h int) (Source, int) {
	down := geometry{s.Height, s.Y, s.ExtentY, h}
	scale := down.scale()
	if scale < reducedFrom || 4*down.pairs()*s.Width <= maxRing {
		return s, 1
	}
	rows := int(scale / reducedTo)
	s.Height = (s.Height + rows - 1) / rows
	s.Y /= float64(rows)
	s.ExtentY /= float64(rows)
	return s, rows
}

// add takes a row of the source. The last one completes the mean of however many there are.
func (r *reducer) add(row []uint8, last bool) {
	sums := r.sums[:len(row)]
	for x, v := range row {
		sums[x] += uint32(v)
	}
	if r.have++; r.have < r.rows && !last {
		return
	}
	n := uint32(r.have)
	for x, sum := range sums {
		r.mean.Pix[x] = uint8((sum + n/2) / n)
	}
	clear(sums)
	r.have = 0
	r.to.Rows(r.to.next, r.mean)
}
