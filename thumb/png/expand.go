package png

// expand writes w pixels of the file, src, to dst as Channels() bytes each. dst is longer by rowSlack.
func (p *Picture) expand(dst, src []byte, w int) {
	switch {
	case p.kind == indexed:
		p.expandIndexed(dst, src, w)
	case p.keyed:
		p.expandKeyed(dst, src, w)
	case p.depth == 16:
		expandDeep(dst, src, w, p.kind)
	case p.kind == grayAlpha:
		for i := range w {
			g, a := src[2*i], src[2*i+1]
			le.PutUint32(dst[4*i:], uint32(g)*0x010101|uint32(a)<<24)
		}
	default:
		expandGray(dst, src, w, p.depth)
	}
}

// sample returns number i of those of at most 8 bits, the first of which stands in the high bits of its byte.
func sample(src []byte, i, depth int) uint8 {
	at := i * depth
	return src[at/8] >> (8 - depth - at%8) & (1<<depth - 1)
}

// scale is what makes the largest number of a depth 255.
func scale(depth int) uint8 { return uint8(255 / (1<<depth - 1)) }

func expandGray(dst, src []byte, w, depth int) {
	factor := scale(depth)
	for i := range w {
		dst[i] = sample(src, i, depth) * factor
	}
}

func (p *Picture) expandIndexed(dst, src []byte, w int) {
	n := p.Channels()
	// Colours of 3 bytes are written as 4: the last is overwritten with the next pixel.
	if p.depth == 8 {
		for i, index := range src[:w] {
			*(*rgba)(dst[n*i:]) = p.palette[index]
		}
		return
	}
	for i := range w {
		*(*rgba)(dst[n*i:]) = p.palette[sample(src, i, p.depth)]
	}
}

// expandKeyed makes the pixels of one colour transparent. All bits of 16 are compared.
func (p *Picture) expandKeyed(dst, src []byte, w int) {
	for i := range w {
		r, g, b := p.color(src, i)
		pixel := rgba{p.byteOf(r), p.byteOf(g), p.byteOf(b), 255}
		if r == p.key[0] && (p.Gray || g == p.key[1] && b == p.key[2]) {
			pixel[3] = 0
		}
		*(*rgba)(dst[4*i:]) = pixel
	}
}

// color returns the channels of pixel i of a picture without alpha, as they are in the file.
func (p *Picture) color(src []byte, i int) (r, g, b uint16) {
	if p.Gray {
		v := p.channel(src, i)
		return v, v, v
	}
	return p.channel(src, 3*i), p.channel(src, 3*i+1), p.channel(src, 3*i+2)
}

func (p *Picture) channel(src []byte, i int) uint16 {
	if p.depth == 16 {
		return uint16(src[2*i])<<8 | uint16(src[2*i+1])
	}
	return uint16(sample(src, i, p.depth))
}

// byteOf returns a channel of the file in 8 bits.
func (p *Picture) byteOf(v uint16) uint8 {
	if p.depth == 16 {
		return uint8(v >> 8)
	}
	return uint8(v) * scale(p.depth)
}

// expandDeep keeps the high bytes of channels of 16 bits.
func expandDeep(dst, src []byte, w int, kind colorType) {
	if kind == grayAlpha {
		for i := range w {
			g, a := src[4*i], src[4*i+2]
			le.PutUint32(dst[4*i:], uint32(g)*0x010101|uint32(a)<<24)
		}
		return
	}
	for i := range w * kind.channels() {
		dst[i] = src[2*i]
	}
}
