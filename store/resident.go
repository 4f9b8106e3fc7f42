package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
)

// maxStays is up to how many segments stay. Tests have fewer.
var maxStays = 1000

// resident is where a blob is that stays in the journal. It has one name, which got it
// as it came; what happens to it then, but for its end, brings it to a file.
type resident struct {
	segment uint64 // number of its file
	offset  int64
	size    int64
	crc     uint32
	name    string
}

func (r resident) pack() (b []byte) {
	for _, n := range []uint64{r.segment, uint64(r.offset), uint64(r.size), uint64(r.crc)} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, r.name...)
}

// resident returns where a blob is in the journal. ok: it is there.
func (l look) resident(d Digest) (r resident, ok bool, err error) {
	value, err := l.get(tableResidents, string(d[:]))
	if errors.Is(err, ErrNotFound) {
		return r, false, nil
	}
	p := parser{b: value}
	r = resident{segment: p.uvarint(), offset: int64(p.uvarint()), size: int64(p.uvarint()), crc: uint32(p.uvarint())}
	r.name = string(p.b)
	if err == nil && (p.bad || r.offset < 0 || r.size < 0) {
		err = fmt.Errorf("%w: place of %v", ErrDamaged, d)
	}
	return r, err == nil, err
}

// spot is where r's bytes are.
func (j *journal) spot(r resident) *spot {
	return &spot{size: r.size, crc: r.crc, fs: j.fs, stays: j.path(r.segment), offset: r.offset}
}

// stay is a segment that stays, for residents in it or before it.
type stay struct {
	first, last uint64 // of its frames
	segment     uint64 // number of its file
	came, live  int64  // bytes of residents, ever and now, and one for each: some are empty
}

func (s stay) key() string { return string(binary.BigEndian.AppendUint64(nil, s.first)) }

