package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// SyncInterval is how long a relaxed Disk may keep a change from the disk.
const SyncInterval = time.Second

// Options are the choices of a Disk. The zero value is a durable one without a cache.
type Options struct {
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Relaxed lets Put return before the disk has the bytes; see SyncInterval.
	Relaxed bool
	// Cache holds hot blobs; nil: none. Several Disks may share it.
	Cache *Cache
	// Log gets what has no caller to be returned to; nil: slog.Default.
	Log *slog.Logger
}

// Disk is a Store in a directory. doc.go says what is in it.
type Disk struct {
	opt   Options
	db    *bbolt.DB
	blobs blobs

	// commit is held from the first change of blobs/ to the last of one call, so
	// that a blob never vanishes between the look at the index and the new name.
	commit sync.Mutex
	broken atomic.Pointer[error]
	stop   chan struct{}
	done   sync.WaitGroup
}

// OpenDisk opens the store in dir and makes it where it is missing. Left-overs
// of an unclean stop are gone when it returns. ErrLocked: another process has it.
func OpenDisk(dir string, opt Options) (*Disk, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	d, err := open(dir, opt)
	if opt.Relaxed && errors.Is(err, ErrDamaged) {
		opt.Log.Warn("rebuilding an index that a power cut left damaged", "dir", dir, "err", err)
		if _, err := rebuild(dir); err != nil {
			return nil, err
		}
		d, err = open(dir, opt)
	}
	if err != nil {
		return nil, err
	}
	if opt.Relaxed {
		d.db.NoSync = true
		d.done.Add(1)
		go d.flushEvery(SyncInterval)
	}
	return d, nil
}

func open(dir string, opt Options) (*Disk, error) {
	d := newDisk(dir, opt)
	if err := d.openIndex(); err != nil {
		return nil, err
	}
	if err := d.recover(); err != nil {
		d.db.Close()
		return nil, err
	}
	return d, nil
}

func newDisk(dir string, opt Options) *Disk {
	d := &Disk{opt: opt, blobs: blobs{dir: dir}, stop: make(chan struct{})}
	if opt.Relaxed {
		d.blobs.later = &flusher{paths: make(map[string]struct{})}
	}
	return d
}

