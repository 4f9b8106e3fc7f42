package store

import (
	"errors"
	"io/fs"
	"time"
)

const (
	// checkpointAfter is how long a quiet store keeps changes from the index. A relaxed
	// Disk's checkpoint begins another segment, which may stay for long.
	checkpointAfter = 3 * time.Second
	relaxedAfter    = 20 * time.Second
	// checkpointRows begins a checkpoint before the news take much memory, some 300
	// bytes each.
	checkpointRows = 40_000
	// overload is how many times over a checkpoint may be due while another runs,
	// before changes wait for it.
	overload = 4
)

// committer is what commitLoop keeps in mind.
type committer struct {
	*Disk
	frame   frame
	since   time.Time  // of the oldest change in the head
	dirty   bool       // a relaxed Disk's journal has what is not on the disk
	syncing chan error // gets the end of what forces that to the disk; nil: nothing does
	applied uint64     // the last frame that the index has
	job     *job       // of the frozen layer; nil: there is none
	running bool       // the job
	full    error      // why it did not end for want of room
	waiting []flush
	rest    []*job   // the ones after it, of a start
	over    []string // segments that need not stay any more, the oldest first
}

// flush waits for all frames up to seq.
type flush struct {
	seq  uint64
	done chan error
}

// commitLoop takes the changes in turn. While one group is being synced the next one
// gathers, so that a single client never waits for others and many share a sync.
func (c *committer) commitLoop() {
	defer close(c.ended)
	tick := time.NewTicker(SyncInterval)
	defer tick.Stop()
	for {
		queue := c.queue
		if c.overloaded() && c.full == nil {
			queue = nil
		}
		select {
		case r := <-queue:
			if c.overloaded() {
				r.reply <- c.full
				continue
			}
			c.group(r)
		case done := <-c.flushes:
			c.waiting = append(c.waiting, flush{c.journal.seq, done})
		case result := <-c.done:
			c.finished(result)
			if c.full == nil {
				c.checkpointIfDue()
			}
			continue // what failed for want of room is tried again with the next tick
		case <-tick.C:
			c.syncLater()
			if b, ok := c.base.(interface{ trim() }); ok {
				go b.trim()
			}
		case err := <-c.syncing:
			c.syncing = nil
			c.fail(err)
		case <-c.stop:
			if c.syncing != nil {
				c.fail(<-c.syncing)
			}
			if c.running {
				c.finished(<-c.done)
			}
			return
		}
		c.checkpointIfDue()
	}
}

func (c *committer) overloaded() bool {
	if c.job == nil {
		return false
	}
	return c.journal.head != nil && c.journal.head.end >= overload*c.journal.longest() || c.state.Load().head.Len() >= overload*checkpointRows
}

// syncLater begins to force what a relaxed Disk has put off to the disk, while changes
// go on.
func (c *committer) syncLater() {
	if !c.dirty || c.syncing != nil || c.Ready() != nil {
		return
	}
	c.dirty = false
	done, segment := make(chan error, 1), c.journal.head
	c.syncing = done
	go func() { done <- c.syncRelaxed(segment) }()
}

// syncRelaxed forces the frames of a segment to the disk, and first the files that
// they name.
func (d *Disk) syncRelaxed(s *segment) error {
	d.later.add("", d.blobs.tmp(), d.journal.dir)
	if err := d.later.sync(); err != nil {
		return err
	}
	return s.file.Sync()
}

// checkpointIfDue begins a checkpoint if it is time and none runs.
func (c *committer) checkpointIfDue() {
	c.answer(nil)
	if c.running || c.syncing != nil || c.Ready() != nil { // a segment is not released while it is synced
		return
	}
	if c.job == nil {
		head, after := c.state.Load().head, checkpointAfter
		if c.opt.Relaxed {
			after = relaxedAfter
		}
		due := len(c.waiting) > 0 || c.journal.head != nil && c.journal.head.end >= c.journal.longest() || head.Len() >= checkpointRows ||
			!c.since.IsZero() && time.Since(c.since) >= after
		if !due || head.Len() == 0 {
			return
		}
		c.freeze(head)
	}
	c.running = true
	job := c.job
	go func() { c.done <- checkpointed{job, c.checkpoint(job)} }()
}

// freeze sets the news so far aside for a checkpoint.
func (c *committer) freeze(head *layer) {
	c.job = &job{frozen: head, seq: c.journal.seq, owed: c.journal.owed.Load(), unsynced: c.dirty}
	if s := c.journal.rotate(); s != nil {
		c.job.segments = []*segment{s}
	}
	c.dirty, c.since = false, time.Time{}
	c.publish(func(s *state) { s.head, s.frozen, s.epoch = newLayer(), head, s.epoch+1 })
}

// finished takes the frozen layer away, which the index has now.
func (c *committer) finished(r checkpointed) {
	c.running, c.full = false, nil
	if noSpace(r.err) {
		c.full = errors.Join(ErrFull, r.err)
		c.opt.Log.Warn("no room to move pictures from the journal to their places; trying again", "dir", c.dir, "err", r.err)
		c.answer(r.err)
		return
	}
	if r.err != nil {
		c.breakOff(r.err)
		c.answer(r.err)
		return
	}
	c.job, c.applied = nil, r.seq
	var frozen *layer
	if len(c.rest) > 0 {
		frozen = joined(c.rest)
		c.job, c.rest = c.rest[0], c.rest[1:]
	}
	c.publish(func(s *state) { s.frozen, s.epoch = frozen, s.epoch+1 })
	c.journal.owed.Add(-r.owed)
	if err := c.fail(c.letGo(r.job)); err != nil {
		c.opt.Log.Warn("cannot remove a part of the journal", "err", err)
	}
}

// letGo frees the segments of a checkpoint that is done, and those that it has made
// free: none before those that are older, which it would leave to Rebuild alone.
func (c *committer) letGo(j *job) error {
	var errs []error
	for _, s := range j.segments {
		if c.opt.Relaxed {
			errs = append(errs, s.retire())
		} else {
			errs = append(errs, c.journal.release(s, j.recovered))
		}
	}
	for _, s := range j.useless {
		errs = append(errs, c.journal.release(s, true))
	}
	c.over = append(c.over, j.over...)
	for len(c.over) > 0 {
		if err := c.fs.Remove(c.over[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			break
		}
		c.over = c.over[1:]
		errs = append(errs, c.fs.SyncDir(c.journal.dir))
	}
	return errors.Join(errs...)
}

// answer tells who waits for a checkpoint that it is done, or has failed.
func (c *committer) answer(err error) {
	if err == nil {
		err = c.Ready()
	}
	keep := c.waiting[:0]
	for _, w := range c.waiting {
		if err == nil && w.seq > c.applied {
			keep = append(keep, w)
		} else {
			w.done <- err
		}
	}
	c.waiting = keep
}

// finish brings everything to its place, with the loop at its end.
func (c *committer) finish() error {
	for c.Ready() == nil {
		if c.job == nil {
			head := c.state.Load().head
			if head.Len() == 0 {
				return c.journal.close()
			}
			c.freeze(head)
		}
		job := c.job
		c.finished(checkpointed{job, c.checkpoint(job)})
		if c.full != nil {
			return nil // the next start does it
		}
	}
	return c.Ready()
}
