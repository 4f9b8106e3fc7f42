package jpeg

import (
	"fmt"
	"slices"

	"tintype/thumb/sample"
)

// maxSide is the largest width and height that a frame header can state, T.81 B.2.2.
const maxSide = 0xffff

// Encode appends a picture of w x h pixels to dst as a baseline JFIF file, and returns the extended slice.
//
// Planes are one, of gray, or three, of Y, Cb and Cr as JFIF defines them. The first is w x h samples; the other two are of one size,
// either w x h (4:4:4) or half of both, rounded up (4:2:0). They need not be padded to whole blocks.
//
// Quality is 1 to 100 and means what it does to libjpeg. The Huffman codes are made for this picture, so all of it is held meanwhile,
// at 4 bytes per Huffman symbol: 1 MB for a photograph of 1024 x 768 pixels at quality 80.
//
// The bytes depend on the arguments only, not on the processor. On an error, which means that the arguments contradict each other
// or a limit, dst is returned as it was. Encode may be called concurrently and does not keep or change the planes.
func Encode(dst []byte, w, h int, planes []sample.Plane, quality int) ([]byte, error) {
	if err := checkPicture(w, h, planes, quality); err != nil {
		return dst, err
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.begin(w, h, planes, quality)
	defer e.forget()
	for y := range e.mcuRows {
		e.encodeRow(y)
	}
	freq := e.frequencies()
	specs := e.optimalHuffman(freq)
	code := makeCodes(specs)
	length := code.scanBytes(freq)
	dst = slices.Grow(dst, maxHeader+length+length/64+growth) // one byte in 256 is 0xff, in a photo
	out := bitWriter{out: e.appendHeader(dst, specs)}
	for _, piece := range e.tokens {
		out.write(piece, code)
	}
	return append(out.finish(), 0xff, markerEOI), nil
}

// checkPicture says why the arguments of Encode are none that it takes.
func checkPicture(w, h int, planes []sample.Plane, quality int) error {
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return fmt.Errorf("jpeg: encode: %d x %d pixels", w, h)
	}
	if quality < 1 || quality > 100 {
		return fmt.Errorf("jpeg: encode: quality %d", quality)
	}
	if len(planes) != 1 && len(planes) != 3 {
		return fmt.Errorf("jpeg: encode: %d planes", len(planes))
	}
	wantW, wantH := w, h
	for i, p := range planes {
		if i == 1 && (p.Width != w || p.Height != h) {
			wantW, wantH = (w+1)/2, (h+1)/2
		}
		if p.Width != wantW || p.Height != wantH {
			return fmt.Errorf("jpeg: encode: plane %d is %d x %d in a picture of %d x %d", i, p.Width, p.Height, w, h)
		}
		if p.Stride < p.Width || len(p.Pix) < (p.Height-1)*p.Stride+p.Width {
			return fmt.Errorf("jpeg: encode: plane %d: %d bytes, stride %d, for %d x %d", i, len(p.Pix), p.Stride, p.Width, p.Height)
		}
	}
	return nil
}
