package thumb

import (
	"bytes"
	"encoding/binary"

	"tintype/thumb/sample"
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

// flipsX and flipsY report whether what is shown from left to right, or from the top down if o swaps, is stored the other way round.
func (o orientation) flipsX() bool { return o == 2 || o == 3 || o == 7 || o == 8 }
func (o orientation) flipsY() bool { return o == 3 || o == 4 || o == 6 || o == 7 }

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

// turn returns p, stored as o, upright. It may return p itself.
func turn(p sample.Plane, o orientation) sample.Plane {
	if o <= upright || o > 8 {
		return p
	}
	out := sample.New(o.size(p.Width, p.Height))
	right, down := p.Width-1, (p.Height-1)*p.Stride // the last column and row
	stride := p.Stride
	var at, dx, dy int // where the first sample of out is in p; the step to its right and to below it
	switch o {
	case 2:
		at, dx, dy = right, -1, stride
	case 3:
		at, dx, dy = right+down, -1, -stride
	case 4:
		at, dx, dy = down, 1, -stride
	case 5:
		at, dx, dy = 0, stride, 1
	case 6:
		at, dx, dy = down, -stride, 1
	case 7:
		at, dx, dy = right+down, -stride, -1
	case 8:
		at, dx, dy = right, stride, -1
	}
	for y := range out.Height {
		from := at + y*dy
		row := out.Row(y)
		for x := range row {
			row[x] = p.Pix[from]
			from += dx
		}
	}
	return out
}