// openIndex makes the directories that are missing and opens the index.
func (d *Disk) openIndex() (err error) {
	for _, sub := range []string{d.blobs.root(), d.blobs.tmp()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	d.db, err = openIndex(d.blobs.dir)
	return err
}

// Put implements Store.
func (d *Disk) Put(items ...Item) ([]Object, error) {
	if err := d.Ready(); err != nil {
		return nil, err
	}
	objs := make([]Object, len(items))
	files := make([]*staged, 0, len(items))
	defer func() {
		for _, f := range files {
			f.discard()
		}
	}()
	for i, item := range items {
		objs[i] = item.Object
		o := &objs[i]
		if o.Name == "" || len(o.Name) > MaxName {
			return nil, fmt.Errorf("%w: %d bytes", ErrName, len(o.Name))
		}
		if o.Created.IsZero() {
			o.Created = d.opt.Now()
		}
		roundTimes(o)
		f, err := d.blobs.stage(o, item.Body)
		if err != nil {
			return nil, d.fail(err)
		}
		files = append(files, f)
	}
	err := d.update(func(c *change) error {
		for i, item := range items {
			if err := d.putOne(c, objs[i], files[i], item.New); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return objs, nil
}

func (d *Disk) putOne(c *change, o Object, f *staged, isNew bool) error {
	if isNew {
		if _, err := c.live(o.Name); err == nil {
			return fmt.Errorf("%w: %q", ErrExists, o.Name)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	add := func() error { return d.blobs.place(f, o) }
	if c.holds(o.Digest) {
		add = func() error { return d.blobs.note(gained, o) }
	}
	if seededBug {
		c.late = append(c.late, add)
	} else if err := add(); err != nil {
		return err
	}
	return c.put(o)
}

// update runs one index transaction, with the files of what it adds in place
// before it commits and those of what it dropped released after.
func (d *Disk) update(f func(c *change) error) error {
	d.commit.Lock()
	defer d.commit.Unlock()
	if err := d.Ready(); err != nil {
		return err
	}
	var c *change
	committing := false
	err := d.db.Update(func(tx *bbolt.Tx) error {
		var err error
		if c, err = lookup(tx, d.opt.Now()); err != nil {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
		for digest := range c.touched {
			if c.holds(digest) {
				delete(c.touched, digest)
			}
		}
		committing = true
		return c.finish()
	})
	if err != nil && committing && !noSpace(err) {
		err = &syncError{err} // bbolt does not say which of its calls failed
	}
	if err != nil {
		return d.fail(err)
	}
	for _, add := range c.late {
		if err := add(); err != nil {
			return d.fail(err)
		}
	}
	return d.release(c)
}

// release takes away what a committed change left without a name.
func (d *Disk) release(c *change) error {
	for digest, size := range c.touched {
		d.opt.Cache.remove(digest)
		if err := d.blobs.remove(digest, size); err != nil {
			return err
		}
	}
	for _, o := range c.dropped {
		if _, gone := c.touched[o.Digest]; gone {
			continue
		}
		if err := d.blobs.note(lost, o); err != nil {
			return d.fail(err)
		}
	}
	return nil
}

// Move implements Store.
func (d *Disk) Move(moves ...Rename) error {
	return d.update(func(c *change) error {
		for _, m := range moves {
			o, err := c.live(m.From)
			if err != nil {
				return err
			}
			if m.To == "" || len(m.To) > MaxName {
				return fmt.Errorf("%w: %d bytes", ErrName, len(m.To))
			}
			o.Name, o.Deleted = m.To, m.Deleted
			roundTimes(&o)
			if err := d.blobs.note(gained, o); err != nil {
				return err
			}
			if err := errors.Join(c.put(o), c.drop(m.From)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete implements Store.
func (d *Disk) Delete(names ...string) error {
	return d.update(func(c *change) error {
		for _, name := range names {
			if _, err := c.live(name); err != nil {
				return err
			}
			if err := c.drop(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Ready implements Store: it returns ErrReadOnly after a failed sync.
func (d *Disk) Ready() error {
	if p := d.broken.Load(); p != nil {
		return fmt.Errorf("%w: %v", ErrReadOnly, *p)
	}
	return nil
}

// fail passes err on, and ends all changes where it was a failed sync: the
// kernel may have dropped the pages, so that a retry would succeed without them.
func (d *Disk) fail(err error) error {
	var s *syncError
	if errors.As(err, &s) && d.broken.CompareAndSwap(nil, &err) {
		d.opt.Log.Error("store is read-only until restart: the disk refused to sync", "dir", d.blobs.dir, "err", err)
	}
	return err
}

func (d *Disk) flushEvery(interval time.Duration) {
	defer d.done.Done()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
			d.fail(d.flush())
		}
	}
}

// flush forces what a relaxed Disk has put off to the disk: blobs before the
// index that names them.
func (d *Disk) flush() error {
	if err := d.blobs.later.flush(); err != nil {
		return err
	}
	if err := d.db.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// Close implements Store.
func (d *Disk) Close() error {
	close(d.stop)
	d.done.Wait()
	d.commit.Lock()
	defer d.commit.Unlock()
	var errs []error
	if d.blobs.later != nil {
		errs = append(errs, d.flush())
		d.db.NoSync = false
	}
	if d.Ready() == nil && errors.Join(errs...) == nil {
		errs = append(errs, setClean(d.db, true))
	}
	return errors.Join(append(errs, d.db.Close())...)
}

// roundTimes keeps what a row keeps, so that an object returned by Put equals
// the one that Stat returns later.
func roundTimes(o *Object) {
	for _, t := range []*time.Time{&o.Created, &o.Expires, &o.Deleted} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
}