func (s stay) pack() (b []byte) {
	for _, n := range []uint64{s.last, s.segment, uint64(s.came), uint64(s.live)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// stays returns the segments that stay, the oldest first.
func (l look) stays() (all []*stay, err error) {
	cur := l.cursor(tableSegments)
	r, ok, err := cur.seek("")
	for ; err == nil && ok; r, ok, err = cur.next() {
		p := parser{b: r.value}
		s := &stay{last: p.uvarint(), segment: p.uvarint(), came: int64(p.uvarint()), live: int64(p.uvarint())}
		if p.bad || len(r.key) != 8 {
			return nil, fmt.Errorf("%w: part of the journal", ErrDamaged)
		}
		s.first = binary.BigEndian.Uint64([]byte(r.key))
		all = append(all, s)
	}
	return all, err
}

// moves is what a checkpoint of a relaxed Disk does to residents.
type moves struct {
	*plan
	disk  *Disk
	now   look   // the index
	seq   uint64 // the last frame that it will have
	stays []*stay
	left  map[Digest]bool
	again bool // an attempt may have removed files and not forced that to the disk
}

// planResidents lets small blobs stay in the journal that came with one name, and
// gives a file to those that something has happened to. Segments stay until no older
// one has a resident: who makes the index anew has all that came after the first.
func (d *Disk) planResidents(p *plan, j *job, base rows) error {
	m := &moves{plan: p, disk: d, now: look{rows: base}, seq: j.seq, left: make(map[Digest]bool), again: j.recovered}
	var err error
	if m.stays, err = m.now.stays(); err != nil {
		return err
	}
	for _, path := range j.over { // known to the index already
		if !slices.ContainsFunc(m.stays, func(s *stay) bool { return d.journal.path(s.segment) == path }) {
			m.over = append(m.over, path)
		}
	}
	before := make(map[uint64]stay)
	for _, s := range m.stays {
		before[s.first] = *s
	}
	for _, s := range j.segments {
		m.enter(s, j.seq)
	}
	for digest, at := range p.place {
		if at.file == "" {
			err = errors.Join(err, m.arrive(digest, at))
		}
	}
	for digest := range p.told {
		if _, dead := p.dead[digest]; p.place[digest] == nil && !dead {
			err = errors.Join(err, m.moveOut(digest))
		}
	}
	for digest := range p.dead {
		err = errors.Join(err, m.end(digest))
	}
	if err := errors.Join(err, m.makeRoom()); err != nil {
		return err
	}
	m.settle(before)
	return nil
}

// enter lets the segment of a checkpoint stay, for now.
func (m *moves) enter(s *segment, last uint64) {
	number := s.number()
	for _, o := range m.stays {
		if o.segment == number {
			o.last = last // told so by a checkpoint that was cut off
			return
		}
	}
	m.stays = append(m.stays, &stay{first: s.first, last: last, segment: number})
	slices.SortFunc(m.stays, func(a, b *stay) int { return cmp.Compare(a.first, b.first) })
}

func (m *moves) staying(segment uint64) *stay {
	for _, s := range m.stays {
		if s.segment == segment {
			return s
		}
	}
	return &stay{}
}

// arrive decides where a blob goes that has come in a frame.
func (m *moves) arrive(digest Digest, at *spot) error {
	old, had, err := m.now.resident(digest)
	if err != nil {
		return err
	}
	names, _, err := m.now.blob(digest)
	if err != nil {
		return err
	}
	placed := false
	if !had && names == 0 {
		if placed, err = m.disk.blobs.has(digest, at.size); err != nil {
			return err
		}
	}
	number, t := at.segment.number(), m.told[digest]
	switch {
	case had && names > 0: // mended
		m.mended[digest], err = m.ledgerOf(old)
		m.leave(digest, old)
	case had:
		m.leave(digest, old)
	case names == 0 && t.times == 1 && !placed:
		r := resident{segment: number, offset: at.offset, size: at.size, crc: at.crc, name: t.name}
		m.first = append(m.first, row{table: tableResidents, key: string(digest[:]), value: r.pack()})
		s := m.staying(number)
		s.came, s.live = s.came+at.size+1, s.live+at.size+1
		delete(m.place, digest)
		delete(m.told, digest)
	}
	return err
}

// moveOut plans a file for a blob that has gained a name, or changed it.
func (m *moves) moveOut(digest Digest) error {
	r, ok, err := m.now.resident(digest)
	if err != nil || !ok {
		return err
	}
	if m.mended[digest], err = m.ledgerOf(r); err != nil {
		return err
	}
	m.place[digest] = m.disk.journal.spot(r)
	m.leave(digest, r)
	return nil
}

// ledgerOf is what the ledger of a resident would be.
func (m *moves) ledgerOf(r resident) ([]byte, error) {
	o, err := m.now.object(r.name)
	return appendRecord(nil, gained, o), err
}

// leave has the index forget where a blob was.
func (m *moves) leave(digest Digest, r resident) {
	m.left[digest] = true
	m.staying(r.segment).live -= r.size + 1
	m.first = append(m.first, row{table: tableResidents, key: string(digest[:])})
}

// end takes leave of a blob without a name. It has a file as well where a checkpoint, or
// a Rebuild, was cut off.
func (m *moves) end(digest Digest) error {
	r, ok, err := m.now.resident(digest)
	if err != nil || !ok {
		return err
	}
	placed, err := m.disk.blobs.has(digest, r.size)
	m.bodiless[digest] = !m.again && !placed
	m.leave(digest, r)
	return err
}

// makeRoom has the residents of the oldest segment move out where more have ended than
// are left, and they take more than the reserve, or where there are too many segments.
func (m *moves) makeRoom() error {
	ended, live := int64(0), int64(0)
	for _, s := range m.stays {
		ended, live = ended+s.came-s.live, live+s.live
	}
	if len(m.stays) <= maxStays && ended <= live+int64(m.disk.reserve) {
		return nil
	}
	oldest := m.stays[0]
	free, _, err := m.disk.fs.Room()
	if err != nil || oldest.live <= 0 || free < uint64(oldest.live)+m.disk.reserve {
		return err
	}
	return m.empty(oldest)
}

// empty plans a file for everyone who is left in a segment.
func (m *moves) empty(s *stay) error {
	leave := func(digest Digest) error {
		r, ok, err := m.now.resident(digest)
		if err != nil || !ok || m.left[digest] || r.segment != s.segment {
			return err
		}
		m.told[digest] = &telling{size: r.size}
		return m.moveOut(digest)
	}
	damaged := m.disk.journal.eachBody(s.segment, leave)
	if s.live <= 0 {
		return nil
	}
	m.disk.opt.Log.Error("a part of the journal is damaged", "dir", m.disk.dir, "err", damaged)
	cur := m.now.cursor(tableResidents)
	r, ok, err := cur.seek("")
	for ; err == nil && ok; r, ok, err = cur.next() {
		if err := leave(Digest([]byte(r.key))); err != nil {
			return err
		}
	}
	return err
}

// settle plans the rows of segments, and the end of those that are not needed.
func (m *moves) settle(before map[uint64]stay) {
	for len(m.stays) > 0 && m.stays[0].live <= 0 && m.stays[0].last <= m.seq && m.disk.pinned == 0 {
		s := m.stays[0]
		m.stays = m.stays[1:]
		if path := m.disk.journal.path(s.segment); !slices.Contains(m.over, path) {
			m.over = append(m.over, path)
		}
		if _, ok := before[s.first]; ok {
			m.first = append(m.first, row{table: tableSegments, key: s.key()})
		}
	}
	for _, s := range m.stays {
		if before[s.first] != *s {
			m.first = append(m.first, row{table: tableSegments, key: s.key(), value: s.pack()})
		}
	}
}

// eachBody calls f for every body in the whole frames of a segment that stays.
func (j *journal) eachBody(number uint64, f func(Digest) error) error {
	file, err := j.fs.Open(j.path(number))
	if err != nil {
		return err
	}
	defer file.Close()
	frames, err := (&segment{file: file}).read(0)
	for _, frame := range frames {
		err = errors.Join(err, frame.each(func(row) {}, func(s stagedRow) error { return f(s.digest) }))
	}
	return err
}

// number is that of a segment's file.
func (s *segment) number() uint64 {
	n, _ := strconv.ParseUint(filepath.Base(s.path), 10, 64)
	return n
}

// residentSpot returns where a blob is that stays in the journal, nil for a file of
// its own.
func (d *Disk) residentSpot(digest Digest) (at *spot, err error) {
	if !d.opt.Relaxed {
		return nil, nil
	}
	err = d.view(func(l look) error {
		r, ok, err := l.resident(digest)
		if ok {
			at = d.journal.spot(r)
		}
		return err
	})
	return at, err
}

// stored is the bytes of a blob, wherever they are.
type stored interface {
	io.ReaderAt
	io.Closer
}

// bytesOf opens a blob that the index has. fs.ErrNotExist: there is none.
func (d *Disk) bytesOf(digest Digest, size int64) (stored, error) {
	at, err := d.residentSpot(digest)
	if err != nil {
		return nil, err
	}
	if at != nil {
		data, err := at.readBody()
		if err == nil {
			return memory{bytes.NewReader(data), data}, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
	}
	return d.fs.Open(d.blobs.path(digest, size))
}
