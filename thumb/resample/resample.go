// Package resample scales planes of 8-bit samples with a Lanczos filter of three lobes, while their rows are being decoded.
//
// A plane may be luma, chroma, gray or any channel by itself. The filter runs down the columns first and then along the rows, and
// keeps only the rows of the source that it still needs: about 6 times Height/h of them, at least 8, within 8 MiB.
//
//	rows -> pairs of rows -> columns filtered, 16 bits -> rows filtered, 8 bits -> turned -> dst
//	        the ring          8 output rows at a time
//
// Edges are replicated, as libvips does: what the filter finds outside the picture is the nearest sample inside. The result is
// within 1 of the exact one where sides shrink up to 10 times, and beyond that for photographs. It does not depend on the
// processor: the AVX2 engine (GOEXPERIMENT=simd, amd64) gives the bytes of the portable one.
package resample

import (
	"fmt"

	"tintype/thumb/sample"
)

// maxSide is how many samples a side may have, of the source and of the result.
const maxSide = 65535

// Source describes the rows that are to come: Width x Height samples, 1 to 65535 each, and which part of the plane they are in the
// result covers: ExtentX x ExtentY of them from X, Y on. These may be fractions, as where a JPEG is decoded at 3/8, and the part may
// lie over an edge by up to a side, as where chroma of half the size begins or ends with half a sample. An extent is more than 0; 0
// means the whole side.
type Source struct {
	Width, Height    int
	X, Y             float64
	ExtentX, ExtentY float64
}

// maxKept is the memory that an engine may have to be kept for another Resizer, in bytes.
const maxKept = 4 << 20

// group is how many rows of the result are made together: engines filter along rows for all of them at once.
const group = 8

// engine is one way to compute. It belongs to one Resizer and owns the ring and what lies between the two filters.
type engine interface {
	// lay puts a pair of rows of the source into a slot of the ring. The rows are no longer needed when it returns.
	lay(slot int, upper, lower []uint8)
	// vertical makes row k of the group, unrounded, from the rows in the ring.
	vertical(k int, terms []term)
	// horizontal makes all rows of the group, also those that vertical has not made, whose content then means nothing.
	horizontal(rows *[group][]uint8)
	// free keeps the engine, which is not used again, for its memory.
	free()
}

// term says that the two rows in a slot count with these weights.
type term struct {
	slot         int
	upper, lower int16
}

// Resizer scales one plane once. It is for one goroutine; several Resizers may run at once. Its engine is used again by later ones
// once its last row is made.
type Resizer struct {
	src  Source
	w, h int
	out  output

	engine engine
	down   *axis   // nil: the sizes are equal and rows are copied, or reduce does all the work
	even   []uint8 // a row that waits for the second of its pair
	terms  []term
	reduce *reducer // nil: none is needed

	next int // row of the source that Rows takes next
	made int // rows of the result that the vertical filter has made
}

// New returns a Resizer that scales src to w x h, each 1 to 65535, turns that by the EXIF orientation and writes it into dst. dst has
// the size after turning: h x w for orientations 5 to 8. An orientation that EXIF does not know is 1, upright. dst must stay until
// the last row was given to Rows. New panics if a size is out of its range or dst does not fit.
func New(src Source, w, h int, orientation int, dst sample.Plane) *Resizer {
	return newResizer(src, w, h, orientation, dst, newEngine)
}

func newResizer(src Source, w, h, orientation int, dst sample.Plane, engineFor func(int, *axis, *axis) engine) *Resizer {
	src = src.whole()
	src.check(w, h)
	if less, rows := src.reduced(h); rows > 1 {
		to := newResizer(less, w, h, orientation, dst, engineFor)
		return &Resizer{src: src, reduce: &reducer{rows: rows, sums: make([]uint32, src.Width), mean: sample.New(src.Width, 1), to: to}}
	}
	r := &Resizer{src: src, w: w, h: h, out: newOutput(w, h, orientation, dst)}
	if src.equals(w, h) {
		return r
	}
	r.down = cached(geometry{src.Height, src.Y, src.ExtentY, h})
	r.engine = engineFor(src.Width, r.down, cached(geometry{src.Width, src.X, src.ExtentX, w}))
	r.even = make([]uint8, src.Width)
	r.terms = make([]term, 0, r.down.pairs)
	return r
}

