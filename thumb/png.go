package thumb

import "encoding/binary"

// pngOrientation returns the orientation in the eXIf chunk of a PNG, which may stand before or after its pixels.
//
//	signature, 8 bytes | length type payload CRC | ...       4+4+length+4 bytes each, big-endian
func pngOrientation(data []byte) orientation {
	for data = data[min(8, len(data)):]; len(data) >= 12; {
		length, kind := uint64(binary.BigEndian.Uint32(data)), string(data[4:8])
		if length > uint64(len(data)-12) || kind == "IEND" {
			break
		}
		if kind == "eXIf" {
			return exifOrientation(data[8 : 8+length])
		}
		data = data[12+length:]
	}
	return upright
}
