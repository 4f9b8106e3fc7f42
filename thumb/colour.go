package thumb

import (
	"image/color"

	"tintype/thumb/sample"
)

// yccToRGB turns Y, Cb and Cr of JFIF into red, green and blue, in place.
func yccToRGB(y, cb, cr []uint8) {
	cb, cr = cb[:len(y)], cr[:len(y)]
	for i := range y {
		y[i], cb[i], cr[i] = color.YCbCrToRGB(y[i], cb[i], cr[i])
	}
}

func invert(v []uint8) {
	for i := range v {
		v[i] = ^v[i]
	}
}

// rgbToYCC returns Y, and Cb and Cr of half the width and height, rounded up: that of the mean of four pixels, with those at the edges
// repeated. The planes must be of one size, without gaps; r becomes Y.
func rgbToYCC(r, g, b sample.Plane) []sample.Plane {
	cb, cr := sample.New((r.Width+1)/2, (r.Height+1)/2), sample.New((r.Width+1)/2, (r.Height+1)/2)
	for y := range cb.Height {
		top, bottom := 2*y, min(2*y+1, r.Height-1)
		chromaRow(cb.Row(y), cr.Row(y), [6][]uint8{r.Row(top), r.Row(bottom), g.Row(top), g.Row(bottom), b.Row(top), b.Row(bottom)})
	}
	red, green, blue := r.Pix, g.Pix[:len(r.Pix)], b.Pix[:len(r.Pix)]
	for i, v := range red {
		red[i] = uint8((yRed*uint32(v) + yGreen*uint32(green[i]) + yBlue*uint32(blue[i]) + 1<<15) >> 16)
	}
	return []sample.Plane{r, cb, cr}
}

// The factors of JFIF, times 65536. Those of each output add up to one, or to nothing.
const (
	yRed, yGreen, yBlue = 19595, 38470, 7471
	cbRed, cbGreen      = -11059, -21709 // and half for blue
	crGreen, crBlue     = -27439, -5329  // and half for red
)

// chromaRow makes a row of each from two rows of red, green and blue.
func chromaRow(cb, cr []uint8, from [6][]uint8) {
	sum := func(a, b []uint8, x, right int) int32 {
		return int32(a[x]) + int32(a[right]) + int32(b[x]) + int32(b[right])
	}
	last := len(from[0]) - 1
	for i := range cb {
		x, right := 2*i, min(2*i+1, last)
		r, g, b := sum(from[0], from[1], x, right), sum(from[2], from[3], x, right), sum(from[4], from[5], x, right)
		const half = 128<<18 + 1<<17
		cb[i] = uint8(min((cbRed*r+cbGreen*g+1<<15*b+half)>>18, 255))
		cr[i] = uint8(min((1<<15*r+crGreen*g+crBlue*b+half)>>18, 255))
	}
}
