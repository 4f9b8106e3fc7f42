package sign

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// ErrFileID is returned when a text is not a FastDFS file ID, or one cannot be made from what was given.
var ErrFileID = errors.New("sign: not a FastDFS file ID")

// Lengths of a file ID's parts. Source: dfsapi.md section 2.1.
const (
	maxGroup    = 16
	prefixSize  = len("M00/00/00/")
	encodedSize = 27 // base64 of 20 bytes, without padding
	tailSize    = 7  // of a master; a slave's is longer
	maxPrefix   = 16 // of a slave, FDFS_FILE_PREFIX_MAX_LEN
	maxExt      = 6  // FDFS_FILE_EXT_NAME_MAX_LEN
)

// Bits of FileID.SizeField.
const (
	sizeIs32Bit   = 1 << 63 // bits 0 to 31 are the size, bits 32 to 54 are random
	sizeTrunk     = 1 << 59 // part of a larger file: bits 0 to 31 are the size
	sizeAppender  = 1 << 58 // grows: the ID does not know its size
	sizeRandBits  = 23
	sizeRandShift = 32
)

// FileID is a FastDFS file ID, in the parts that FastDFS's own tools read out of it:
//
//	group1/M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4
//	group  M   HH LL 27 characters of base64    tail
//
// The base64 holds 20 bytes: source address (4), creation time (4), size (8) and CRC-32 (4), all big-endian. The tail is digits,
// a dot and the extension, seven characters together. Other pictures made from the same master (slaves) have its ID with a prefix
// before the extension: "…132_1024.mp4".
//
// A FileID is comparable, and String gives back exactly the text that ParseFileID took.
type FileID struct {
	Group     string  // 1 to 16 letters, digits or underscores
	StorePath uint8   // the hex number after M
	Dir       [2]byte // HH and LL
	Source    [4]byte // IPv4 address, or a storage id in little-endian order
	Time      uint32  // creation, Unix seconds
	SizeField uint64  // size, random bits and flags
	CRC32     uint32  // of the content, IEEE
	Tail      string  // what follows the base64: "132.mp4", "132_1024.mp4"
}

// FileSpec is what a new file ID is made from.
type FileSpec struct {
	Group     string
	StorePath uint8
	Dir       [2]byte    // any pair is valid; nothing derives from it
	Source    netip.Addr // IPv4, not ending in .0, which FastDFS would read as the number of a storage
	Created   time.Time
	Size      int64
	CRC32     uint32
	Ext       string // without its dot, at most 6 characters; "" for none
}

// NewFileID makes a file ID. It reads 7 bytes from random, crypto/rand's Reader by custom: 23 bits of them keep equal files of the
// same second apart, and the rest becomes the digits before the extension. That is few: the caller makes another when the ID is
// taken, as FastDFS does up to ten times.
func NewFileID(spec FileSpec, random io.Reader) (FileID, error) {
	if !spec.Source.Is4() || spec.Source.As4()[3] == 0 {
		return FileID{}, fmt.Errorf("%w: source %v", ErrFileID, spec.Source)
	}
	created := spec.Created.Unix()
	if created < 0 || created > 1<<32-1 || spec.Size < 0 || spec.Size >= sizeAppender {
		return FileID{}, fmt.Errorf("%w: created %d, size %d", ErrFileID, created, spec.Size)
	}
	var b [8]byte
	if _, err := io.ReadFull(random, b[1:]); err != nil {
		return FileID{}, fmt.Errorf("sign: random bits of a file ID: %w", err)
	}
	size := uint64(spec.Size)
	if size < 1<<32 {
		rand := uint64(binary.BigEndian.Uint32(b[:4]) >> 1)
		size |= sizeIs32Bit | rand<<sizeRandShift
	}
	id := FileID{
		Group: spec.Group, StorePath: spec.StorePath, Dir: spec.Dir, Source: spec.Source.As4(),
		Time: uint32(created), SizeField: size, CRC32: spec.CRC32,
		Tail: tail(spec.Ext, binary.BigEndian.Uint32(b[4:])),
	}
	return id.valid()
}

// tail returns the 7 characters after the base64: digits from random, and the extension.
func tail(ext string, random uint32) string {
	if ext != "" {
		ext = "." + ext
	}
	digits := fmt.Sprintf("%07d", random%1e7)
	return digits[min(len(ext), tailSize):] + ext
}

// valid returns id if ParseFileID would.
func (id FileID) valid() (FileID, error) {
	if _, err := ParseFileID(id.String()); err != nil {
		return FileID{}, err
	}
	return id, nil
}

// String returns the whole ID, group first.
func (id FileID) String() string { return id.Group + "/" + id.Path() }

// Path returns the ID without its group: what a FastDFS token signs.
func (id FileID) Path() string {
	b := make([]byte, 0, 20)
	b = append(b, id.Source[:]...)
	b = binary.BigEndian.AppendUint32(b, id.Time)
	b = binary.BigEndian.AppendUint64(b, id.SizeField)
	b = binary.BigEndian.AppendUint32(b, id.CRC32)
	return fmt.Sprintf("M%02X/%02X/%02X/", id.StorePath, id.Dir[0], id.Dir[1]) + base64.RawURLEncoding.EncodeToString(b) + id.Tail
}

