//go:build !goexperiment.simd || !amd64

package jpeg

func idct8(b *block, dst []uint8, stride int) { idct8Go(b, dst, stride) }
