package jpeg

import "math/bits"

// A quantiser divides coefficients by the steps of a table. It has everything in the order of a block, and twice for the two blocks
// that are transformed side by side.
//
// A coefficient comes from the DCT times 8, so its divisor d is 8*step, and |c|/d is rounded half up by adding d/2 first. Instead of
// dividing the sum n, it is multiplied by reciprocal = ceil(2^(16+s)/d) and shifted right by 16+s, where 2^s <= d. The result is the
// same for all n < 2^15: the reciprocal is too large by less than 1, the product by less than n, and so the quotient by less than
// 1/d, as n < 2^(16+s)/d. The DCT keeps n below 2^14.
type quantiser struct {
	steps      [64]uint16
	half       [8][16]uint16
	reciprocal [8][16]uint16
	scale      [8][16]uint16 // 2^(16-s)
	divisors   [64]divisor   // the same for the Go twin, one after the other
}

// divisor is what divides one coefficient: reciprocal and 16+s in one word, as a machine multiplies and shifts.
type divisor struct {
	half, reciprocal uint32
	shift            uint8
}

// set makes q the quantiser of the table, 0 for Y and 1 for Cb and Cr, at a quality of 1 to 100. The scale is libjpeg's
// jpeg_quality_scaling, and steps beyond 255 are cut as for baseline.
func (q *quantiser) set(table, quality int) {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for k := range columnOrder {
		at := columnOrder[k]
		step := min(max((int(stdSteps[table][zigzag[k]])*percent+50)/100, 1), 255)
		q.steps[at] = uint16(step)
		q.setStep(int(at), step)
	}
}

// setStep makes step the divisor of one coefficient.
func (q *quantiser) setStep(at, step int) {
	d := 8 * step
	s := bits.Len(uint(d)) - 1
	if d == 1<<s {
		s-- // or the reciprocal would have 17 bits
	}
	for lane := range 2 {
		row, col := at/8, at%8+8*lane
		q.half[row][col] = uint16(d / 2)
		q.reciprocal[row][col] = uint16((1<<(16+s) + d - 1) / d)
		q.scale[row][col] = uint16(1 << (16 - s))
	}
	q.divisors[at] = divisor{uint32(d / 2), uint32((1<<(16+s) + d - 1) / d), uint8(16 + s)}
}

// The factors of the DCT of Loeffler, Ligtenberg and Moschytz in 13 bits of fraction, named as in libjpeg's jfdctint.c.
const (
	fractionBits = 13

	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172
)

// Samples go into the first of the two passes of the DCT times 2^sampleBits, and each pass divides by 2^passBits, which leaves the
// coefficients times 8. That is the most that 16 bits hold, and rounds as jfdctint.c does.
const (
	sampleBits = 4
	passBits   = 2
)

// transformPairGo sets dst to the quantised coefficients of two blocks side by side, 16 x 8 samples in rows of stride. It is what
// transformPair does where nothing faster is known, and to the bit what the faster ones do.
func transformPairGo(dst *[2]codedBlock, pix []uint8, stride int, q *quantiser) {
	var samples, coefs [64]int32
	for i := range dst {
		for y := range 8 {
			row := (*[8]uint8)(pix[y*stride+8*i:])
			for x, s := range row {
				samples[8*x+y] = int32(s) << sampleBits
			}
		}
		dctPass(&coefs, &samples)
		dctPass(&samples, &coefs)
		samples[0] -= 128 * 64 // samples are about 128, which only the mean shows; 64 is 8 times the factor of the DCT
		q.quantise(&dst[i], &samples)
	}
}

// quantise divides coefficients that are in the order of a block.
func (q *quantiser) quantise(dst *codedBlock, coefs *[64]int32) {
	set := uint64(0)
	for at, c := range coefs {
		d := &q.divisors[at]
		sign := c >> 31
		n := (uint32((c^sign)-sign) + d.half) * d.reciprocal >> (d.shift & 31)
		dst.coefs[at] = int16((int32(n) ^ sign) - sign)
		set |= uint64(-n>>31) << (fileOrder[at] & 63) // n is small: its negative has the top bit unless it is 0
	}
	dst.set = set
}

// dctPass sets dst to the transposed one-dimensional DCTs of the rows of src. They are larger than orthonormal ones by the square
// root of 8, and then divided by 2^passBits and rounded.
func dctPass(dst, src *[64]int32) {
	const (
		shift = fractionBits + passBits
		round = 1 << (shift - 1)
		one   = 1 << fractionBits
	)
	for i := range 8 {
		s := (*[8]int32)(src[8*i:])
		sum0, diff0 := s[0]+s[7], s[0]-s[7]
		sum1, diff1 := s[1]+s[6], s[1]-s[6]
		sum2, diff2 := s[2]+s[5], s[2]-s[5]
		sum3, diff3 := s[3]+s[4], s[3]-s[4]

		a, d := sum0+sum3, sum0-sum3
		b, c := sum1+sum2, sum1-sum2
		dst[i] = ((a+b)*one + round) >> shift
		dst[32+i] = ((a-b)*one + round) >> shift
		e := (c+d)*fix0541 + round
		dst[16+i] = (e + d*fix0765) >> shift
		dst[48+i] = (e - c*fix1847) >> shift

		z1, z2 := (diff3+diff0)*-fix0899+round, (diff2+diff1)*-fix2562+round
		z3, z4 := diff3+diff1, diff2+diff0
		z5 := (z3 + z4) * fix1175
		z3, z4 = z5-z3*fix1961, z5-z4*fix0390
		dst[8+i] = (diff0*fix1501 + z1 + z4) >> shift
		dst[24+i] = (diff1*fix3072 + z2 + z3) >> shift
		dst[40+i] = (diff2*fix2053 + z2 + z4) >> shift
		dst[56+i] = (diff3*fix0298 + z1 + z3) >> shift
	}
}
