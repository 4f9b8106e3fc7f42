//go:build !goexperiment.simd || !amd64

package thumb

func split3(r, g, b, row []uint8)    { split3Go(r, g, b, row) }
func split4(r, g, b, a, row []uint8) { split4Go(r, g, b, a, row) }
func multiply(v, a []uint8)          { multiplyGo(v, a) }