// Need returns the bytes that a Resizer of this geometry takes while it works, with its weights and without dst; it is a bound that
// holds for each engine and orientation. It panics where New does.
func Need(src Source, w, h int) int64 {
	src = src.whole()
	src.check(w, h)
	if less, rows := src.reduced(h); rows > 1 {
		return Need(less, w, h) + 5*int64(src.Width)
	}
	turned := int64((group + 1) * w)
	if src.equals(w, h) {
		return turned
	}
	down, across := geometry{src.Height, src.Y, src.ExtentY, h}, geometry{src.Width, src.X, src.ExtentX, w}
	// A column has 4 bytes in each slot of the ring, 40 between the filters, and 1 in a row that waits.
	width := int64(src.Width + 2*across.pairs() + 64)
	return turned + width*int64(4*down.pairs()+41) + down.bytes() + across.bytes()
}

func (s Source) whole() Source {
	if s.ExtentX == 0 {
		s.ExtentX = float64(s.Width)
	}
	if s.ExtentY == 0 {
		s.ExtentY = float64(s.Height)
	}
	return s
}

func (s Source) check(w, h int) {
	ok := inSide(s.Width) && inSide(s.Height) && inSide(w) && inSide(h) &&
		inWindow(s.X, s.ExtentX, float64(s.Width)) && inWindow(s.Y, s.ExtentY, float64(s.Height))
	if !ok {
		panic(fmt.Sprintf("resample: %+v to %dx%d", s, w, h))
	}
}

func inSide(n int) bool { return 1 <= n && n <= maxSide }

// inWindow reports whether extent samples from at on, of a side, are a part that can be asked for.
func inWindow(at, extent, side float64) bool {
	return extent > 0 && -side <= at && at+extent <= 2*side
}

func (s Source) equals(w, h int) bool {
	return s == Source{Width: w, Height: h, ExtentX: float64(w), ExtentY: float64(h)}
}

// Rows takes the rows of the source from y on, any number of them, in order: y is the number of rows taken so far, or Rows panics.
// What band has to the right of the source or below it is ignored: decoders work in blocks. Rows keeps no part of band. dst is
// complete after the last row.
func (r *Resizer) Rows(y int, band sample.Plane) {
	if y != r.next {
		panic(fmt.Sprintf("resample: row %d after %d rows", y, r.next))
	}
	n := min(band.Height, r.src.Height-y)
	row := func(i int) []uint8 { return band.Pix[i*band.Stride:][:r.src.Width] }
	for i := 0; i < n; i++ {
		switch {
		case r.reduce != nil:
			r.reduce.add(row(i), r.next == r.src.Height-1)
		case r.down == nil:
			r.copyRow(row(i))
		case r.next%2 == 1:
			r.pair(r.even, row(i))
		case i+1 < n:
			r.pair(row(i), row(i+1))
			i++
			r.next++
		case r.next == r.src.Height-1: // the last of an odd number; what is below has no weight
			r.pair(row(i), row(i))
		default:
			copy(r.even, row(i))
		}
		r.next++
	}
}

func (r *Resizer) copyRow(row []uint8) {
	rows := r.out.rows()
	copy(rows[r.made%group], row)
	r.made++
	if r.made%group == 0 || r.made == r.h {
		r.out.flush()
	}
}

// pair takes the pair of rows that r.next is in, and makes what rows of the result it completes.
func (r *Resizer) pair(upper, lower []uint8) {
	have := r.next / 2
	if r.made == r.h { // what follows has no weight
		return
	}
	r.engine.lay(have%r.down.pairs, upper, lower)
	for r.made < r.h {
		first, weights := r.down.need(r.made)
		if first+len(weights)/2-1 > have {
			return
		}
		r.terms = r.terms[:0]
		for i := 0; i < len(weights); i += 2 {
			r.terms = append(r.terms, term{(first + i/2) % r.down.pairs, weights[i], weights[i+1]})
		}
		r.engine.vertical(r.made%group, r.terms)
		r.made++
		if r.made%group == 0 || r.made == r.h {
			r.engine.horizontal(r.out.rows())
			r.out.flush()
		}
		if r.made == r.h {
			r.engine.free()
			r.engine = nil
		}
	}
}
