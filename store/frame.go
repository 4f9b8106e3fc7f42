package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
)

// A segment is a block with its magic, version and ID, and frames. Each frame is
// what one group of changes wrote, begins at a multiple of frameAlign and is filled
// up to one with zeros and the last checksum of its header once more: a write that
// failed half-way is none (little endian):
//
//	magic "ttframe\n" | ID of the segment (16) | sequence number u64 | length of
//	the rows u32 | length of the bodies u64 | crc32c(rows) u32 | crc32c(before) u32
//	| rows | bodies
//
// The rows are entries of
//
//	'+' table u8, key, value    (each with its uvarint length first)
//	'-' table u8, key
//	'b' digest, size uvarint, crc32c u32: the next of the bodies
//	'f' digest, size uvarint, crc32c u32, name of a file in tmp/, length first
//
// A frame counts if all its checksums hold, those of the bodies too, and if all
// those between it and what the index has count.
const (
	segmentMagic  = "ttjournl"
	segmentFormat = 2
	frameMagic    = "ttframe\n"
	frameAlign    = 4 << 10
	frameHeader   = 8 + 16 + 8 + 4 + 8 + 4 + 4
	frameEnd      = 4
	maxFrameRows  = 1 << 30
	maxFrameBytes = 1 << 40
)

const (
	opPut    = '+'
	opRemove = '-'
	opBody   = 'b'
	opFile   = 'f'
)

// frame is one on its way to the journal.
type frame struct {
	rows   []byte
	bodies [][]byte
}

func (f *frame) reset() {
	clear(f.bodies)
	f.rows, f.bodies = f.rows[:0], f.bodies[:0]
}

func (f *frame) add(r row) {
	op := byte(opPut)
	if r.value == nil {
		op = opRemove
	}
	f.rows = append(f.rows, op, byte(r.table))
	f.rows = appendText(f.rows, r.key)
	if r.value != nil {
		f.rows = appendText(f.rows, r.value)
	}
}

func (f *frame) addBody(b *body) {
	op := byte(opFile)
	if b.data != nil {
		op = opBody
		f.bodies = append(f.bodies, *b.data)
	}
	f.rows = append(f.rows, op)
	f.rows = append(f.rows, b.digest[:]...)
	f.rows = binary.AppendUvarint(f.rows, uint64(b.size))
	f.rows = binary.LittleEndian.AppendUint32(f.rows, b.crc)
	if b.data == nil {
		f.rows = appendText(f.rows, filepath.Base(b.file))
	}
}

func appendText[T string | []byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// bodiesAt is where the bodies begin, behind the start of the frame.
func (f *frame) bodiesAt() int64 { return frameHeader + int64(len(f.rows)) }

func (f *frame) appendTo(b []byte, id [16]byte, seq uint64) []byte {
	var length int
	for _, p := range f.bodies {
		length += len(p)
	}
	b = slices.Grow(b, frameHeader+len(f.rows)+length+frameAlign)
	b = append(b, frameMagic...)
	b = append(b, id[:]...)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.rows)))
	b = binary.LittleEndian.AppendUint64(b, uint64(length))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(f.rows, castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[len(b)-frameHeader+4:], castagnoli))
	b = append(b, f.rows...)
	for _, p := range f.bodies {
		b = append(b, p...)
	}
	size := int64(len(b))
	b = append(b, make([]byte, framed(size)-size-frameEnd)...)
	return append(b, b[frameHeader-4:frameHeader]...)
}

// framed is how much of a segment a frame of so many bytes takes.
func framed(size int64) int64 { return (size + frameEnd + frameAlign - 1) / frameAlign * frameAlign }

