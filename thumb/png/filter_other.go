//go:build !goexperiment.simd || !amd64

package png

func subPixels(pixel int, dst, src []byte) int { return subPixelsGo(pixel, dst, src) }

func upVectors(dst, above, src []byte) int { return upWords(dst, above, src) }

func averagePixels(pixel int, dst, above, src []byte) int {
	return averagePixelsGo(pixel, dst, above, src)
}

func paethPixels(pixel int, dst, above, src []byte) int {
	return paethPixelsGo(pixel, dst, above, src)
}
