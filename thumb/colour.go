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

// The factors of JFIF, times 65536. Those of each output add up to one, or to nothing.
const (
	yRed, yGreen, yBlue = 19595, 38470, 7471
	cbRed, cbGreen      = -11059, -21709 // and half for blue
	crGreen, crBlue     = -27439, -5329  // and half for red
)

// rgbToYCC turns red, green and blue planes of one size into Y, and Cb and Cr of half the width and height, rounded up: that of the
// mean of four pixels, with those at the edges repeated. What it returns lies where r, g and b did.
func rgbToYCC(r, g, b sample.Plane) (y, cb, cr sample.Plane) {
	y, cb, cr = r, g, b
	cb.Width, cb.Height = (r.Width+1)/2, (r.Height+1)/2
	cr.Width, cr.Height = cb.Width, cb.Height
	for row := range cb.Height {
		top, bottom := 2*row, min(2*row+1, r.Height-1)
		rowsToYCC(r.Row(top), r.Row(bottom), g.Row(top), g.Row(bottom), b.Row(top), b.Row(bottom), cb.Row(row), cr.Row(row))
	}
	return y, cb, cr
}

// rowsToYCC makes two rows of Y out of those of red, and one each of Cb and Cr, which may lie on the rows of green and blue: those
// are read further to the right. Both rows of a colour are the same where only one is left.
func rowsToYCC(r, r2, g, g2, b, b2, cb, cr []uint8) {
	luma := func(r, g, b int32) uint8 { return uint8((yRed*r + yGreen*g + yBlue*b + 1<<15) >> 16) }
	last := len(r) - 1
	r2, g, g2, b, b2, cr = r2[:len(r)], g[:len(r)], g2[:len(r)], b[:len(r)], b2[:len(r)], cr[:len(cb)]
	for i := range cb {
		x, z := 2*i, min(2*i+1, last)
		r0, r1, r3, r4 := int32(r[x]), int32(r[z]), int32(r2[x]), int32(r2[z])
		g0, g1, g3, g4 := int32(g[x]), int32(g[z]), int32(g2[x]), int32(g2[z])
		b0, b1, b3, b4 := int32(b[x]), int32(b[z]), int32(b2[x]), int32(b2[z])
		r[x], r[z], r2[x], r2[z] = luma(r0, g0, b0), luma(r1, g1, b1), luma(r3, g3, b3), luma(r4, g4, b4)
		red, green, blue := r0+r1+r3+r4, g0+g1+g3+g4, b0+b1+b3+b4
		const half = 128<<18 + 1<<17
		cb[i] = uint8(min((cbRed*red+cbGreen*green+1<<15*blue+half)>>18, 255))
		cr[i] = uint8(min((1<<15*red+crGreen*green+crBlue*blue+half)>>18, 255))
	}
}
