package thumb

import (
	"fmt"
	"time"

	"github.com/nfnt/resize"
)

// Convert returns the picture in data as another one: of format to and of exactly width x height, each at least 1, upright and
// without metadata. It enlarges and distorts if that is what the size asks; a size below 1 is ErrScaling, and one beyond lim is
// ErrTooLarge. Of an animation it takes the first frame.
//
// A JPEG is of quality 80. JPEG and BMP have transparent pixels over white; GIF has 255 colours and pixels that are transparent or
// not. WebP cannot be written and is ErrFormat.
func Convert(data []byte, lim Limits, to Format, width, height int) (Thumbnail, error) {
	if width < 1 || height < 1 {
		return Thumbnail{}, fmt.Errorf("%w: convert to %dx%d", ErrScaling, width, height)
	}
	if err := lim.check(width, height); err != nil {
		return Thumbnail{}, err
	}
	hdr, err := readHeader(data, lim)
	if err != nil {
		return Thumbnail{}, err
	}
	img, err := decode(data, hdr, time.Now().Add(lim.withDefaults().Deadline))
	if err != nil {
		return Thumbnail{}, err
	}
	w, h := hdr.orientation.size(width, height) // as stored, since it is turned last
	t, err := encode(turn(resample(img, w, h, resize.Lanczos2), hdr.orientation), to)
	if err != nil {
		return Thumbnail{}, fmt.Errorf("thumb: convert to %v: %w", to, err)
	}
	return t, nil
}