func appendSegmentHeader(b []byte, id [16]byte) []byte {
	b = append(b, segmentMagic...)
	b = append(b, segmentFormat)
	b = append(b, id[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseSegmentHeader(b []byte) (id [16]byte, ok bool) {
	const n = len(segmentMagic) + 1 + len(id)
	if len(b) < n+4 || string(b[:8]) != segmentMagic || b[8] != segmentFormat ||
		binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return id, false
	}
	return [16]byte(b[9:n]), true
}

// logged is a frame as it was read back.
type logged struct {
	seq    uint64
	rows   []byte
	bodies int64 // where they begin, behind the start of the frame
}

// frameSize returns how many bytes the frame has that b begins with, without what
// fills it up.
func frameSize(b []byte, id [16]byte) (int64, bool) {
	if len(b) < frameHeader || !bytes.HasPrefix(b, []byte(frameMagic)) || !bytes.Equal(b[8:24], id[:]) ||
		binary.LittleEndian.Uint32(b[frameHeader-4:]) != crc32.Checksum(b[:frameHeader-4], castagnoli) {
		return 0, false
	}
	rows, bodies := int64(binary.LittleEndian.Uint32(b[32:])), int64(binary.LittleEndian.Uint64(b[36:]))
	return frameHeader + rows + bodies, rows <= maxFrameRows && bodies >= 0 && bodies <= maxFrameBytes
}

// parseFrame reads the frame that b is, with what fills it up.
func parseFrame(b []byte, id [16]byte) (logged, bool) {
	size, ok := frameSize(b, id)
	if !ok || framed(size) != int64(len(b)) || !bytes.Equal(b[len(b)-frameEnd:], b[frameHeader-4:frameHeader]) {
		return logged{}, false
	}
	rows := int64(binary.LittleEndian.Uint32(b[32:]))
	f := logged{seq: binary.LittleEndian.Uint64(b[24:]), bodies: frameHeader + rows, rows: b[frameHeader : frameHeader+rows]}
	if binary.LittleEndian.Uint32(b[44:]) != crc32.Checksum(f.rows, castagnoli) {
		return logged{}, false
	}
	left := b[f.bodies:size]
	err := f.each(func(row) {}, func(s stagedRow) error {
		if s.file != "" {
			return nil
		}
		if s.size > int64(len(left)) {
			return ErrDamaged
		}
		err := checkBytes(left[:s.size], s.crc)
		left = left[s.size:]
		return err
	})
	return f, err == nil && len(left) == 0
}

// stagedRow is what a frame says of a body.
type stagedRow struct {
	digest Digest
	size   int64
	crc    uint32
	file   string // in tmp/; empty: among the bodies
}

// each reads the rows of a frame, in order.
func (f logged) each(change func(row), staged func(stagedRow) error) error {
	p := parser{b: f.rows}
	wrongTable := false
	tableOf := func(b byte) table {
		wrongTable = wrongTable || int(b) >= tables
		return table(b)
	}
	for len(p.b) > 0 && !p.bad {
		switch op := p.byte(); op {
		case opPut:
			r := row{table: tableOf(p.byte()), key: string(p.text())}
			r.value = append([]byte{}, p.text()...)
			change(r)
		case opRemove:
			change(row{table: tableOf(p.byte()), key: string(p.text())})
		case opBody, opFile:
			var s stagedRow
			copy(s.digest[:], p.take(uint64(len(s.digest))))
			s.size = int64(p.uvarint())
			if crc := p.take(4); len(crc) == 4 {
				s.crc = binary.LittleEndian.Uint32(crc)
			}
			if op == opFile {
				s.file = string(p.text())
			}
			if p.bad || s.size < 0 {
				break
			}
			if err := staged(s); err != nil {
				return err
			}
		default:
			p.bad = true
		}
		p.bad = p.bad || wrongTable
	}
	if p.bad {
		return fmt.Errorf("%w: rows of frame %d of the journal", ErrDamaged, f.seq)
	}
	return nil
}

// parser takes fields from b; bad is set where they do not fit.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) take(n uint64) []byte {
	if n > uint64(len(p.b)) {
		p.b, p.bad = nil, true
		return nil
	}
	v := p.b[:n]
	p.b = p.b[n:]
	return v
}

func (p *parser) byte() byte {
	if v := p.take(1); len(v) == 1 {
		return v[0]
	}
	return 0
}

func (p *parser) uvarint() uint64 {
	v, used := binary.Uvarint(p.b)
	p.take(uint64(max(used, 0)))
	p.bad = p.bad || used <= 0
	return v
}

func (p *parser) text() []byte { return p.take(p.uvarint()) }
