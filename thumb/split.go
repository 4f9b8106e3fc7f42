package thumb

import "tintype/thumb/sample"

// splitter returns a function that splits a row of w pixels, of as many bytes as s has planes, and gives the parts to sink. The
// colours of four channels are multiplied by their alpha if they are not yet.
func (s *source) splitter(w int, premultiplied bool, sink func(plane, y int, band sample.Plane) error) func(y int, row []uint8) error {
	parts := make([]sample.Plane, len(s.planes))
	for i := range parts {
		parts[i] = sample.New(w, 1)
	}
	return func(y int, row []uint8) error {
		switch len(parts) {
		case 1:
			parts[0].Pix = row
		case 3:
			split3(parts[0].Pix, parts[1].Pix, parts[2].Pix, row)
		default:
			alpha := parts[3].Pix
			split4(parts[0].Pix, parts[1].Pix, parts[2].Pix, alpha, row)
			if isOpaque(alpha) {
				break
			}
			s.transparent = true
			for i := 0; i < 3 && !premultiplied; i++ {
				multiply(parts[i].Pix, alpha)
			}
		}
		for i, p := range parts {
			if err := sink(i, y, p); err != nil {
				return err
			}
		}
		return nil
	}
}

func split3(r, g, b, row []uint8) {
	g, b = g[:len(r)], b[:len(r)]
	for x := range r {
		p := (*[3]uint8)(row)
		r[x], g[x], b[x] = p[0], p[1], p[2]
		row = row[3:]
	}
}

func split4(r, g, b, a, row []uint8) {
	g, b, a = g[:len(r)], b[:len(r)], a[:len(r)]
	for x := range r {
		p := (*[4]uint8)(row)
		r[x], g[x], b[x], a[x] = p[0], p[1], p[2], p[3]
		row = row[4:]
	}
}

func isOpaque(alpha []uint8) bool {
	all := uint8(255)
	for _, a := range alpha {
		all &= a
	}
	return all == 255
}

// multiply sets each v to v*a/255, rounded.
func multiply(v, a []uint8) {
	a = a[:len(v)]
	for x := range v {
		t := uint32(v[x])*uint32(a[x]) + 128
		v[x] = uint8((t + t>>8) >> 8)
	}
}
