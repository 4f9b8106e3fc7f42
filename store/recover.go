package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// errRebuild is why an index has to be made anew from the blobs.
var errRebuild = errors.New("store: index")

// openDir makes the directories of a store where they are missing.
func openDir(dir string) (*osFiles, error) {
	for _, sub := range []string{"blobs", "tmp", "journal"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	files, err := openFiles(dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(files.SyncDir(dir), files.SyncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return files, nil
}

// found is a frame that was read back, and where.
type found struct {
	logged
	segment *segment
	offset  int64
	size    int64
}

// read returns the frames behind the applied one, by number, and all segments but
// those that are known to have none and to stay.
func (j *journal) read(applied uint64, stays []*stay) (frames []found, segments []*segment, err error) {
	entries, err := j.fs.List(j.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, e := range entries {
		s := &segment{path: filepath.Join(j.dir, e.Name())}
		j.made = max(j.made, s.number())
		if slices.ContainsFunc(stays, func(o *stay) bool { return o.segment == s.number() && o.last <= applied }) {
			continue
		}
		if s.file, err = j.fs.Open(s.path); err != nil {
			return nil, nil, err
		}
		segments = append(segments, s)
		some, err := s.read(applied)
		if err != nil {
			return nil, nil, fmt.Errorf("store: read %s: %w", s.path, err)
		}
		if frames = append(frames, some...); len(some) > 0 {
			s.first = some[0].seq
		}
	}
	slices.SortFunc(frames, func(a, b found) int { return cmp.Compare(a.seq, b.seq) })
	return frames, segments, nil
}

// read returns the frames of a segment behind the applied one.
func (s *segment) read(applied uint64) (frames []found, err error) {
	if s.size, err = s.file.Size(); err != nil {
		return nil, err
	}
	block := make([]byte, frameAlign)
	if _, err := s.file.ReadAt(block, 0); err != nil && err != io.EOF {
		return nil, err
	}
	var ok bool
	if s.id, ok = parseSegmentHeader(block); !ok {
		return nil, nil // cut off while it was made, before its first frame
	}
	for at := int64(frameAlign); at < s.size; {
		if _, err := s.file.ReadAt(block, at); err != nil && err != io.EOF {
			return nil, err
		}
		size, ok := frameSize(block, s.id)
		if size = framed(size); !ok || at+size > s.size {
			at += frameAlign
			continue
		}
		b := make([]byte, size)
		if _, err := s.file.ReadAt(b, at); err != nil {
			return nil, err
		}
		f, ok := parseFrame(b, s.id)
		if !ok {
			at += frameAlign
			continue
		}
		if f.seq > applied {
			f.rows = slices.Clone(f.rows)
			frames = append(frames, found{f, s, at, size})
		}
		at += size
	}
	return frames, nil
}

// replay adds what a frame says to a layer.
func (f found) replay(l *layer, tmp string) error {
	offset := f.offset + f.bodies
	return f.each(func(r row) { l.Set(r) }, func(s stagedRow) error {
		at := &spot{size: s.size, crc: s.crc}
		if s.file != "" {
			at.file = filepath.Join(tmp, filepath.Base(s.file))
		} else {
			at.segment, at.first, at.offset = f.segment, f.segment.first, offset
			offset += s.size
		}
		l.Set(row{table: tableStaged, key: string(s.digest[:]), value: []byte{}, at: at})
		return nil
	})
}

// recover brings what is in the journal to its place, and empties tmp/.
func (c *committer) recover() error {
	applied, doomed, stays, err := c.known()
	if err != nil {
		return err
	}
	frames, segments, err := c.journal.read(applied, stays)
	if err != nil {
		return err
	}
	frames, err = c.whole(frames, applied)
	if err != nil {
		return err
	}
	jobs, err := c.jobs(frames, segments, applied)
	if err != nil {
		return err
	}
	if err := c.blobs.clearTmp(jobs); err != nil {
		return fmt.Errorf("store: empty tmp: %w", err)
	}
	if len(frames) > 0 {
		c.opt.Log.Info("putting in place what was in the journal", "dir", c.dir, "changes", len(frames))
		if err := errors.Join(c.cutBehind(frames), c.syncFound(jobs)); err != nil {
			return err
		}
	}
	c.applied = applied
	c.journal.seq = applied + uint64(len(frames))
	if len(frames) == 0 && !doomed {
		c.finished(checkpointed{jobs[0], nil})
		return nil
	}
	for i, j := range jobs {
		err := c.checkpoint(j)
		if err != nil && !noSpace(err) {
			return err
		}
		if c.job = j; err != nil {
			c.rest = jobs[i+1:]
			c.publish(func(s *state) { s.frozen = joined(jobs[i:]) })
		}
		if c.finished(checkpointed{c.job, err}); err != nil {
			break // the committer tries again
		}
	}
	return nil
}

// known returns what the index says: the last frame that it has, whether there are
// blobs without a name whose files were kept, and which segments stay.
func (c *committer) known() (applied uint64, doomed bool, stays []*stay, err error) {
	err = c.base.view(func(base rows) error {
		value, err := base.get(tableMeta, keyApplied)
		if err != nil {
			return err
		}
		applied, _ = binary.Uvarint(value)
		if _, doomed, err = base.cursor(tableDoomed).seek(""); err != nil {
			return err
		}
		stays, err = look{rows: base}.stays()
		return err
	})
	return applied, doomed, stays, err
}

// jobs are the checkpoints of the frames of each segment, as the last run would have
// made them: one may have been carried out in part. There is at least one, and the
// last has the segments without frames as well.
func (c *committer) jobs(frames []found, segments []*segment, applied uint64) (jobs []*job, err error) {
	of := make(map[*segment]bool)
	for _, f := range frames {
		if !of[f.segment] {
			of[f.segment] = true
			jobs = append(jobs, &job{frozen: newLayer(), segments: []*segment{f.segment}, recovered: true})
		}
		j := jobs[len(jobs)-1]
		j.seq = f.seq
		if err := f.replay(j.frozen, c.blobs.tmp()); err != nil {
			return nil, err
		}
	}
	if len(jobs) == 0 {
		jobs = append(jobs, &job{frozen: newLayer(), seq: applied, recovered: true})
	}
	last := jobs[len(jobs)-1]
	slices.SortFunc(segments, func(a, b *segment) int { return cmp.Compare(a.number(), b.number()) })
	for _, s := range segments {
		if !of[s] {
			last.useless = append(last.useless, s)
		}
	}
	return jobs, nil
}

// joined is what readers see of several checkpoints.
func joined(jobs []*job) *layer {
	all := newLayer()
	for _, j := range jobs {
		j.frozen.Scan(func(r row) bool { all.Set(r); return true })
	}
	return all
}

// syncFound forces what was found to the disk, where after a kill it may not be yet: a
// power cut during the checkpoint must not leave the half of it alone.
func (c *committer) syncFound(jobs []*job) error {
	c.later.add("", c.journal.dir, c.blobs.tmp())
	for _, j := range jobs {
		for _, s := range j.segments {
			c.later.add(s.path)
		}
		j.frozen.Ascend(row{table: tableStaged}, func(r row) bool {
			if r.at.file != "" {
				c.later.add(r.at.file)
			}
			return true
		})
	}
	return c.later.sync()
}

// cutBehind cuts segments that may stay behind their last whole frame: the number of
// what is there will be given again.
func (c *committer) cutBehind(frames []found) error {
	if !c.opt.Relaxed {
		return nil
	}
	for _, f := range frames {
		f.segment.end = f.offset + f.size
	}
	for i, f := range frames {
		if i+1 < len(frames) && frames[i+1].segment == f.segment || f.segment.size == f.segment.end {
			continue
		}
		edit, err := c.fs.Edit(f.segment.path)
		if err != nil {
			return err
		}
		if err := errors.Join(edit.Truncate(f.segment.end), edit.Close()); err != nil {
			return err
		}
	}
	return nil
}

// whole returns the frames that follow the applied one without a gap. In the journal
// of a durable Disk, which writes a frame when the last one is on the disk, there
// are none behind a gap, or the journal is damaged.
func (c *committer) whole(frames []found, applied uint64) ([]found, error) {
	for i, f := range frames {
		if f.seq == applied+uint64(i)+1 && (!c.opt.Relaxed || c.filesWhole(f)) {
			continue
		}
		if !c.opt.Relaxed {
			return nil, fmt.Errorf("%w: part %d of the journal in %s, of %d; run tintype rebuild, which keeps all that can be read",
				ErrDamaged, applied+uint64(i)+1, c.journal.dir, frames[len(frames)-1].seq)
		}
		return frames[:i], nil
	}
	return frames, nil
}

// filesWhole says whether the files of tmp/ that a frame names have their bytes.
func (d *Disk) filesWhole(f found) bool {
	return f.each(func(row) {}, func(s stagedRow) error {
		if s.file == "" {
			return nil
		}
		in, err := d.fs.Open(filepath.Join(d.blobs.tmp(), filepath.Base(s.file)))
		if errors.Is(err, fs.ErrNotExist) {
			in, err = d.fs.Open(d.blobs.path(s.digest, s.size))
		}
		if err != nil {
			return err
		}
		defer in.Close()
		if crc, err := checksum(in, s.size); err != nil || crc != s.crc {
			return ErrDamaged
		}
		return nil
	}) == nil
}

// checksum returns the CRC-32C of the first size bytes.
func checksum(f io.ReaderAt, size int64) (uint32, error) {
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return sum.Sum32(), err
}

// clearTmp removes what interrupted uploads left behind, and not what is needed. Names
// of that are not given again, even if the files have been moved.
func (b *blobs) clearTmp(jobs []*job) error {
	needed := make(map[string]bool)
	for _, j := range jobs {
		j.frozen.Ascend(row{table: tableStaged}, func(r row) bool {
			needed[r.at.file] = true
			if n, err := strconv.ParseUint(filepath.Base(r.at.file), 10, 64); err == nil {
				b.made.Store(max(b.made.Load(), n))
			}
			return true
		})
	}
	entries, err := b.fs.List(b.tmp())
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(b.tmp(), e.Name())
		if needed[path] {
			continue
		}
		if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // another's that comes too late
			return err
		}
	}
	return nil
}
