package thumb

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"io"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// open returns the source for thumbnails of the wanted sizes, which gives up at until. Of a JPEG, PNG or GIF nothing is decoded before
// its rows are asked for; the decoders of other formats know frames only.
func (hdr header) open(data []byte, wanted []image.Point, until time.Time) (*source, error) {
	switch hdr.format {
	case JPEG:
		return jpegSource(hdr.jpeg, hdr.scale(wanted), checkUntil(until)), nil
	case PNG:
		return pngSource(hdr.png, checkUntil(until)), nil
	case GIF:
		return gifSource(hdr.gif, checkUntil(until)), nil
	}
	img, err := hdr.decodeFrame(data, until)
	if err != nil {
		return nil, err
	}
	return frameSource(img, checkUntil(until)), nil
}

// scale returns the n/8 at which a JPEG is decoded for all of the wanted sizes.
func (hdr header) scale(wanted []image.Point) int {
	n := 1
	for _, size := range wanted {
		w, h := hdr.orientation.size(size.X, size.Y)
		n = max(n, scaleFor(hdr.width, hdr.height, w, h))
	}
	return n
}

// layout returns how the picture comes when a JPEG is decoded at n/8, and how many bytes it may take to decode it.
func (hdr header) layout(n int) (l layout, need int64) {
	switch hdr.format {
	case JPEG:
		return jpegLayout(hdr.jpeg, n), hdr.jpeg.Need(n)
	case PNG:
		return pngLayout(hdr.png), hdr.png.Need()
	case GIF:
		return gifLayout(hdr.gif), hdr.gif.Need() + 5*int64(hdr.width) // with a row in planes, and an empty one
	}
	return alike(rgba, 4, hdr.width, hdr.height), hdr.frameNeed()
}

// need returns how many bytes it may take to make thumbnails of the wanted sizes.
func (hdr header) need(wanted []image.Point) int64 {
	l, need := hdr.layout(hdr.scale(wanted))
	for _, size := range wanted {
		need += l.need(size.X, size.Y, hdr.orientation)
	}
	return need
}

// convertNeed returns how many bytes it may take to Convert to w x h.
func (hdr header) convertNeed(w, h int) int64 {
	l, need := hdr.layout(8)
	need += int64(w)*int64(h)*pngBytes + encoderBytes
	w, h = hdr.orientation.size(w, h)
	for _, p := range l.planes { // itself, after the first of two passes, after the second, and turned
		need += int64(p.Width)*int64(p.Height) + int64(w)*int64(p.Height) + 2*int64(w)*int64(h)
	}
	return need
}

// frameNeed returns the bytes that decodeFrame allocates, by what the decoders were seen to take for a pixel.
func (hdr header) frameNeed() int64 {
	const fixed = 1 << 20
	canvas := int64(hdr.width) * int64(hdr.height)
	if hdr.format == BMP {
		return fixed + 4*canvas
	}
	size := hdr.webp.frame.Size()
	frame := int64(size.X) * int64(size.Y)
	need := fixed + 2*frame // lossy: 12 bits, and whole blocks
	switch {
	case hdr.webp.kind == "VP8L":
		need = fixed + 5*frame
	case hdr.webp.alpha != nil: // which may be compressed like a lossless one
		need = fixed + 7*frame
	}
	if frame != canvas {
		need += 4 * canvas
	}
	return need
}

// decodeFrame returns the pixels of a BMP or WebP, whose header hdr is, as stored, for frameSource: of the size that the header
// promised. It gives up at until.
func (hdr header) decodeFrame(data []byte, until time.Time) (image.Image, error) {
	r := &deadlineReader{r: bytes.NewReader(data), until: until}
	if hdr.format == WebP {
		r.r = hdr.webp.plain()
	}
	m, err := decodePixels(r, hdr.format)
	switch {
	case err != nil && r.expired:
		return nil, fmt.Errorf("%w: %v of %dx%d", ErrTooSlow, hdr.format, hdr.width, hdr.height)
	case err != nil:
		return nil, err
	}
	return onCanvas(m, hdr)
}

func decodePixels(r io.Reader, f Format) (image.Image, error) {
	switch f {
	case BMP:
		m, err := bmp.Decode(r)
		if err == nil {
			showInvisible(m)
		}
		return m, err
	case WebP:
		m, err := webp.Decode(r)
		if err == nil {
			widenRange(m)
		}
		return m, err
	}
	return nil, ErrFormat
}

// onCanvas puts the picture of a WebP at its frame. What it leaves open is transparent. A picture that is not of the size that its
// header promised was never held against the limits.
func onCanvas(img image.Image, hdr header) (image.Image, error) {
	at := img.Bounds()
	if hdr.format == WebP {
		at = at.Add(hdr.webp.frame.Min)
	}
	canvas := image.Rect(0, 0, hdr.width, hdr.height)
	if at == canvas {
		return img, nil
	}
	if hdr.format != WebP || at.Empty() || !at.In(canvas) {
		return nil, fmt.Errorf("%v pixels for a canvas of %v", at, canvas)
	}
	out := image.NewRGBA(canvas)
	draw.Draw(out, at, img, img.Bounds().Min, draw.Src)
	return out, nil
}

// showInvisible makes a bitmap opaque whose pixels are all transparent. Its alpha was never written: programs fill the fourth byte
// with 0, and viewers show the picture.
func showInvisible(m image.Image) {
	b, ok := m.(*image.NRGBA)
	if !ok {
		return
	}
	for i := 3; i < len(b.Pix); i += 4 {
		if b.Pix[i] != 0 {
			return
		}
	}
	for i := 3; i < len(b.Pix); i += 4 {
		b.Pix[i] = 0xff
	}
}

// widenRange makes the colours of a lossy WebP what image.YCbCr takes them for. WebP has black at 16 and white at 235, as
// television does; the decoder passes that on as it is, and its pictures look washed out.
func widenRange(m image.Image) {
	var p *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		p = m
	case *image.NYCbCrA:
		p = &m.YCbCr
	default:
		return
	}
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = clamp8((float64(i) - 16) * 255 / 219)
		chroma[i] = clamp8((float64(i)-128)*255/224 + 128)
	}
	for i, v := range p.Y {
		p.Y[i] = luma[v]
	}
	for i, v := range p.Cb {
		p.Cb[i] = chroma[v]
	}
	for i, v := range p.Cr {
		p.Cr[i] = chroma[v]
	}
}

func clamp8(v float64) byte { return byte(max(0, min(255, v+0.5))) }
