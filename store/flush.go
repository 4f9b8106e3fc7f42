package store

import (
	"errors"
	"io/fs"
	"sync"
	"time"
)

// flusher collects the paths that a relaxed Disk has yet to force to the disk.
type flusher struct {
	mu    sync.Mutex // guards paths
	paths map[string]struct{}
}

func (f *flusher) add(paths ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range paths {
		f.paths[p] = struct{}{}
	}
}

// flush forces everything collected so far to the disk. What it could not even
// open it keeps for the next time.
func (f *flusher) flush() error {
	f.mu.Lock()
	paths := f.paths
	f.paths = make(map[string]struct{})
	f.mu.Unlock()
	for p := range paths {
		err := syncPath(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			for p := range paths {
				f.add(p)
			}
			return err
		}
	}
	return nil
}

func (d *Disk) flushEvery(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
			if err := d.fail(d.flush()); err != nil {
				d.opt.Log.Warn("pictures are not on the disk yet", "dir", d.blobs.dir, "err", err)
			}
		}
	}
}

// flush forces what a relaxed Disk has put off to the disk: blobs before the
// index that names them. The few that come meanwhile go with no change let in.
func (d *Disk) flush() error {
	if err := d.blobs.later.flush(); err != nil {
		return err
	}
	d.commit.Lock()
	defer d.commit.Unlock()
	if err := d.blobs.later.flush(); err != nil {
		return err
	}
	if err := d.db.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}
