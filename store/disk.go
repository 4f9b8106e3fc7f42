package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// SyncInterval is how long a relaxed Disk may keep a change from the disk.
const SyncInterval = time.Second

// Options are the choices of a Disk. The zero value is a durable one.
type Options struct {
	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Relaxed lets Apply return before the disk has the bytes; see SyncInterval. A
	// directory is opened with one and the same, always.
	Relaxed bool
	// Log gets what has no caller to be returned to; nil: slog.Default.
	Log *slog.Logger
}

func (opt Options) withDefaults() Options {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	return opt
}

// Disk is a Store in a directory. doc.go says what is in it, and how a change goes.
type Disk struct {
	opt       Options
	dir       string
	fs        fileSystem
	base      index
	blobs     *blobs
	journal   *journal
	later     *unsynced // staged files of a relaxed Disk
	committer *committer
	reserve   uint64 // bytes
	intake

	state atomic.Pointer[state] // stored by the committer alone

	queue   chan *request
	flushes chan chan error // who waits for a checkpoint
	stop    chan struct{}   // closed by Close, to end the committer
	ended   chan struct{}   // closed when it has
	done    chan checkpointed
	closing sync.RWMutex // held, to read, by who may still ask the committer

	// files is held while files of blobs/ are made or removed, and to keep them as
	// they are.
	files  sync.Mutex
	pinned int // backups that need blobs without a name; guarded by files

	uncounted error // why the usage of owners is not known, since the start

	versions versions
	damage   struct{ blobs, index atomic.Int64 }
	marked   sync.Map // digests of blobs that were found damaged
	broken   atomic.Pointer[error]
}

// state is what is stored at one moment, over the index: the news since the last
// checkpoint, and those that the running one is telling the index. A state with
// its epoch goes with every view of the index that was begun in that epoch.
type state struct {
	head, frozen *layer // frozen: nil, or of the running checkpoint
	epoch        uint64
}

func (s *state) layers() []*layer {
	if s.frozen == nil {
		return []*layer{s.head}
	}
	return []*layer{s.head, s.frozen}
}

// Damage implements Store.
func (d *Disk) Damage() (blobs, index int64) { return d.damage.blobs.Load(), d.damage.index.Load() }

// OpenDisk opens the store in dir and makes it where it is missing. What an
// unclean stop has left in the journal is in its place when it returns. ErrLocked:
// another process has it.
func OpenDisk(dir string, opt Options) (*Disk, error) {
	opt = opt.withDefaults()
	files, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	base, err := openIndex(dir)
	if errors.Is(err, errRebuild) {
		opt.Log.Info("making the index anew", "dir", dir, "why", err)
		if _, err := rebuild(dir, files, opt); err != nil {
			return nil, errors.Join(err, files.Close())
		}
		base, err = openIndex(dir)
	}
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	d, err := start(dir, files, base, opt)
	if err != nil {
		return nil, errors.Join(err, base.close(), files.Close())
	}
	return d, nil
}

// start opens the store over its files and its index.
func start(dir string, files fileSystem, base index, opt Options) (*Disk, error) {
	d := newDisk(dir, files, base, opt)
	d.committer = &committer{Disk: d}
	if err := d.committer.recover(); err != nil {
		return nil, err
	}
	if err := d.countOwners(); noSpace(err) || errors.Is(err, ErrDamaged) {
		d.uncounted = fmt.Errorf("store: what each application has is not counted: %w", err)
		opt.Log.Error("cannot count what each application has; the next start tries again", "dir", dir, "err", err)
	} else if err != nil {
		return nil, err
	}
	go d.committer.commitLoop()
	if b, ok := base.(interface{ warm() func(<-chan struct{}) }); ok {
		go b.warm()(d.stop)
	}
	return d, nil
}

func newDisk(dir string, files fileSystem, base index, opt Options) *Disk {
	d := &Disk{
		opt: opt, dir: dir, fs: files, base: base,
		blobs:   &blobs{dir: dir, fs: files, changed: unsynced{fs: files}},
		journal: &journal{relaxed: opt.Relaxed, fs: files, dir: filepath.Join(dir, "journal")},
		later:   &unsynced{fs: files},
		reserve: reserveOf(files),
		queue:   make(chan *request, maxGroup),
		intake:  newIntake(),
		flushes: make(chan chan error),
		stop:    make(chan struct{}), ended: make(chan struct{}),
		done:     make(chan checkpointed, 1),
		versions: versions{seed: maphash.MakeSeed()},
	}
	d.state.Store(&state{head: newLayer()})
	return d
}

// Apply implements Store.
func (d *Disk) Apply(ch Change) ([]Object, error) {
	if err := d.Ready(); err != nil {
		return nil, err
	}
	if len(ch.Put) > 0 {
		if err := d.hasRoom(); err != nil {
			return nil, err
		}
	}
	objs := make([]Object, len(ch.Put))
	bodies := make([]*body, 0, len(ch.Put))
	defer func() {
		for _, b := range bodies {
			d.discard(b)
		}
	}()
	for i, item := range ch.Put {
		objs[i] = item.Object
		b, err := d.stage(&objs[i], item)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	if err := d.commit(func(c *change) error { return c.run(ch, objs, bodies) }); err != nil {
		return nil, err
	}
	return objs, nil
}

// What of the disk new pictures leave free, in bytes (of a small disk a reservePart) and
// in files: deletions, the journal and the index go on with it.
const (
	reserveBytes = 64 << 20
	reservePart  = 8
	reserveFiles = 512
)

func reserveOf(files fileSystem) uint64 {
	if s, ok := files.(interface{ Total() (uint64, error) }); ok {
		if total, err := s.Total(); err == nil {
			return min(reserveBytes, total/reservePart)
		}
	}
	return reserveBytes
}

// hasRoom returns ErrFull where the disk has no room but the reserve. What the
// journal has will be written once more, as blobs.
func (d *Disk) hasRoom() error {
	bytes, files, err := d.fs.Room()
	if err != nil {
		return fmt.Errorf("store: free space: %w", err)
	}
	owed, rows := uint64(d.journal.owed.Load()), uint64(0)
	for _, l := range d.state.Load().layers() {
		rows += uint64(l.Len()) / 4 // a new blob has four, and one file
	}
	if bytes < d.reserve+owed || files < reserveFiles+rows {
		return fmt.Errorf("%w: %d bytes and %d files are free, %d and %d are kept for what goes on without new pictures",
			ErrFull, bytes, files, d.reserve+owed, reserveFiles+rows)
	}
	return nil
}

// fail passes err on, and ends all changes where it was a failed sync: the
// kernel may have dropped the pages, so that a retry would succeed without them.
func (d *Disk) fail(err error) error {
	var s *syncError
	if errors.As(err, &s) {
		d.breakOff(err)
	}
	return err
}

// breakOff makes the store read-only.
func (d *Disk) breakOff(err error) {
	if d.broken.CompareAndSwap(nil, &err) {
		d.opt.Log.Error("store is read-only until restart: the disk failed", "dir", d.dir, "err", err)
	}
}

// Ready implements Store.
func (d *Disk) Ready() error {
	if why := d.broken.Load(); why != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *why)
	}
	return nil
}

// Close implements Store. What there was no room for stays in the journal.
func (d *Disk) Close() error {
	d.closing.Lock()
	defer d.closing.Unlock()
	close(d.stop)
	<-d.ended
	var err error
	if d.Ready() == nil {
		err = d.committer.finish()
	}
	return errors.Join(err, d.release())
}

// release closes files without a look at what is in them.
func (d *Disk) release() error {
	err := d.base.close()
	if c, ok := d.fs.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
