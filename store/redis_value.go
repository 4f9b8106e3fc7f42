package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Keys begin with what no other program's do that shares the Redis.
const (
	keyPrefix    = "tintype:"
	objectPrefix = keyPrefix + "o:" // then the name: a value
	idPrefix     = keyPrefix + "i:" // then the ID: the name, sealed (row.go)
)

// A value is an object and its bytes (little endian):
//
//	magic "ttvalue\n" | random number of the put u64 | length of the row u32
//	| crc32c(name, all before, row) u32 | row | bytes
//
// The row tells how many bytes there are, and their own checksum.
const (
	valueMagic  = "ttvalue\n"
	valueHeader = 8 + 8 + 4 + 4

	// maxRow is more than a row has with the longest of all fields.
	maxRow   = maxAttributes + 4<<10
	maxValue = valueHeader + maxRow + MaxWhole

	// usualFront is how many bytes have all but the longest rows.
	usualFront = 1 << 10
)

// front is what a value has before its bytes.
type front struct {
	Object
	put uint64 // its random number
}

// append appends all of a value but the bytes.
func (f front) append(b []byte) []byte {
	row := appendRow(nil, f.Object)
	start := len(b)
	b = append(b, valueMagic...)
	b = binary.LittleEndian.AppendUint64(b, f.put)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(row)))
	b = binary.LittleEndian.AppendUint32(b, frontSum(f.Name, b[start:], row))
	return append(b, row...)
}

func frontSum(name string, header, row []byte) uint32 {
	sum := crc32.Update(crc32.Checksum([]byte(name), castagnoli), castagnoli, header)
	return crc32.Update(sum, castagnoli, row)
}

// frontLength returns where the bytes begin in a value that begins with b.
func frontLength(name string, b []byte) (int, error) {
	if len(b) < valueHeader || string(b[:len(valueMagic)]) != valueMagic {
		return 0, fmt.Errorf("%w: value of %q is none of tintype", ErrDamaged, name)
	}
	row := binary.LittleEndian.Uint32(b[16:])
	if row > maxRow {
		return 0, fmt.Errorf("%w: value of %q: row of %d bytes", ErrDamaged, name, row)
	}
	return valueHeader + int(row), nil
}

// parseFront reads what append has written, out of the value of the object called name, and
// returns what follows.
func parseFront(name string, b []byte) (f front, rest []byte, err error) {
	n, err := frontLength(name, b)
	if err != nil {
		return front{}, nil, err
	}
	if len(b) < n {
		return front{}, nil, fmt.Errorf("%w: value of %q ends early", ErrDamaged, name)
	}
	row := b[valueHeader:n]
	if frontSum(name, b[:20], row) != binary.LittleEndian.Uint32(b[20:]) {
		return front{}, nil, fmt.Errorf("%w: checksum of the row of %q", ErrDamaged, name)
	}
	o, err := parseRow(name, row)
	if err == nil && (o.Size > MaxWhole || o.Expires.IsZero() || checkFields(o) != nil) {
		err = fmt.Errorf("%w: row of %q: no such object is stored here", ErrDamaged, name)
	}
	if err != nil {
		return front{}, nil, err
	}
	return front{o, binary.LittleEndian.Uint64(b[8:])}, b[n:], nil
}

// parseValue reads a whole value. The bytes are a part of b, and as they were stored.
func parseValue(name string, b []byte) (f front, data []byte, err error) {
	if f, data, err = parseFront(name, b); err != nil {
		return front{}, nil, err
	}
	if int64(len(data)) != f.Size {
		return front{}, nil, fmt.Errorf("%w: %q has %d bytes, want %d", ErrDamaged, name, len(data), f.Size)
	}
	if crc32.Checksum(data, castagnoli) != f.CRC {
		return front{}, nil, fmt.Errorf("%w: checksum of %v", ErrDamaged, f.Digest)
	}
	return f, data, nil
}
