package thumb

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// smallLimits keep one execution to a few milliseconds.
var smallLimits = Limits{Pixels: 1 << 16, Side: 1 << 10, Deadline: time.Second}

func addPictures(f *testing.F) {
	for _, m := range []Format{JPEG, PNG, GIF, BMP} {
		f.Add(encoded(f, m, corners(20, 10)))
	}
	for _, name := range []string{"lossy.webp", "lossless.webp", "alpha.webp", "animated.webp", "oriented.webp"} {
		f.Add(file(f, name))
	}
	f.Add(withExif(encoded(f, JPEG, corners(20, 10)), exifBlock(binary.BigEndian, 6)))
	f.Add(scansJPEG(64, 64, 20))
	f.Add(framesGIF(f, 8, 8, 3))
	for _, h := range refusedByHeader(f) {
		if len(h.data) < 1<<12 {
			f.Add(h.data)
		}
	}
}

func FuzzStat(f *testing.F) {
	addPictures(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		pic, err := Stat(data, smallLimits)
		if err != nil {
			if pic != (Picture{}) {
				t.Errorf("%+v with %v", pic, err)
			}
			if panicked(err) || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("error %v", err)
			}
			return
		}
		if pic.Format != Sniff(data) || pic.Width < 1 || pic.Height < 1 || max(pic.Width, pic.Height) > smallLimits.Side ||
			pic.Width*pic.Height > smallLimits.Pixels {
			t.Errorf("%+v", pic)
		}
	})
}

func FuzzMake(f *testing.F) {
	addPictures(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		made, err := Make(data, smallLimits, 64, 7)
		if err := oneOfOurs(made, err); err != nil {
			t.Error(err)
		}
		if err != nil {
			return
		}
		pic, err := Stat(data, smallLimits)
		if err != nil {
			t.Fatalf("Make took what Stat refuses: %v", err)
		}
		for i, size := range []int{64, 7} {
			if w, h := Fit(pic.Width, pic.Height, size); made[i].Width != w || made[i].Height != h {
				t.Errorf("%+v at %d is %+v", pic, size, made[i].Picture)
			}
		}
		if pic.Format == JPEG && made[0].Format != JPEG {
			t.Errorf("a JPEG gave %v", made[0].Format)
		}
	})
}

func FuzzOrientation(f *testing.F) {
	f.Add(exifBlock(binary.BigEndian, 6))
	f.Add(exifBlock(binary.LittleEndian, 8))
	f.Add(append([]byte("Exif\x00\x00"), exifBlock(binary.LittleEndian, 3)...))
	f.Fuzz(func(t *testing.T, exif []byte) {
		o := exifOrientation(exif)
		if o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
		// A JPEG, a PNG and a WebP that carry the block agree on it, with or without its name in front.
		one := pngOf(1, 1, 8, 0, 1)
		art := append(append(one[:33:33], pngChunk("eXIf", exif)...), one[33:]...)
		if hdr, err := readHeader(art, Limits{}, true); err != nil || hdr.orientation != o {
			t.Errorf("PNG says %d, %v, the block %d", hdr.orientation, err, o)
		}
		webp, err := parseWebP(riff(vp8x(0, 1, 1), vp8l(1, 1), chunk("EXIF", exif...)))
		if got := exifOrientation(webp.exif); err != nil || got != o {
			t.Errorf("WebP says %d, %v, the block %d", got, err, o)
		}
	})
}
