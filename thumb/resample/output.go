package resample

import (
	"fmt"

	"tintype/thumb/sample"
)

// output writes rows of the upright result of w x h to where they belong in dst. Sample (x, y) goes to at + x*dx + y*dy.
type output struct {
	dst        sample.Plane
	w, h       int
	at, dx, dy int
	y          int            // first row of the group
	group      [group][]uint8 // where its rows are made: in dst, or in scratch to be turned from there
	scratch    []uint8        // of group rows if they are turned, else of one: a place for rows below the last
	direct     bool
}

func newOutput(w, h, orientation int, dst sample.Plane) output {
	outW, outH := w, h
	if orientation >= 5 && orientation <= 8 {
		outW, outH = h, w
	}
	if dst.Width != outW || dst.Height != outH || dst.Stride < outW || len(dst.Pix) < (outH-1)*dst.Stride+outW {
		panic(fmt.Sprintf("resample: %dx%d, orientation %d, into %dx%d, stride %d, %d samples",
			w, h, orientation, dst.Width, dst.Height, dst.Stride, len(dst.Pix)))
	}
	o := output{dst: dst, w: w, h: h, dx: 1, dy: dst.Stride, direct: true}
	right, down := outW-1, (outH-1)*dst.Stride
	switch orientation {
	case 2:
		o.at, o.dx, o.dy = right, -1, dst.Stride
	case 3:
		o.at, o.dx, o.dy = right+down, -1, -dst.Stride
	case 4:
		o.at, o.dx, o.dy = down, 1, -dst.Stride
	case 5:
		o.at, o.dx, o.dy = 0, dst.Stride, 1
	case 6:
		o.at, o.dx, o.dy = right, dst.Stride, -1
	case 7:
		o.at, o.dx, o.dy = right+down, -dst.Stride, -1
	case 8:
		o.at, o.dx, o.dy = down, -dst.Stride, 1
	}
	o.direct = o.dx == 1
	if o.direct {
		o.scratch = make([]uint8, w)
	} else {
		o.scratch = make([]uint8, group*w)
	}
	return o
}

// rows returns where the rows of this group are to be made, each of w samples. Those below the last row share one place, or lie in
// scratch.
func (o *output) rows() *[group][]uint8 {
	for k := range o.group {
		switch {
		case !o.direct:
			o.group[k] = o.scratch[k*o.w:][:o.w]
		case o.y+k < o.h:
			o.group[k] = o.dst.Pix[o.at+(o.y+k)*o.dy:][:o.w]
		default:
			o.group[k] = o.scratch
		}
	}
	return &o.group
}

// flush writes the group, which is made, and goes on to the next.
func (o *output) flush() {
	n := min(group, o.h-o.y)
	if !o.direct {
		at := o.at + o.y*o.dy
		if n == group && (o.dy == 1 || o.dy == -1) {
			o.turn(at)
		} else {
			for k := range n {
				o.scatter(at+k*o.dy, o.group[k])
			}
		}
	}
	o.y += n
}

func (o *output) scatter(at int, row []uint8) {
	for _, v := range row {
		o.dst.Pix[at] = v
		at += o.dx
	}
}

// turn writes a whole group whose columns become rows. Column by column, each line of dst is visited once for 8 samples.
func (o *output) turn(at int) {
	var g [group][]uint8
	for k := range g {
		g[k] = o.group[k][:o.w]
		if o.dy < 0 {
			g[k] = o.group[group-1-k][:o.w]
		}
	}
	if o.dy < 0 {
		at -= group - 1
	}
	for x := range o.w {
		d := o.dst.Pix[at:][:group]
		d[0], d[1], d[2], d[3] = g[0][x], g[1][x], g[2][x], g[3][x]
		d[4], d[5], d[6], d[7] = g[4][x], g[5][x], g[6][x], g[7][x]
		at += o.dx
	}
}
