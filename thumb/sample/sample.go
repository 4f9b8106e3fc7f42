// Package sample has the one type that decoders, the resampler and the encoder hand each other.
package sample

// Plane is a rectangle of 8-bit samples: luma, chroma, gray, or one channel of a colour picture. Row y is Pix[y*Stride:][:Width]; what
// lies between its end and the next row is neither read nor written.
type Plane struct {
	Pix                   []uint8
	Stride, Width, Height int
}

// New returns a Plane of w x h samples, all 0.
func New(w, h int) Plane { return Plane{make([]uint8, w*h), w, w, h} }

// Row returns the samples of row y.
func (p Plane) Row(y int) []uint8 { return p.Pix[y*p.Stride:][:p.Width] }

// Reuse returns s with n elements, whatever they hold, or a new slice if it has no room for them. It is for what is kept in a pool.
func Reuse[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
