package jpeg

// columnOrder is zigzag for coefficients that are ordered by columns, as in a block.
var columnOrder = func() (order [64]uint8) {
	for k, at := range zigzag {
		order[k] = at%8*8 + at/8
	}
	return order
}()

// fileOrder is the inverse: by the place in a codedBlock, the index in a file.
var fileOrder = func() (order [64]uint8) {
	for k, at := range columnOrder {
		order[at] = uint8(k)
	}
	return order
}()

// stdSteps are the quantiser steps of T.81 tables K.1 and K.2 by rows, for Y, and for Cb and Cr; libjpeg calls that quality 50.
var stdSteps = [2][64]uint8{
	{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	},
	{
		17, 18, 24, 47, 99, 99, 99, 99,
		18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99,
		47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
	},
}
