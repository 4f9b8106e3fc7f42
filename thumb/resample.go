package thumb

import (
	"image"

	"github.com/nfnt/resize"
)

// resample returns img, of a kind that plain returns, in w x h, which are at least 1. It may return img itself, and returns one of
// the same kinds; YCbCr comes with chroma of full size unless it is img itself.
func resample(img image.Image, w, h int, filter resize.InterpolationFunction) image.Image {
	if img.Bounds().Dx() == w && img.Bounds().Dy() == h {
		return img
	}
	out := resize.Resize(uint(w), uint(h), img, filter)
	if m, ok := out.(*image.RGBA); ok {
		capAtAlpha(m)
	}
	return out
}

// capAtAlpha makes m a valid premultiplied picture again. Lanczos overshoots at edges, each channel by itself; a colour above its
// alpha would wrap around when it is divided by it, and show as specks along the edge.
func capAtAlpha(m *image.RGBA) {
	for p := m.Pix; len(p) >= 4; p = p[4:] {
		a := p[3]
		if a == 0xff {
			continue
		}
		p[0], p[1], p[2] = min(p[0], a), min(p[1], a), min(p[2], a)
	}
}
