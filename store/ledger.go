package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Ledger operations. doc.go draws a record.
const (
	gained = '+'
	lost   = '-'
)

const (
	ledgerVersion  = 1
	recordOverhead = 12 // two lengths and a checksum
	// a longer one is damage: all fields are bounded, the fixed ones far below maxField
	maxRecord = MaxName + 4*maxField + maxAttributes
)

// entry is one record of a ledger.
type entry struct {
	op  byte
	obj Object
}

// appendRecord appends the record of one operation to b.
func appendRecord(b []byte, op byte, o Object) []byte {
	body := []byte{ledgerVersion, op}
	body = binary.AppendUvarint(body, uint64(len(o.Name)))
	body = append(body, o.Name...)
	body = appendRow(body, o)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	return binary.LittleEndian.AppendUint32(b, uint32(len(body)))
}

// parseLedger reads records up to the first that is torn or damaged. valid is
// the length of what was read: a writer goes on from there.
func parseLedger(b []byte) (entries []entry, valid int) {
	for {
		e, n, err := parseRecord(b[valid:])
		if err != nil {
			return entries, valid
		}
		entries = append(entries, e)
		valid += n
	}
}

// recordLength is how long the record is that begins with head, of 4 bytes.
func recordLength(head []byte) int {
	return min(int(binary.LittleEndian.Uint32(head)), maxRecord) + recordOverhead
}

func parseRecord(b []byte) (entry, int, error) {
	if len(b) < recordOverhead {
		return entry{}, 0, fmt.Errorf("%w: ledger record of %d bytes", ErrDamaged, len(b))
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > maxRecord || n > len(b)-recordOverhead {
		return entry{}, 0, fmt.Errorf("%w: ledger record says %d bytes", ErrDamaged, n)
	}
	body, tail := b[4:4+n], b[4+n:]
	if binary.LittleEndian.Uint32(tail) != crc32.Checksum(body, castagnoli) ||
		int(binary.LittleEndian.Uint32(tail[4:])) != n {
		return entry{}, 0, fmt.Errorf("%w: ledger record checksum", ErrDamaged)
	}
	e, err := parseBody(body)
	return e, n + recordOverhead, err
}

func parseBody(body []byte) (entry, error) {
	if len(body) < 3 || body[0] != ledgerVersion || body[1] != gained && body[1] != lost {
		return entry{}, fmt.Errorf("%w: ledger record is of a kind this version does not know", ErrDamaged)
	}
	n, used := binary.Uvarint(body[2:])
	rest := body[2+max(used, 0):]
	if used <= 0 || n == 0 || n > MaxName || n > uint64(len(rest)) {
		return entry{}, fmt.Errorf("%w: ledger record name", ErrDamaged)
	}
	o, err := parseRow(string(rest[:n]), rest[n:])
	if err != nil {
		return entry{}, err
	}
	return entry{op: body[1], obj: o}, nil
}

// endsWhole says whether a ledger is empty or ends with a whole record, so that the
// next can follow. It reads no other.
func endsWhole(ledger *io.SectionReader) (bool, error) {
	size := ledger.Size()
	if size < recordOverhead {
		return size == 0, nil
	}
	var length [4]byte
	if _, err := ledger.ReadAt(length[:], size-4); err != nil {
		return false, err
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	if n > min(maxRecord, size-recordOverhead) {
		return false, nil
	}
	record := make([]byte, n+recordOverhead)
	if _, err := ledger.ReadAt(record, size-int64(len(record))); err != nil {
		return false, err
	}
	_, _, err := parseRecord(record)
	return err == nil, nil
}
