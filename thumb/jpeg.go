package thumb

import (
	"bytes"
	"encoding/binary"
)

// jpegMarkers is what the markers of a JPEG tell, without decoding any of it.
type jpegMarkers struct {
	scans       int
	orientation orientation
	adobe       bool // has an APP14 of Adobe, which says how four channels mean colours
}

const (
	markerRST0  = 0xd0
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
)

// walkJPEG goes over the markers of a JPEG to its end, or until there are more scans than are allowed. Between scans it looks for
// the next byte 0xff only, so that 8 MB take a few milliseconds; the entropy-coded bytes are not read otherwise.
//
//	FF D8 | FF marker length payload | ... | FF DA length header  entropy-coded, FF 00 and FF D0..D7 inside | ... | FF D9
//
// The decoder sees no scan that is not counted here: it reads the same lengths, and gives up when a marker other than the restart
// that it expects turns up among the entropy-coded bytes.
func walkJPEG(data []byte) jpegMarkers {
	found := jpegMarkers{orientation: upright}
	seenExif := false
	for found.scans <= maxScans {
		i := bytes.IndexByte(data, 0xff)
		if i < 0 || i+1 >= len(data) {
			return found
		}
		marker := data[i+1]
		data = data[i+1:]
		switch {
		case marker == 0xff: // padding
			continue
		case marker == 0, marker >= markerRST0 && marker <= markerSOI: // a stuffed byte, or stands alone
			data = data[1:]
			continue
		case marker == markerEOI, len(data) < 3: // after its end, a phone may put a whole film
			return found
		}
		length := max(int(binary.BigEndian.Uint16(data[1:])), 2)
		payload := data[3:min(1+length, len(data))]
		data = data[min(1+length, len(data)):]
		switch {
		case marker == markerSOS:
			found.scans++
		case marker == markerAPP1 && !seenExif && bytes.HasPrefix(payload, []byte("Exif\x00\x00")):
			seenExif = true
			found.orientation = exifOrientation(payload)
		case marker == markerAPP14 && bytes.HasPrefix(payload, []byte("Adobe")):
			found.adobe = true
		}
	}
	return found
}
