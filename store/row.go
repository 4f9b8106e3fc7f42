package store

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"
)

// A row is an Object without its Name: fields of tag u8, uvarint length, value.
// Zero fields are left out and unknown tags are skipped, so that a field can be
// added without a new format.
const (
	tagDigest    = 1 // 32 bytes
	tagCRC       = 2 // u32, little endian
	tagSize      = 3 // uvarint
	tagMediaType = 4
	tagWidth     = 5 // uvarint
	tagHeight    = 6 // uvarint
	tagOwner     = 7
	tagID        = 8
	tagCreated   = 9  // uvarint, microseconds since 1970
	tagExpires   = 10 // likewise
	tagDeleted   = 11 // likewise

	tagMD5        = 12 // 16 bytes
	tagModified   = 13 // as tagCreated
	tagAttributes = 14 // key and value of each, uvarint length first, by key
	tagOriginal   = 15 // 32 bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendField(b []byte, tag byte, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func appendNumber(b []byte, tag byte, n int64) []byte {
	if n == 0 {
		return b
	}
	return appendField(b, tag, binary.AppendUvarint(nil, uint64(n)))
}

func appendTime(b []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendNumber(b, tag, t.UnixMicro())
}

// appendRow appends o without its name.
func appendRow(b []byte, o Object) []byte {
	b = appendField(b, tagDigest, o.Digest[:])
	b = appendField(b, tagCRC, binary.LittleEndian.AppendUint32(nil, o.CRC))
	b = appendNumber(b, tagSize, o.Size)
	b = appendField(b, tagMediaType, []byte(o.MediaType))
	b = appendNumber(b, tagWidth, int64(o.Width))
	b = appendNumber(b, tagHeight, int64(o.Height))
	b = appendField(b, tagOwner, []byte(o.Owner))
	b = appendField(b, tagID, []byte(o.ID))
	b = appendTime(b, tagCreated, o.Created)
	b = appendTime(b, tagExpires, o.Expires)
	b = appendTime(b, tagDeleted, o.Deleted)
	if o.MD5 != [md5.Size]byte{} {
		b = appendField(b, tagMD5, o.MD5[:])
	}
	if o.Original != (Digest{}) {
		b = appendField(b, tagOriginal, o.Original[:])
	}
	b = appendTime(b, tagModified, o.Modified)
	return appendField(b, tagAttributes, packAttributes(o.Attributes))
}

func packAttributes(attributes map[string]string) (b []byte) {
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		for _, text := range [...]string{key, attributes[key]} {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
	}
	return b
}

func unpackAttributes(b []byte) (map[string]string, error) {
	attributes := make(map[string]string)
	var key string
	for isKey := true; len(b) > 0 || !isKey; isKey = !isKey {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, errors.New("attributes")
		}
		text := string(b[used : used+int(n)])
		b = b[used+int(n):]
		if isKey {
			key = text
		} else {
			attributes[key] = text
		}
	}
	return attributes, nil
}

// parseRow reads what appendRow wrote, for the object called name.
func parseRow(name string, b []byte) (Object, error) {
	o := Object{Name: name}
	for len(b) > 0 {
		tag := b[0]
		n, used := binary.Uvarint(b[1:])
		if used <= 0 || n > uint64(len(b)-1-used) {
			return Object{}, fmt.Errorf("%w: row of %q: field %d", ErrDamaged, name, tag)
		}
		value := b[1+used : 1+used+int(n)]
		b = b[1+used+int(n):]
		if err := o.setField(tag, value); err != nil {
			return Object{}, fmt.Errorf("%w: row of %q: %v", ErrDamaged, name, err)
		}
	}
	return o, nil
}

func (o *Object) setField(tag byte, value []byte) error {
	number := func() int64 {
		n, used := binary.Uvarint(value)
		if used != len(value) {
			return -1
		}
		return int64(n)
	}
	when := func() time.Time { return time.UnixMicro(number()).UTC() }
	switch tag {
	case tagDigest:
		return exactly(o.Digest[:], value)
	case tagCRC:
		if len(value) != 4 {
			return fmt.Errorf("crc of %d bytes", len(value))
		}
		o.CRC = binary.LittleEndian.Uint32(value)
	case tagSize:
		o.Size = number()
	case tagMediaType:
		o.MediaType = string(value)
	case tagWidth:
		o.Width = int(number())
	case tagHeight:
		o.Height = int(number())
	case tagOwner:
		o.Owner = string(value)
	case tagID:
		o.ID = string(value)
	case tagCreated:
		o.Created = when()
	case tagExpires:
		o.Expires = when()
	case tagDeleted:
		o.Deleted = when()
	case tagMD5:
		return exactly(o.MD5[:], value)
	case tagOriginal:
		return exactly(o.Original[:], value)
	case tagModified:
		o.Modified = when()
	case tagAttributes:
		attributes, err := unpackAttributes(value)
		o.Attributes = attributes
		return err
	}
	if o.Size < 0 || o.Width < 0 || o.Height < 0 {
		return fmt.Errorf("field %d is not a number", tag)
	}
	return nil
}

// exactly copies a field of fixed length.
func exactly(to, value []byte) error {
	if len(value) != len(to) {
		return fmt.Errorf("%d bytes, want %d", len(value), len(to))
	}
	copy(to, value)
	return nil
}

// seal appends the checksum over key and value, so that a row that bbolt hands
// out from a damaged or misplaced page is noticed.
func seal(key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value))
}

// unseal checks what seal appended and returns the value; it points into sealed.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - 4
	if n < 0 {
		return nil, fmt.Errorf("%w: index value of %d bytes", ErrDamaged, len(sealed))
	}
	value := sealed[:n:n]
	if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value) != binary.LittleEndian.Uint32(sealed[n:]) {
		return nil, fmt.Errorf("%w: index value of %q", ErrDamaged, key)
	}
	return value, nil
}
