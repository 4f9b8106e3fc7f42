package png

import "encoding/binary"

// The filters of a row: what was subtracted from each byte.
const (
	filterNone    = iota
	filterSub     // the byte of the pixel before it
	filterUp      // the byte above it
	filterAverage // half the sum of both
	filterPaeth   // the one of both, or of the byte above the one before, that is nearest to left + above - that third
)

var le = binary.LittleEndian

// unfilter writes a row that was filtered, src, to dst. above is the row above it, and pixel how many bytes back the pixel before
// is. dst is longer than the others by rowSlack, where anything may be written. It returns false for a filter that there is not.
func unfilter(filter uint8, pixel int, dst, above, src []byte) bool {
	switch filter {
	case filterNone:
		copy(dst, src)
	case filterSub:
		unfilterSub(pixel, dst, src)
	case filterUp:
		unfilterUp(dst, above, src)
	case filterAverage:
		unfilterAverage(pixel, dst, above, src)
	case filterPaeth:
		unfilterPaeth(pixel, dst, above, src)
	default:
		return false
	}
	return true
}

const (
	low32, high32 = 0x7f7f7f7f, 0x80808080
	low64, high64 = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
)

// add32 adds the four bytes of a and b, each for itself.
func add32(a, b uint32) uint32 { return (a&low32 + b&low32) ^ (a^b)&high32 }

func add64(a, b uint64) uint64 { return (a&low64 + b&low64) ^ (a^b)&high64 }

// average32 returns half the sums of the four bytes of a and b, rounded down.
func average32(a, b uint32) uint32 { return a&b + (a^b)>>1&low32 }

func unfilterUp(dst, above, src []byte) {
	for i := upVectors(dst, above, src); i < len(src); i++ {
		dst[i] = src[i] + above[i]
	}
}

// Of the next three, each does the first pixel, which has none before it, then leaves what it can to a faster twin, which begins with
// the first pixel again and returns how many bytes it did, and does the others.

func unfilterSub(pixel int, dst, src []byte) {
	i := copy(dst, src[:min(pixel, len(src))])
	for i = max(i, subPixels(pixel, dst, src)); i < len(src); i++ {
		dst[i] = src[i] + dst[i-pixel]
	}
}

func unfilterAverage(pixel int, dst, above, src []byte) {
	i := 0
	for ; i < min(pixel, len(src)); i++ {
		dst[i] = src[i] + above[i]/2
	}
	for i = max(i, averagePixels(pixel, dst, above, src)); i < len(src); i++ {
		dst[i] = src[i] + uint8((int(dst[i-pixel])+int(above[i]))/2)
	}
}

func unfilterPaeth(pixel int, dst, above, src []byte) {
	i := 0
	for ; i < min(pixel, len(src)); i++ { // without a pixel before, the nearest is always the one above
		dst[i] = src[i] + above[i]
	}
	for i = max(i, paethPixels(pixel, dst, above, src)); i < len(src); i++ {
		dst[i] = src[i] + uint8(paeth(int(dst[i-pixel]), int(above[i]), int(above[i-pixel])))
	}
}

// The twins without SIMD do words of Up, and pixels of 3 and 4 bytes, loaded and stored as 4 bytes: the one too many of 3 is overwritten with the next
// pixel. The last, where 4 bytes would be more than there are, is left.

func upWords(dst, above, src []byte) int {
	i := 0
	for ; i+8 <= len(src) && i+8 <= len(above) && i+8 <= len(dst); i += 8 {
		le.PutUint64(dst[i:], add64(le.Uint64(src[i:]), le.Uint64(above[i:])))
	}
	return i
}

func subPixelsGo(pixel int, dst, src []byte) int {
	if pixel != 3 && pixel != 4 {
		return 0
	}
	var left uint32
	i := 0
	for ; i+4 <= len(src) && i+4 <= len(dst); i += pixel {
		left = add32(left, le.Uint32(src[i:]))
		le.PutUint32(dst[i:], left)
	}
	return i
}

func averagePixelsGo(pixel int, dst, above, src []byte) int {
	if pixel != 3 && pixel != 4 {
		return 0
	}
	var left uint32
	i := 0
	for ; i+4 <= len(src) && i+4 <= len(above) && i+4 <= len(dst); i += pixel {
		left = add32(average32(left, le.Uint32(above[i:])), le.Uint32(src[i:]))
		le.PutUint32(dst[i:], left)
	}
	return i
}

func paethPixelsGo(pixel int, dst, above, src []byte) int {
	switch pixel {
	case 3:
		return paeth3(dst, above, src)
	case 4:
		return paeth4(dst, above, src)
	}
	return 0
}

// paeth returns the one of left, above and corner that is nearest to left + above - corner, the first of those that are equally near.
// That is the smaller of the first two if the corner is so large, or the larger if it is so small, that it is beyond a third of the
// way from the other; and between these, the corner.
func paeth(left, above, corner int) int {
	small, large := min(left, above), max(left, above)
	bound := 3*corner - left - above
	nearest := corner
	if large <= bound {
		nearest = small
	}
	if bound <= small {
		nearest = large
	}
	return nearest
}

// paeth3 does pixels of 3 bytes and returns how many bytes it did.
func paeth3(dst, above, src []byte) int {
	var l0, l1, l2, c0, c1, c2 int
	i := 0
	for ; i+4 <= len(src) && i+4 <= len(above) && i+4 <= len(dst); i += 3 {
		u, s := le.Uint32(above[i:]), le.Uint32(src[i:])
		u0, u1, u2 := int(u&0xff), int(u>>8&0xff), int(u>>16&0xff)
		l0 = (paeth(l0, u0, c0) + int(s)) & 0xff
		l1 = (paeth(l1, u1, c1) + int(s>>8)) & 0xff
		l2 = (paeth(l2, u2, c2) + int(s>>16)) & 0xff
		le.PutUint32(dst[i:], uint32(l0|l1<<8|l2<<16))
		c0, c1, c2 = u0, u1, u2
	}
	return i
}

// paeth4 does pixels of 4 bytes.
func paeth4(dst, above, src []byte) int {
	var l0, l1, l2, l3, c0, c1, c2, c3 int
	i := 0
	for ; i+4 <= len(src) && i+4 <= len(above) && i+4 <= len(dst); i += 4 {
		u, s := le.Uint32(above[i:]), le.Uint32(src[i:])
		u0, u1, u2, u3 := int(u&0xff), int(u>>8&0xff), int(u>>16&0xff), int(u>>24)
		l0 = (paeth(l0, u0, c0) + int(s)) & 0xff
		l1 = (paeth(l1, u1, c1) + int(s>>8)) & 0xff
		l2 = (paeth(l2, u2, c2) + int(s>>16)) & 0xff
		l3 = (paeth(l3, u3, c3) + int(s>>24)) & 0xff
		le.PutUint32(dst[i:], uint32(l0|l1<<8|l2<<16|l3<<24))
		c0, c1, c2, c3 = u0, u1, u2, u3
	}
	return i
}
