//go:build !goexperiment.simd || !amd64

package jpeg

func transformPair(dst *[2]codedBlock, pix []uint8, stride int, q *quantiser) {
	transformPairGo(dst, pix, stride, q)
}
