package jpeg

import "math"

// The inverse DCTs of size n take the n*n lowest coefficients and make n*n samples of them. They are separable; per direction,
//
//	sample[i] = sum over u of scale(u) * coefficient[u] * cos((2i+1)*u*pi/2n)    scale(0) = 1/sqrt(8), else 1/2
//
// which is the orthonormal transform of size n, its coefficients brought from blocks of 8 to blocks of n. The scale, and for most
// sizes more, is in the table that the coefficients are dequantised with.
//
// Everything is fixed-point with fraction bits behind the point. Of an honest picture, no coefficient reaches 256 then, nor a sum
// 2^16, so that an int32 holds them all. Sums are made as int64, where nothing overflows whatever a block holds.
const (
	fraction = 15
	half     = 128<<fraction + 1<<(fraction-1) // what to add before the shift: the level of T.81 A.3.1, and rounding

	cosBits = 12
)

// idcts are by size. All clear the block.
var idcts = [9]func(b *block, dst []uint8, stride int){
	1: idct1, 2: idct2, 3: idct3, 4: idct4, 5: idct5, 6: idct6, 7: idct7, 8: idct8,
}

// idctScale is what a coefficient in row or column u is multiplied by, per direction, before the IDCT of size n.
func idctScale(n, u int) float64 {
	s := 0.5
	if u == 0 {
		s = 1 / math.Sqrt(8)
	}
	switch {
	case n == 2 && u == 1, n == 4 && u == 2:
		s *= math.Cos(math.Pi / 4)
	case n == 3 && u == 1:
		s *= math.Cos(math.Pi / 6)
	case n == 3 && u == 2:
		s *= 0.5
	case n == 8 && u > 0: // Arai, Agui, Nakajima: the last multiplications of their DCT, which ours begins with
		s *= math.Cos(float64(u) * math.Pi / 16)
	}
	return s
}

// dequantiser returns the factors for the coefficients in zigzag order, 0 for those that are not wanted.
func dequantiser(q *quantTable, n int) *[256]int32 {
	t := new([256]int32)
	if q == nil { // image/jpeg too takes what was not sent for zeros
		return t
	}
	for k, at := range zigzag {
		row, col := int(at>>3), int(at&7)
		if row < n && col < n {
			t[k] = int32(math.Round(float64(q[k]) * idctScale(n, row) * idctScale(n, col) * (1 << fraction)))
		}
	}
	return t
}

func clamp(v int64) uint8 {
	v >>= fraction
	if uint64(v) > 255 {
		return uint8(^(v >> 63))
	}
	return uint8(v)
}

// fill is the IDCT of a block that has a DC coefficient alone.
func fill(dst []uint8, stride, n int, b *block) {
	v := clamp(int64(b[0]) + half)
	b[0] = 0
	for y := range n {
		row := dst[y*stride:][:n]
		for x := range row {
			row[x] = v
		}
	}
}

func idct1(b *block, dst []uint8, _ int) {
	dst[0] = clamp(int64(b[0]) + half)
	b[0] = 0
}

func idct2(b *block, dst []uint8, stride int) {
	b0, b1, b2, b3 := int64(b[0])+half, int64(b[1]), int64(b[2]), int64(b[3])
	s0, s1 := b0+b2, b0-b2
	t0, t1 := b1+b3, b1-b3
	row := dst[:2:2]
	row[0], row[1] = clamp(s0+t0), clamp(s0-t0)
	row = dst[stride:][:2:2]
	row[0], row[1] = clamp(s1+t1), clamp(s1-t1)
	*(*[4]int32)(b[:]) = [4]int32{}
}

func idct3(b *block, dst []uint8, stride int) {
	x0, y0, z0 := butterfly3(int64(b[0])+half, int64(b[3]), int64(b[6]))
	x1, y1, z1 := butterfly3(int64(b[1]), int64(b[4]), int64(b[7]))
	x2, y2, z2 := butterfly3(int64(b[2]), int64(b[5]), int64(b[8]))
	for y, t := range [3][3]int64{{x0, x1, x2}, {y0, y1, y2}, {z0, z1, z2}} {
		s0, s1, s2 := butterfly3(t[0], t[1], t[2])
		row := dst[y*stride:][:3:3]
		row[0], row[1], row[2] = clamp(s0), clamp(s1), clamp(s2)
	}
	*(*[9]int32)(b[:]) = [9]int32{}
}

func butterfly3(f0, f1, f2 int64) (s0, s1, s2 int64) { return f0 + f2 + f1, f0 - 2*f2, f0 + f2 - f1 }

func idct4(b *block, dst []uint8, stride int) {
	var t [16]int64
	for c := range 4 {
		f0 := int64(b[c])
		if c == 0 {
			f0 += half
		}
		t[c], t[4+c], t[8+c], t[12+c] = butterfly4(f0, int64(b[4+c]), int64(b[8+c]), int64(b[12+c]))
	}
	for r := range 4 {
		in := (*[4]int64)(t[4*r:])
		s0, s1, s2, s3 := butterfly4(in[0], in[1], in[2], in[3])
		row := dst[r*stride:][:4:4]
		row[0], row[1], row[2], row[3] = clamp(s0), clamp(s1), clamp(s2), clamp(s3)
	}
	*(*[16]int32)(b[:]) = [16]int32{}
}

// butterfly4 is the IDCT of four, the third of them multiplied by cos(pi/4) already.
func butterfly4(f0, f1, f2, f3 int64) (s0, s1, s2, s3 int64) {
	const c1, c3 = 3784, 1567 // cos(pi/8), cos(3*pi/8) << cosBits
	e0, e1 := f0+f2, f0-f2
	o0, o1 := (f1*c1+f3*c3)>>cosBits, (f1*c3-f3*c1)>>cosBits
	return e0 + o0, e1 + o1, e1 - o1, e0 - o0
}

