//go:build !goexperiment.simd || !amd64

package jpeg

func idct8(b *block, dst []uint8, stride int) { idct8Go(b, dst, stride) }

func (b *block) dequantise(values *[64]int16, quant *[64]int32, n int) {
	b.dequantiseGo(values, quant, n)
}
