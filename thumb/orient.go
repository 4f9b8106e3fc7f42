package thumb

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation is how a picture is stored, as EXIF counts it: 1 is upright. The letter F, as stored:
//
//	   1        2       3      4         5            6           7          8
//
//	██████  ██████      ██  ██      ██████████  ██                  ██  ██████████
//	██          ██      ██  ██      ██  ██      ██  ██          ██  ██      ██  ██
//	████      ████    ████  ████    ██          ██████████  ██████████          ██
//	██          ██      ██  ██
//	██          ██  ██████  ██████
type orientation uint8

const upright orientation = 1

// swaps reports whether a picture stored so has its width and height exchanged.
func (o orientation) swaps() bool { return o >= 5 }

// size returns the width and height that a viewer shows of a picture stored as w x h; and the other way round.
func (o orientation) size(w, h int) (int, int) {
	if o.swaps() {
		return h, w
	}
	return w, h
}

// maxExifEntries bounds the search. Cameras write about 20 into the first directory.
const maxExifEntries = 1000

// exifOrientation returns the orientation in an EXIF block, with or without its "Exif\0\0" in front. What cannot be read or makes
// no sense is upright: a picture is not refused for its metadata.
//
//	TIFF   "II" or "MM" | 42 | offset of IFD0         2+2+4 bytes
//	IFD0   count | count entries                      2+12*count
//	entry  tag 0x0112 | type 3 | count 1 | value      2+2+4+4, a short value stands first in its 4 bytes
func exifOrientation(exif []byte) orientation {
	tiff := bytes.TrimPrefix(exif, []byte("Exif\x00\x00"))
	if len(tiff) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := order.Uint32(tiff[4:])
	if uint64(at)+2 > uint64(len(tiff)) {
		return upright
	}
	count := int(order.Uint16(tiff[at:]))
	entries := tiff[at+2:]
	for range min(count, maxExifEntries, len(entries)/12) {
		if order.Uint16(entries) == 0x0112 {
			return shortOrientation(order, entries)
		}
		entries = entries[12:]
	}
	return upright
}

func shortOrientation(order binary.ByteOrder, entry []byte) orientation {
	kind, count, value := order.Uint16(entry[2:]), order.Uint32(entry[4:]), order.Uint16(entry[8:])
	if kind != 3 || count != 1 || value < 1 || value > 8 {
		return upright
	}
	return orientation(value)
}

// turn returns img, stored as o, upright. img is one of the kinds that plain returns.
func turn(img image.Image, o orientation) image.Image {
	if o <= upright || o > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	r := image.Rect(0, 0, w, h)
	r.Max.X, r.Max.Y = o.size(w, h)
	switch m := img.(type) {
	case *image.Gray:
		out := image.NewGray(r)
		turnPlane(out.Pix, m.Pix, m.Stride, w, h, 1, o)
		return out
	case *image.NRGBA:
		out := image.NewNRGBA(r)
		turnPlane(out.Pix, m.Pix, m.Stride, w, h, 4, o)
		return out
	case *image.YCbCr:
		if m.SubsampleRatio == image.YCbCrSubsampleRatio444 {
			out := image.NewYCbCr(r, m.SubsampleRatio)
			turnPlane(out.Y, m.Y, m.YStride, w, h, 1, o)
			turnPlane(out.Cb, m.Cb, m.CStride, w, h, 1, o)
			turnPlane(out.Cr, m.Cr, m.CStride, w, h, 1, o)
			return out
		}
	}
	// Chroma of half the size does not turn by itself: with an odd side, its samples would lie between other pixels.
	m := toRGBA(img)
	out := image.NewRGBA(r)
	turnPlane(out.Pix, m.Pix, m.Stride, w, h, 4, o)
	return out
}

// turnPlane fills dst with the w x h samples of size bytes each in src, stored as o, upright. Rows of dst follow each other without
// a gap, those of src are stride bytes apart.
func turnPlane(dst, src []byte, stride, w, h, size int, o orientation) {
	right, down := (w-1)*size, (h-1)*stride // the last column and row
	var at, dx, dy int                      // where the first sample of dst is in src; the step to its right and to below it
	switch o {
	case 2:
		at, dx, dy = right, -size, stride
	case 3:
		at, dx, dy = right+down, -size, -stride
	case 4:
		at, dx, dy = down, size, -stride
	case 5:
		at, dx, dy = 0, stride, size
	case 6:
		at, dx, dy = down, -stride, size
	case 7:
		at, dx, dy = right+down, -stride, -size
	case 8:
		at, dx, dy = right, stride, -size
	}
	outW, outH := o.size(w, h)
	for y := range outH {
		from := at + y*dy
		for range outW {
			copy(dst[:size], src[from:from+size])
			dst = dst[size:]
			from += dx
		}
	}
}
