package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// ErrCursor is returned for a cursor that no Read of an AuditLog has made.
var ErrCursor = errors.New("store: no cursor of the audit log")

const (
	auditBlock  = 2 * maxEvent // what Read reads at once, in bytes, backwards: room for a line that is cut at its begin
	auditBudget = 4 << 20      // what one Read looks at, in bytes
	markBytes   = 4 << 10      // of the first line, by which a file is known again
)

// Read returns up to limit lines, from the newest to the oldest, of those that match
// accepts; nil: of all. A cursor, from the Read before, goes on where that ended,
// whatever was written meanwhile; "" begins. next is "" at the end. Each call looks at up
// to 4 MiB: there may be a next, and few lines or none. Lines that are no JSON are passed
// over; match must not keep the line. Where the position of a cursor is gone with its
// file, the list ends. ErrCursor.
func (a *AuditLog) Read(cursor string, limit int, match func(line []byte) bool) (lines [][]byte, next string, err error) {
	all, err := a.files()
	defer func() {
		for _, f := range all {
			f.Close()
		}
	}()
	if err != nil {
		return nil, "", fmt.Errorf("store: audit log: %w", err)
	}
	files, err := a.from(cursor, all)
	if err != nil {
		return nil, "", err
	}
	r := &auditReader{buf: make([]byte, a.block), budget: a.budget, limit: limit, match: match}
	for _, f := range files {
		for f.at > 0 && !r.done() {
			if f.at, err = r.back(f, f.at); err != nil {
				return nil, "", fmt.Errorf("store: audit log: %w", err)
			}
		}
		mark, ok := f.mark()
		if f.at > 0 && ok {
			return r.lines, auditPlace{a.run, f.number, mark, f.at}.String(), nil
		}
	}
	return r.lines, "", nil
}

// auditFile is one that is open to be read from at backwards.
type auditFile struct {
	*os.File
	number uint64
	at     int64
}

// files opens what is there, the newest first.
func (a *AuditLog) files() (all []*auditFile, err error) {
	a.moving.RLock()
	defer a.moving.RUnlock()
	number := a.number
	for i := range a.opt.Files + 1 {
		f, err := os.Open(a.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, err
		}
		all = append(all, &auditFile{File: f, number: number})
		number--
		info, err := f.Stat()
		if err != nil {
			return all, err
		}
		all[len(all)-1].at = info.Size()
	}
	return all, nil
}

// mark is a checksum by which a file is known again, from its first line on. ok: it has
// one, or there is no line.
func (f *auditFile) mark() (mark uint32, ok bool) {
	buf := make([]byte, markBytes)
	n, _ := f.ReadAt(buf, 0)
	if end := bytes.IndexByte(buf[:n], '\n'); end >= 0 {
		return crc32.Checksum(buf[:end], castagnoli), true
	}
	return crc32.Checksum(buf, castagnoli), n == len(buf)
}

// auditPlace is where a Read goes on: before a byte of a file.
type auditPlace struct {
	run, number uint64
	mark        uint32
	at          int64
}

func (p auditPlace) String() string { return fmt.Sprintf("%x.%x.%x.%x", p.run, p.number, p.mark, p.at) }

func parsePlace(cursor string) (p auditPlace, err error) {
	_, err = fmt.Sscanf(cursor, "%x.%x.%x.%x", &p.run, &p.number, &p.mark, &p.at)
	if err != nil || p.at < 0 || p.String() != cursor {
		return auditPlace{}, fmt.Errorf("%w: %q", ErrCursor, cursor)
	}
	return p, nil
}

// from returns the files from the place of a cursor on. Those of another process are
// known by their marks alone.
func (a *AuditLog) from(cursor string, files []*auditFile) ([]*auditFile, error) {
	if cursor == "" {
		return files, nil
	}
	p, err := parsePlace(cursor)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if p.run == a.run && p.number != f.number || p.at > f.at {
			continue
		}
		if mark, ok := f.mark(); ok && mark == p.mark {
			f.at = p.at
			return files[i:], nil
		}
	}
	return nil, nil
}

// auditReader gathers lines.
type auditReader struct {
	buf    []byte // of one block
	budget int64
	limit  int
	match  func([]byte) bool
	lines  [][]byte
}

func (r *auditReader) done() bool { return len(r.lines) >= r.limit || r.budget <= 0 }

// back reads the block that ends with a byte of a file, takes the lines in it, and returns
// where the next block ends, which is before. What has no line feed at its end is no line:
// torn, or not written to its end yet.
func (r *auditReader) back(f io.ReaderAt, at int64) (int64, error) {
	from := max(0, at-int64(len(r.buf)))
	block := r.buf[:at-from]
	r.budget -= at - from
	n, err := f.ReadAt(block, from)
	if err != nil && err != io.EOF {
		return 0, err
	}
	end := bytes.LastIndexByte(block[:n], '\n') + 1
	for end > 0 && len(r.lines) < r.limit {
		begin := bytes.LastIndexByte(block[:end-1], '\n') + 1
		if begin == 0 && from > 0 {
			if end == len(block) { // a line longer than that: go on in the middle of it, where none ends
				end--
			}
			break
		}
		r.take(block[begin : end-1])
		end = begin
	}
	return from + int64(end), nil
}

// take takes a line of which the half of a block has room, so that another block than this
// would have it too.
func (r *auditReader) take(line []byte) {
	if len(line) < len(r.buf)/2 && json.Valid(line) && (r.match == nil || r.match(line)) {
		r.lines = append(r.lines, bytes.Clone(line))
	}
}
