package thumb

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// decode returns the pixels of data, which hdr is the header of, as stored: not turned yet. It gives up at until.
//
// The image is of one of the kinds that plain returns, with its first pixel at 0,0 and the size of the header. The resizer relies
// on that: it works in goroutines of its own, where no panic can be caught.
func decode(data []byte, hdr header, until time.Time) (image.Image, error) {
	var img image.Image
	r := &deadlineReader{r: bytes.NewReader(data), until: until}
	if hdr.format == WebP {
		r.r = hdr.webp.plain()
	}
	err := guarded(func() error {
		m, err := decodePixels(r, hdr.format)
		if err != nil {
			if r.expired {
				return fmt.Errorf("%w: %v of %dx%d", ErrTooSlow, hdr.format, hdr.width, hdr.height)
			}
			return err
		}
		img, err = onCanvas(plain(m), m.Bounds(), hdr)
		return err
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}

func decodePixels(r io.Reader, f Format) (image.Image, error) {
	switch f {
	case JPEG:
		return jpeg.Decode(r)
	case PNG:
		return png.Decode(r)
	case GIF:
		return gif.Decode(r) // reads no further than the first frame
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

// onCanvas puts img where the file wants it: at bounds for a GIF, at its frame for a WebP. What it leaves open is transparent. A
// picture that is not of the size that its header promised was never held against the limits.
func onCanvas(img image.Image, bounds image.Rectangle, hdr header) (image.Image, error) {
	at := bounds
	if hdr.format == WebP {
		at = bounds.Add(hdr.webp.frame.Min)
	}
	canvas := image.Rect(0, 0, hdr.width, hdr.height)
	if at == canvas {
		return img, nil
	}
	if hdr.format != GIF && hdr.format != WebP || at.Empty() || !at.In(canvas) {
		return nil, fmt.Errorf("%v pixels for a canvas of %v", at, canvas)
	}
	out := image.NewRGBA(canvas)
	put(out, at.Min, img)
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
