package store

import (
	"errors"
	"time"
)

const (
	maxGroup      = 256      // changes that share a sync
	maxGroupBytes = 16 << 20 // bytes of bodies in one, beyond which the next waits
)

// request is a change that waits for its turn.
type request struct {
	do    func(*change) error
	reply chan error
}

// commit has do run, with nothing beside it, and returns when its change is done and
// on the disk (a relaxed Disk's: in the journal), or not at all.
func (d *Disk) commit(do func(*change) error) error {
	r := &request{do, make(chan error, 1)}
	return ask(d, d.queue, r, r.reply)
}

// ask sends the committer a question and returns its answer.
func ask[T any](d *Disk, to chan<- T, question T, answer <-chan error) error {
	d.closing.RLock()
	defer d.closing.RUnlock()
	select {
	case <-d.stop:
		return errClosed
	default:
	}
	to <- question
	return <-answer
}

var errClosed = errors.New("store: closed")

// Flush waits until everything that has been acknowledged is in the index, and at its
// place, and the journal empty but for what stays or came meanwhile.
func (d *Disk) Flush() error {
	done := make(chan error, 1)
	return ask(d, d.flushes, done, done)
}

// group commits first and what has come after it.
func (c *committer) group(first *request) {
	g := &group{Disk: c.Disk, head: c.state.Load().head.Copy(), frame: &c.frame}
	c.frame.reset()
	g.add(first)
	for len(g.members) < maxGroup && g.bytes < maxGroupBytes {
		select {
		case r := <-c.queue:
			g.add(r)
			continue
		default:
		}
		break
	}
	err := c.Ready()
	if err == nil && len(c.frame.rows) > 0 {
		err = c.write(g)
	}
	if seeded("ack-on-error") {
		err = nil
	}
	for _, m := range g.members {
		if m.err == nil {
			m.err = err
		}
		m.reply <- m.err
	}
}

// write puts the group's frame into the journal, on the disk, and publishes it. The
// entries of the files that it names are there before it.
func (c *committer) write(g *group) error {
	later := c.opt.Relaxed || seeded("unsynced-journal")
	if g.files && !later {
		if err := c.fail(syncDirs(c.fs, c.blobs.tmp())); err != nil {
			return err
		}
	}
	at, err := c.journal.append(g.frame)
	if err != nil {
		for _, s := range g.staged {
			s.body.kept = false
		}
		if noSpace(err) {
			return errors.Join(ErrFull, err)
		}
		return c.fail(err)
	}
	if later {
		c.dirty = true
	} else if err := c.fail(c.journal.head.file.Sync()); err != nil {
		return err
	}
	if c.since.IsZero() {
		c.since = time.Now()
	}
	if !c.opt.Relaxed { // whose bodies stay where they are
		c.journal.owed.Add(g.bytes)
	}
	for _, s := range g.staged {
		s.spot.segment, s.spot.first = c.journal.head, c.journal.head.first
		s.spot.offset += at
	}
	c.publish(func(s *state) { s.head = g.head })
	for _, name := range g.names {
		c.versions.of(name).Add(1)
	}
	return nil
}

// publish makes the next state out of the last.
func (c *committer) publish(next func(*state)) {
	s := *c.state.Load()
	next(&s)
	c.state.Store(&s)
}

// group is changes that share a frame.
type group struct {
	*Disk
	head    *layer
	frame   *frame
	bytes   int64
	files   bool // the frame names files of tmp/
	staged  []staged
	names   []string // that have changed
	members []member
}

type member struct {
	*request
	err error
}

// staged is a body that the frame has or names.
type staged struct {
	*body
	spot *spot
}

// add runs a change. One that fails leaves nothing in the head.
func (g *group) add(r *request) {
	c := &change{head: g.head, news: newLayer()}
	err := g.viewOver([]*layer{c.news, g.head}, func(l look) (err error) {
		c.look = l
		if c.stats, err = l.stats(); err != nil {
			return err
		}
		had := c.stats
		if err := r.do(c); err != nil {
			return err
		}
		if c.stats != had {
			c.write(tableMeta, keyStats, c.stats.pack())
		}
		return c.tellOwners()
	})
	g.members = append(g.members, member{r, err})
	if err != nil {
		return
	}
	for _, b := range c.bodies {
		g.stage(b)
	}
	for _, w := range c.writes {
		g.head.Set(w)
		g.frame.add(w)
		if w.table == tableNames {
			g.names = append(g.names, w.key)
		}
	}
}

// stage adds a body to the frame. Where that lies in the segment is told to the spot
// when it is written.
func (g *group) stage(b *body) {
	s := &spot{size: b.size, crc: b.crc, file: b.file, record: b.record}
	if b.data != nil {
		s.offset = g.bytes
		g.bytes += b.size
	} else {
		g.files = true
	}
	b.kept = true
	g.frame.addBody(b)
	g.staged = append(g.staged, staged{b, s})
	g.head.Set(row{table: tableStaged, key: string(b.digest[:]), value: []byte{}, at: s})
}
