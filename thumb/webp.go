package thumb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

// webpFile is the still picture in a WebP file, or the first frame of an animated one.
//
//	RIFF size WEBP | VP8X flags canvas | ALPH | VP8 or VP8L | EXIF                   a still picture
//	RIFF size WEBP | VP8X flags canvas | ANIM | ANMF place, ALPH, VP8 or VP8L | ...  an animation
//
// Only VP8 or VP8L must be there. The decoder knows no animation and trusts some lengths, so the file is taken apart here and
// handed to it as a plain one.
type webpFile struct {
	canvas image.Point     // what a viewer shows
	frame  image.Rectangle // where on the canvas the pixels go
	alpha  []byte          // payload of ALPH, or nil
	pixels []byte          // payload of VP8 or VP8L
	kind   string          // which of them
	exif   []byte          // payload of EXIF, or nil
}

var errWebP = errors.New("webp: the chunks make no picture")

func parseWebP(data []byte) (webpFile, error) {
	var f webpFile
	var x []byte
	for rest := data[min(12, len(data)):]; ; {
		kind, payload, next, ok := webpChunk(rest)
		if !ok {
			break // trailing rubbish is no harm when the picture is whole
		}
		switch {
		case kind == "VP8X" && x == nil && len(payload) >= 10:
			x = payload
		case kind == "EXIF" && f.exif == nil:
			f.exif = payload
		case kind == "ANMF" && f.pixels == nil && x != nil && len(payload) >= 16:
			if err := f.takeFrame(payload); err != nil {
				return webpFile{}, err
			}
		default:
			f.take(kind, payload)
		}
		rest = next
	}
	return f, f.settle(x)
}

// webpChunk splits the first chunk off data: type, length, payload, and a byte to make it even. It is not ok when it is cut off.
func webpChunk(data []byte) (kind string, payload, rest []byte, ok bool) {
	if len(data) < 8 {
		return "", nil, nil, false
	}
	length := uint64(binary.LittleEndian.Uint32(data[4:]))
	if length > uint64(len(data)-8) {
		return "", nil, nil, false
	}
	end := 8 + int(length)
	return string(data[:4]), data[8:end], data[min(end+end%2, len(data)):], true
}

// take keeps a chunk that has pixels, if it is the first.
func (f *webpFile) take(kind string, payload []byte) {
	switch {
	case f.pixels != nil:
	case kind == "ALPH" && f.alpha == nil && len(payload) > 0:
		f.alpha = payload
	case kind == "VP8 ", kind == "VP8L":
		f.kind, f.pixels = kind, payload
	}
}

// takeFrame keeps the pixels of an ANMF chunk: x/2, y/2, width-1, height-1, duration of 24 bits each, flags, chunks.
func (f *webpFile) takeFrame(payload []byte) error {
	at := image.Pt(2*uint24(payload), 2*uint24(payload[3:]))
	f.frame = image.Rectangle{at, at.Add(image.Pt(1+uint24(payload[6:]), 1+uint24(payload[9:])))}
	for rest := payload[16:]; ; {
		kind, chunk, next, ok := webpChunk(rest)
		if !ok {
			break
		}
		f.take(kind, chunk)
		rest = next
	}
	if f.pixels == nil {
		return fmt.Errorf("%w: the first frame is empty", errWebP)
	}
	return nil
}

// settle finds the sizes and checks them against each other; x is the payload of VP8X or nil. The decoder would allocate by the
// one and write by the other.
func (f *webpFile) settle(x []byte) error {
	size, err := f.pixelSize()
	if err != nil {
		return err
	}
	f.canvas = size
	if x != nil {
		f.canvas = image.Pt(1+uint24(x[4:]), 1+uint24(x[7:]))
	}
	if f.frame.Empty() {
		f.frame.Max = f.canvas
	}
	if f.frame.Size() != size || !f.frame.In(image.Rectangle{Max: f.canvas}) {
		return fmt.Errorf("%w: %v pixels for %v of %v", errWebP, size, f.frame, f.canvas)
	}
	if f.kind == "VP8L" {
		f.alpha = nil // it has its own
	}
	return nil
}

// pixelSize reads the size out of the pixel data itself.
func (f *webpFile) pixelSize() (image.Point, error) {
	b := f.pixels
	switch {
	case f.kind == "VP8 " && len(b) >= 10 && b[0]&1 == 0 && string(b[3:6]) == "\x9d\x01\x2a": // a key frame
		w, h := binary.LittleEndian.Uint16(b[6:]), binary.LittleEndian.Uint16(b[8:])
		return image.Pt(int(w&0x3fff), int(h&0x3fff)), nil
	case f.kind == "VP8L" && len(b) >= 5 && b[0] == 0x2f:
		bits := binary.LittleEndian.Uint32(b[1:])
		return image.Pt(1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)), nil
	}
	return image.Point{}, errWebP
}

// plain returns the frame as a WebP file of its own, of the kind that the decoder knows.
func (f *webpFile) plain() io.Reader {
	var chunks []io.Reader
	total := 4
	add := func(kind string, payload []byte) {
		head := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(payload)))
		pad := make([]byte, len(payload)%2)
		chunks = append(chunks, bytes.NewReader(head), bytes.NewReader(payload), bytes.NewReader(pad))
		total += len(head) + len(payload) + len(pad)
	}
	if f.alpha != nil {
		const hasAlpha = 1 << 4
		w, h := f.frame.Dx()-1, f.frame.Dy()-1
		add("VP8X", []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
		add("ALPH", f.alpha)
	}
	add(f.kind, f.pixels)
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(total))
	return io.MultiReader(append([]io.Reader{bytes.NewReader(append(head, "WEBP"...))}, chunks...)...)
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
