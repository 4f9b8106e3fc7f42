package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Markers, T.81 table B.1.
const (
	markerSOF0  = 0xc0
	markerSOF1  = 0xc1
	markerSOF2  = 0xc2
	markerDHT   = 0xc4
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
	markerAPP15 = 0xef
	markerCOM   = 0xfe
)

// MaxScans bounds what a Picture keeps, and what Decode can cost. An encoder writes about ten scans, each of which goes over the
// whole picture again, and a scan can be 44 bytes long.
const MaxScans = 100

// parser is a walk over the markers, and the state that they change on the way.
type parser struct {
	pic  Picture
	rest []byte // not yet read

	baseline bool // SOF0, which allows two tables of each kind, not four
	huffman  [2][4]*huffmanSpec
	restart  int // MCUs between restart markers; 0: there are none

	jfif           bool
	adobe          bool
	adobeTransform uint8
}

// Parse walks the markers of data to its end, without decoding any of it. The Picture keeps data, which must not change while it is
// in use. Errors wrap ErrFormat, ErrUnsupported, ErrScans or ErrDamaged; what only decoding can find is left to Decode.
func Parse(data []byte) (*Picture, error) { return parse(data, false) }

// ParseHead is Parse for the beginning of a file. Once there was a frame header, that the data ends is no error, nor is what is wrong
// behind the first scan header: Scans and Exif are what was found by then. Decode must not be called on what it returns.
func ParseHead(head []byte) (*Picture, error) { return parse(head, true) }

func parse(data []byte, head bool) (*Picture, error) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, fmt.Errorf("%w: %d bytes beginning %q", ErrFormat, len(data), data[:min(len(data), 8)])
	}
	p := parser{rest: data[2:]}
	for {
		marker, payload, err := p.next()
		if err == nil && marker == markerEOI { // after it, a phone may put a whole film
			break
		}
		if err == nil {
			err = p.segment(marker, payload)
		}
		if head && p.suffices(err) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(p.pic.scans) == 0 && !head {
		return nil, damaged("no scan")
	}
	return p.finish()
}

// suffices reports whether err, in the head of a file, is where its walk ends well.
func (p *parser) suffices(err error) bool {
	switch {
	case errors.Is(err, errEnds):
		return p.pic.Components != nil
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrUnsupported):
		return len(p.pic.scans) > 0
	}
	return false
}

// errEnds is what is wrong with a file that ends early.
var errEnds = fmt.Errorf("%w: ends early", ErrDamaged)

// next returns the next marker and its payload, with rest after it. Bytes between segments are skipped, as are restart markers:
// libjpeg and image/jpeg let them pass, because there are encoders that leave some behind a scan.
func (p *parser) next() (marker uint8, payload []byte, err error) {
	for {
		i := bytes.IndexByte(p.rest, 0xff)
		if i < 0 || i+1 >= len(p.rest) {
			return 0, nil, fmt.Errorf("%w, without an end marker", errEnds)
		}
		marker = p.rest[i+1]
		p.rest = p.rest[i+1:] // keeps a 0xff that may be the fill byte of the marker behind it
		switch {
		case marker == 0xff:
			continue
		case marker == 0, marker >= markerRST0 && marker <= markerRST7:
			p.rest = p.rest[1:]
			continue
		case marker == markerEOI:
			return marker, nil, nil
		case len(p.rest) < 3:
			return 0, nil, fmt.Errorf("%w, in a marker", errEnds)
		}
		length := int(binary.BigEndian.Uint16(p.rest[1:])) // counts itself
		if length < 2 {
			return 0, nil, damaged("marker %#x with length %d", marker, length)
		}
		if 1+length > len(p.rest) {
			return 0, nil, fmt.Errorf("%w, in a segment %#x of %d bytes", errEnds, marker, length)
		}
		payload, p.rest = p.rest[3:1+length], p.rest[1+length:]
		return marker, payload, nil
	}
}

func (p *parser) segment(marker uint8, payload []byte) error {
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2:
		return p.frame(marker, payload)
	case markerDHT:
		return p.huffmanTables(payload)
	case markerDQT:
		return p.quantTables(payload)
	case markerSOS:
		return p.scan(payload)
	case markerDRI:
		if len(payload) != 2 {
			return damaged("restart interval of %d bytes", len(payload))
		}
		p.restart = int(binary.BigEndian.Uint16(payload))
	case markerAPP0:
		if len(payload) >= 5 {
			p.jfif = string(payload[:5]) == "JFIF\x00"
		}
	case markerAPP1:
		if p.pic.Exif == nil && bytes.HasPrefix(payload, []byte("Exif\x00\x00")) {
			p.pic.Exif = payload
		}
	case markerAPP14:
		if len(payload) >= 12 && string(payload[:5]) == "Adobe" {
			p.adobe, p.adobeTransform = true, payload[11]
		}
	default:
		switch {
		case marker >= markerAPP0 && marker <= markerAPP15, marker == markerCOM:
		case marker < markerSOF0:
			return damaged("unknown marker %#x", marker)
		default:
			return fmt.Errorf("%w: marker %#x", ErrUnsupported, marker)
		}
	}
	return nil
}

// finish checks what only the end can tell.
func (p *parser) finish() (*Picture, error) {
	pic := &p.pic
	if pic.Components == nil {
		return nil, damaged("no frame")
	}
	pic.Scans = len(pic.scans)
	switch len(pic.Components) {
	case 1:
		pic.Model = Gray
	case 3:
		pic.Model = YCbCr
		if p.isRGB() {
			pic.Model = RGB
		}
	case 4:
		switch {
		case !p.adobe:
			return nil, fmt.Errorf("%w: four components without Adobe's marker", ErrUnsupported)
		case p.adobeTransform == 0:
			pic.Model = CMYK
		default: // as libjpeg has it
			pic.Model = YCCK
		}
	}
	return pic, nil
}

// isRGB decides as image/jpeg does.
func (p *parser) isRGB() bool {
	c := p.pic.Components
	switch {
	case p.jfif:
		return false
	case p.adobe && p.adobeTransform == 0:
		return true
	}
	return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