func idct5(b *block, dst []uint8, stride int) { idctOf(5, b, dst, stride) }
func idct6(b *block, dst []uint8, stride int) { idctOf(6, b, dst, stride) }
func idct7(b *block, dst []uint8, stride int) { idctOf(7, b, dst, stride) }

// cosines[n][i][u] is cos((2i+1)*u*pi/2n) << cosBits.
var cosines = func() (t [8][4][8]int64) {
	for n := 5; n <= 7; n++ {
		for i := range t[n] {
			for u := range n {
				t[n][i][u] = int64(math.Round(math.Cos(float64((2*i+1)*u)*math.Pi/float64(2*n)) * (1 << cosBits)))
			}
		}
	}
	return t
}()

// idctOf is the IDCT by its definition, for the sizes that are rarely asked for. It uses that the cosines of even u are symmetric
// about the middle, and those of odd u are so with the sign changed.
func idctOf(n int, b *block, dst []uint8, stride int) {
	var t [7][8]int64 // by column, as the second pass goes over rows
	for c := range n {
		f0 := int64(b[c])
		if c == 0 {
			f0 += half
		}
		for i := range (n + 1) / 2 {
			even, odd := f0<<cosBits, int64(0)
			cos := &cosines[n][i]
			for u := 1; u < n; u += 2 {
				odd += int64(b[u*n+c]) * cos[u]
			}
			for u := 2; u < n; u += 2 {
				even += int64(b[u*n+c]) * cos[u]
			}
			t[i][c], t[n-1-i][c] = (even+odd)>>cosBits, (even-odd)>>cosBits
		}
	}
	for r := range n {
		row := dst[r*stride:][:n:n]
		for i := range (n + 1) / 2 {
			even, odd := t[r][0]<<cosBits, int64(0)
			cos := &cosines[n][i]
			for u := 1; u < n; u += 2 {
				odd += t[r][u] * cos[u]
			}
			for u := 2; u < n; u += 2 {
				even += t[r][u] * cos[u]
			}
			row[n-1-i] = clamp((even - odd) >> cosBits)
			row[i] = clamp((even + odd) >> cosBits) // the one in the middle is even only
		}
	}
	clear(b[:n*n])
}

// idct8Go is the IDCT of Arai, Agui and Nakajima: five multiplications a row, as the others are in the dequantiser.
func idct8Go(b *block, dst []uint8, stride int) {
	var t [64]int64
	for c := range 8 {
		f0 := int64(b[c])
		if b[8+c]|b[16+c]|b[24+c]|b[32+c]|b[40+c]|b[48+c]|b[56+c] == 0 {
			t[c], t[8+c], t[16+c], t[24+c], t[32+c], t[40+c], t[48+c], t[56+c] = f0, f0, f0, f0, f0, f0, f0, f0
			continue
		}
		t[c], t[8+c], t[16+c], t[24+c], t[32+c], t[40+c], t[48+c], t[56+c] = butterfly8(f0, int64(b[8+c]), int64(b[16+c]),
			int64(b[24+c]), int64(b[32+c]), int64(b[40+c]), int64(b[48+c]), int64(b[56+c]))
	}
	*(*[64]int32)(b[:]) = [64]int32{}
	for r := range 8 {
		in, row := (*[8]int64)(t[8*r:]), (*[8]uint8)(dst[r*stride:])
		s0, s1, s2, s3, s4, s5, s6, s7 := butterfly8(in[0]+half, in[1], in[2], in[3], in[4], in[5], in[6], in[7])
		if uint64(s0|s1|s2|s3|s4|s5|s6|s7) < 256<<fraction { // as nearly always; then none needs a look of its own
			row[0], row[1], row[2], row[3] = uint8(s0>>fraction), uint8(s1>>fraction), uint8(s2>>fraction), uint8(s3>>fraction)
			row[4], row[5], row[6], row[7] = uint8(s4>>fraction), uint8(s5>>fraction), uint8(s6>>fraction), uint8(s7>>fraction)
			continue
		}
		row[0], row[1], row[2], row[3] = clamp(s0), clamp(s1), clamp(s2), clamp(s3)
		row[4], row[5], row[6], row[7] = clamp(s4), clamp(s5), clamp(s6), clamp(s7)
	}
}

const ( // << cosBits
	r2 = 5793  // sqrt(2)
	c2 = 7568  // 2*cos(pi/8)
	c6 = 4433  // 2*(cos(pi/8) - cos(3*pi/8))
	d6 = 10703 // 2*(cos(pi/8) + cos(3*pi/8))
)

func butterfly8(f0, f1, f2, f3, f4, f5, f6, f7 int64) (s0, s1, s2, s3, s4, s5, s6, s7 int64) {
	p, q := f0+f4, f0-f4
	sum := f2 + f6
	diff := (f2-f6)*r2>>cosBits - sum
	e0, e3, e1, e2 := p+sum, p-sum, q+diff, q-diff

	z13, z10, z11, z12 := f5+f3, f5-f3, f1+f7, f1-f7
	o7 := z11 + z13
	z5 := (z10 + z12) * c2
	o6 := (z5-z10*d6)>>cosBits - o7
	o5 := (z11-z13)*r2>>cosBits - o6
	o4 := (z12*c6-z5)>>cosBits + o5
	return e0 + o7, e1 + o6, e2 + o5, e3 - o4, e3 + o4, e2 - o5, e1 - o6, e0 - o7
}
