package store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	// Relaxed lets Apply return before the disk has the bytes; see SyncInterval.
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
	// guarded by commit
	unclean  bool // files may be left that nothing names
	keepLost bool // bucketLost has what a release could not tell

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
	if errors.Is(err, errRebuild) {
		opt.Log.Info("making the index anew", "dir", dir, "why", err)
		if _, err := rebuild(dir, opt); err != nil {
			return nil, err
		}
		d, err = open(dir, opt)
	}
	if err != nil {
		return nil, err
	}
	if opt.Relaxed {
		d.db.NoSync = true
		d.done.Go(func() { d.flushEvery(SyncInterval) })
	}
	return d, nil
}

func open(dir string, opt Options) (*Disk, error) {
	d := newDisk(dir, opt)
	for _, sub := range []string{d.blobs.root(), d.blobs.tmp()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	var err error
	if d.db, err = openIndex(dir, opt.Relaxed); err != nil {
		return nil, err
	}
	if err := d.recover(); err != nil {
		d.db.Close()
		return nil, err
	}
	return d, nil
}

func newDisk(dir string, opt Options) *Disk {
	d := &Disk{opt: opt, blobs: blobs{dir: dir, now: opt.Now}, stop: make(chan struct{})}
	if opt.Relaxed {
		d.blobs.later = &flusher{paths: make(map[string]struct{})}
	}
	return d
}

// Apply implements Store.
func (d *Disk) Apply(ch Change) ([]Object, error) {
	if err := d.Ready(); err != nil {
		return nil, err
	}
	objs := make([]Object, len(ch.Put))
	files := make([]*staged, 0, len(ch.Put))
	defer func() {
		for _, f := range files {
			f.discard()
		}
	}()
	for i, item := range ch.Put {
		objs[i] = item.Object
		f, err := d.blobs.stage(&objs[i], item)
		if err != nil {
			return nil, d.fail(err)
		}
		files = append(files, f)
	}
	err := d.update(func(c *change) error { return d.apply(c, ch, objs, files) })
	if err != nil {
		return nil, err
	}
	return objs, nil
}

// apply is Apply inside the transaction.
func (d *Disk) apply(c *change, ch Change, objs []Object, files []*staged) error {
	if ch.Decide != nil {
		if err := ch.Decide(c, &ch); err != nil {
			return err
		}
	}
	for _, name := range ch.Delete {
		if _, err := c.Stat(name); err != nil {
			return err
		}
		if err := c.drop(name); err != nil {
			return err
		}
	}
	for _, e := range ch.Edit {
		if err := d.edit(c, e); err != nil {
			return err
		}
	}
	for i, item := range ch.Put {
		if item.New {
			if _, err := c.Stat(item.Name); err == nil {
				return fmt.Errorf("%w: %q", ErrExists, item.Name)
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if err := d.put(c, &objs[i], files[i]); err != nil {
			return err
		}
	}
	return nil
}

// put names a staged blob. What takes a name is later than what had it, whatever
// the clocks and the order of uploads say: readers and Rebuild go by that.
func (d *Disk) put(c *change, o *Object, f *staged) error {
	old, replaces := c.before(o.Name)
	again := replaces && !o.LastModified().After(old.LastModified())
	if again { // the record behind the staged bytes has the earlier time
		o.Modified = old.LastModified().Add(time.Microsecond)
	}
	// a blob that lost its last name in this very change is still there
	if _, had := c.touched[o.Digest]; had || c.holds(o.Digest) {
		again = true
	} else {
		placed := *o
		c.adds = append(c.adds, action{
			do:   func() error { return d.blobs.place(f, placed) },
			undo: func() error { return d.blobs.remove(placed.Digest, placed.Size) },
		})
	}
	if again {
		c.gain(d, *o)
	}
	return c.put(*o)
}

func (d *Disk) edit(c *change, e Edit) error {
	old, err := c.Stat(e.Name)
	if err != nil {
		return err
	}
	o := old
	o.Attributes = maps.Clone(old.Attributes)
	if err := e.Do(&o); err != nil {
		return err
	}
	o.Digest, o.CRC, o.Size = old.Digest, old.CRC, old.Size
	roundTimes(&o)
	if !o.Modified.Equal(old.Modified) && !o.Modified.After(old.LastModified()) {
		o.Modified = old.LastModified().Add(time.Microsecond)
	}
	if err := checkFields(o); err != nil {
		return err
	}
	c.gain(d, o)
	// the name goes first: it may be the one that it moves to
	return errors.Join(c.drop(e.Name), c.put(o))
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

// Close implements Store.
func (d *Disk) Close() error {
	close(d.stop)
	d.done.Wait()
	var errs []error
	if d.blobs.later != nil {
		errs = append(errs, d.fail(d.flush()))
	}
	d.commit.Lock()
	defer d.commit.Unlock()
	d.db.NoSync = false
	if d.Ready() == nil && errors.Join(errs...) == nil && !d.unclean {
		errs = append(errs, setClean(d.db, true))
	}
	return errors.Join(append(errs, d.db.Close())...)
}

// checkFields refuses what a row or a ledger could not hold.
func checkFields(o Object) error {
	attributes := len(packAttributes(o.Attributes))
	if o.Name == "" || len(o.Name) > MaxName || max(len(o.ID), len(o.Owner), len(o.MediaType)) > maxField ||
		attributes > maxAttributes {
		return fmt.Errorf("%w: name of %d bytes, attributes of %d", ErrField, len(o.Name), attributes)
	}
	return nil
}

// roundTimes keeps what a row keeps, so that an object returned by Apply equals
// the one that Stat returns later.
func roundTimes(o *Object) {
	for _, t := range []*time.Time{&o.Created, &o.Modified, &o.Expires, &o.Deleted} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Microsecond)
		}
	}
}
