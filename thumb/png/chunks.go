package png

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

const signature = "\x89PNG\r\n\x1a\n"

// chunkFrame is what a chunk has besides its payload.
//
//	length type payload checksum of type and payload       4+4+length+4 bytes, big-endian
const chunkFrame = 12

// stage is how far the chunks have been read whose order matters.
type stage int

const (
	start stage = iota
	seenHeader
	seenPalette
	seenTransparency
	seenPixels
)

// Parse reads everything of a PNG but its pixels. It checks what image/png checks: the checksum of every chunk up to IEND, the order
// of those that are needed, and their contents. What comes after IEND is not looked at.
//
// The Picture refers to data. The error is ErrFormat or ErrDamaged.
func Parse(data []byte) (*Picture, error) {
	p, err := parse(data, chunk)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ParseHead is Parse for the beginning of a file: once the header is right, the walk ends where a chunk is cut off or wrong, and
// checksums are not computed. Rows must not be called on what it returns.
func ParseHead(head []byte) (*Picture, error) {
	p, err := parse(head, cut)
	if p.Width == 0 {
		return nil, err
	}
	return p, nil
}

// parse reads chunks as next splits them off. With an error, it returns what it has found.
func parse(data []byte, next splitter) (*Picture, error) {
	p, at := &Picture{}, start
	if len(data) < len(signature) || string(data[:len(signature)]) != signature {
		return p, ErrFormat
	}
	for i := range p.palette {
		p.palette[i] = rgba{0, 0, 0, 255}
	}
	for rest := data[len(signature):]; ; {
		kind, payload, after, err := next(rest)
		if err != nil {
			return p, err
		}
		if string(kind) == "IEND" {
			if at != seenPixels || len(payload) != 0 {
				return p, damaged("IEND of %d bytes at stage %d", len(payload), at)
			}
			return p, nil
		}
		if at, err = p.take(at, kind, payload); err != nil {
			return p, err
		}
		if string(kind) == "IDAT" && p.pixels == nil {
			if after, err = pixelRun(rest, next); err != nil {
				return p, err
			}
			p.pixels = rest[:len(rest)-len(after)]
		}
		rest = after
	}
}

// chunk splits off the first chunk and holds it against its checksum.
func chunk(data []byte) (kind, payload, after []byte, err error) {
	kind, payload, after, err = cut(data)
	if err != nil {
		return nil, nil, nil, err
	}
	end := 8 + len(payload)
	if crc32.ChecksumIEEE(data[4:end]) != binary.BigEndian.Uint32(data[end:]) {
		return nil, nil, nil, damaged("checksum of %q", kind)
	}
	return kind, payload, after, nil
}

// cut splits off the first chunk.
func cut(data []byte) (kind, payload, after []byte, err error) {
	if len(data) < chunkFrame {
		return nil, nil, nil, damaged("no IEND")
	}
	n := uint64(binary.BigEndian.Uint32(data))
	if n > uint64(len(data)-chunkFrame) {
		return nil, nil, nil, damaged("%q of %d bytes, %d left", data[4:8], n, len(data)-chunkFrame)
	}
	return data[4:8], data[8 : 8+n], data[chunkFrame+n:], nil
}

// splitter is chunk or cut.
type splitter func(data []byte) (kind, payload, after []byte, err error)

// pixelRun returns what follows the IDAT chunks at the start of data.
func pixelRun(data []byte, next splitter) ([]byte, error) {
	for len(data) >= chunkFrame && string(data[4:8]) == "IDAT" {
		_, _, after, err := next(data)
		if err != nil {
			return nil, err
		}
		data = after
	}
	return data, nil
}

// take reads a chunk that is not IEND and returns the stage after it.
func (p *Picture) take(at stage, kind, payload []byte) (stage, error) {
	switch string(kind) {
	case "IHDR":
		if at != start {
			return at, damaged("a second IHDR")
		}
		return seenHeader, p.header(payload)
	case "PLTE":
		if at != seenHeader {
			return at, damaged("PLTE at stage %d", at)
		}
		return seenPalette, p.colors(payload)
	case "tRNS":
		ok := at == seenHeader && p.kind != indexed || at == seenPalette && (p.kind == indexed || p.kind == trueColor)
		if !ok {
			return at, damaged("tRNS at stage %d", at)
		}
		return seenTransparency, p.transparency(payload)
	case "IDAT":
		if at < seenHeader || at == seenHeader && p.kind == indexed {
			return at, damaged("IDAT at stage %d", at)
		}
		return seenPixels, nil
	case "eXIf":
		if p.Exif == nil {
			p.Exif = payload
		}
	}
	return at, nil
}

// header reads IHDR.
//
//	width height | depth, type | compression, filter, interlace       4+4 + 1+1 + 1+1+1 bytes
func (p *Picture) header(b []byte) error {
	if len(b) != 13 {
		return damaged("IHDR of %d bytes", len(b))
	}
	w, h := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	// A side has 31 bits. The bytes of all pixels, at most 8 each, must be an int, as in image/png.
	if w < 1 || h < 1 || w > math.MaxInt32 || h > math.MaxInt32 || h > math.MaxInt/8/w {
		return damaged("%dx%d", w, h)
	}
	p.depth, p.kind = int(b[8]), colorType(b[9])
	if !valid(p.kind, p.depth) {
		return damaged("colour type %d of %d bits", p.kind, p.depth)
	}
	if b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return damaged("compression %d, filter %d, interlace %d", b[10], b[11], b[12])
	}
	p.Interlaced = b[12] == 1
	p.Gray = p.kind == gray || p.kind == grayAlpha
	p.Alpha = p.kind == grayAlpha || p.kind == trueAlpha
	p.Width, p.Height = int(w), int(h) // last: with a width, the header is right
	return nil
}

func valid(k colorType, depth int) bool {
	switch depth {
	case 1, 2, 4:
		return k == gray || k == indexed
	case 8:
		return k == gray || k == trueColor || k == indexed || k == grayAlpha || k == trueAlpha
	case 16:
		return k == gray || k == trueColor || k == grayAlpha || k == trueAlpha
	}
	return false
}

// colors reads PLTE, which pictures in true colour may have as advice.
func (p *Picture) colors(b []byte) error {
	n := len(b) / 3
	if p.Gray || len(b)%3 != 0 || n < 1 || n > min(256, 1<<p.depth) {
		return damaged("PLTE of %d bytes, colour type %d of %d bits", len(b), p.kind, p.depth)
	}
	for i := range n {
		copy(p.palette[i][:3], b[3*i:])
	}
	return nil
}

// transparency reads tRNS: the alpha of the colours of a palette, or the one colour that is transparent.
func (p *Picture) transparency(b []byte) error {
	if p.kind == indexed {
		if len(b) > 256 {
			return damaged("tRNS of %d bytes", len(b))
		}
		for i, a := range b {
			p.palette[i][3] = a
			p.Alpha = p.Alpha || a != 255
		}
		return nil
	}
	if p.Alpha || len(b) != 2*p.kind.channels() {
		return damaged("tRNS of %d bytes, colour type %d", len(b), p.kind)
	}
	for i := range len(b) / 2 {
		p.key[i] = binary.BigEndian.Uint16(b[2*i:])
		if p.depth <= 8 {
			p.key[i] &= 0xff // as image/png; of fewer bits than 8, the others must be 0 for a pixel to have the colour
		}
	}
	p.Alpha, p.keyed = true, true
	return nil
}