// ParseFileID reads a file ID, group first and no slash before it. It is strict: upper-case hex, canonical base64, a tail of the
// two shapes above. The error is ErrFileID.
func ParseFileID(s string) (FileID, error) {
	bad := func() (FileID, error) { return FileID{}, fmt.Errorf("%w: %q", ErrFileID, s) }
	group, path, _ := strings.Cut(s, "/")
	if len(path) < prefixSize+encodedSize+tailSize || !isGroup(group) || !isTail(path[prefixSize+encodedSize:]) {
		return bad()
	}
	b, err := base64.RawURLEncoding.DecodeString(path[prefixSize : prefixSize+encodedSize])
	if err != nil || len(b) != 20 {
		return bad()
	}
	hexByte := func(i int) byte { // no digits give nonsense, which the comparison below refuses
		return hexValue(path[i])<<4 | hexValue(path[i+1])
	}
	id := FileID{
		Group:     group,
		StorePath: hexByte(1),
		Dir:       [2]byte{hexByte(4), hexByte(7)},
		Source:    [4]byte(b[:4]),
		Time:      binary.BigEndian.Uint32(b[4:]),
		SizeField: binary.BigEndian.Uint64(b[8:]),
		CRC32:     binary.BigEndian.Uint32(b[16:]),
		Tail:      path[prefixSize+encodedSize:],
	}
	if id.Path() != path { // slashes elsewhere, other letter case, stray bits in the base64
		return bad()
	}
	return id, nil
}

func isGroup(s string) bool {
	return s != "" && len(s) <= maxGroup && isAll(s, "_")
}

// isAll reports whether s is letters, digits and the characters of others.
func isAll(s, others string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return true
}

// isTail reports whether s may follow the base64: seven digits; fewer digits and an extension, seven characters together; or,
// longer than that, a slave's digits, prefix and extension, of which the latter may be missing.
func isTail(s string) bool {
	stem, ext, hasExt := strings.Cut(s, ".")
	if hasExt && !isExt(ext) {
		return false
	}
	digits := leadingDigits(stem)
	if len(s) == tailSize {
		return digits == len(stem)
	}
	prefix := stem[min(digits, tailSize):]
	return prefix != "" && len(prefix) <= maxPrefix && isAll(prefix, "_-")
}

// isExt takes two extensions too, as FastDFS's client makes them ("tar.gz").
func isExt(s string) bool {
	a, b, two := strings.Cut(s, ".")
	return len(s) <= maxExt && a != "" && isAll(a, "") && isAll(b, "") && (b != "") == two
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// Slave returns the ID of a picture made from id, as fdfs_gen_slave_filename does: the extension of id gives way to prefix, a dot
// and ext. Prefix is 1 to 16 letters, digits, underscores or hyphens, best beginning with one of the latter two; ext may be "".
func (id FileID) Slave(prefix, ext string) (FileID, error) {
	stem, _, _ := strings.Cut(id.Tail, ".")
	id.Tail = stem + prefix
	if ext != "" {
		id.Tail += "." + ext
	}
	if len(id.Tail) <= tailSize {
		return FileID{}, fmt.Errorf("%w: slave prefix %q", ErrFileID, prefix)
	}
	return id.valid()
}

// IsSlave reports whether id is of a picture made from another. Its time, size field and checksum are the other's.
func (id FileID) IsSlave() bool { return len(id.Tail) > tailSize }

// Ext returns the extension without its dot, "" for none.
func (id FileID) Ext() string {
	_, ext, _ := strings.Cut(id.Tail, ".")
	return ext
}

// Created returns the time in the ID, in UTC.
func (id FileID) Created() time.Time { return time.Unix(int64(id.Time), 0).UTC() }

// Size returns the size of the file in bytes, or -1 for a slave or appender file, whose ID does not say.
func (id FileID) Size() int64 {
	switch {
	case id.IsSlave() || id.SizeField&sizeAppender != 0:
		return -1
	case id.SizeField&(sizeIs32Bit|sizeTrunk) != 0:
		return int64(uint32(id.SizeField))
	}
	return int64(id.SizeField)
}

// Rand returns the 23 random bits, 0 where there are none.
func (id FileID) Rand() uint32 {
	if id.SizeField&sizeIs32Bit == 0 {
		return 0
	}
	return uint32(id.SizeField>>sizeRandShift) & (1<<sizeRandBits - 1)
}

// StorageID returns the number of the storage that made the ID, 0 when it made it with its address. The two share four bytes, and
// FastDFS tells them apart by size: so an address ending in .0 reads as a storage.
func (id FileID) StorageID() uint32 {
	if n := binary.LittleEndian.Uint32(id.Source[:]); n < 1<<24 {
		return n
	}
	return 0
}

// Addr returns the address of the storage that made the ID, the zero Addr when it made it with its number.
func (id FileID) Addr() netip.Addr {
	if id.StorageID() != 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4(id.Source)
}
