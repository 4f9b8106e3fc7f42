package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// Data is everything that one server keeps below its data directory.
type Data struct {
	Dir      string // all of it
	Registry *Registry
	Pictures *Disk // durable tier
	Cache    *Disk // time-limited tier, relaxed
	Audit    *AuditLog
	Temp     string // directory for what does not outlive the process, empty at the start
}

// OpenData opens dir and makes it, with mode 0700, where it is missing. opt is
// for both tiers. What RestoreBeside has left there whole takes the place of what was there first,
// unless a picture has come meanwhile. ErrLocked: another
// process has it.
func OpenData(dir string, opt Options) (*Data, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	d := Data{Dir: dir, Temp: filepath.Join(dir, "tmp")}
	opt = opt.withDefaults()
	re := newReplacement(dir, opt)
	if _, err := re.run(); errors.Is(err, ErrNotEmpty) {
		opt.Log.Warn("what was restored is not used, as there are pictures by now", "dir", dir)
	} else if err != nil {
		return nil, err
	}
	var err error
	// first: its lock covers the whole directory
	if d.Pictures, err = OpenDisk(filepath.Join(dir, "pictures"), opt); err != nil {
		return nil, err
	}
	if err := re.clear(); err != nil {
		opt.Log.Warn("cannot remove what a restore has left", "dir", dir, "err", err)
	}
	// on a full disk it may be missing, which must not keep anybody from reading and deleting
	if err := errors.Join(os.RemoveAll(d.Temp), os.Mkdir(d.Temp, 0o700)); err != nil && !noSpace(err) {
		return nil, errors.Join(fmt.Errorf("store: %w", err), d.Pictures.Close())
	}
	opt.Relaxed = true
	if d.Cache, err = OpenDisk(filepath.Join(dir, "cache"), opt); err != nil {
		return nil, errors.Join(err, d.Pictures.Close())
	}
	if d.Registry, err = OpenRegistry(dir); err == nil {
		d.Audit, err = OpenAuditLog(dir, AuditOptions{Log: opt.Log})
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &d, nil
}

// RebuildData makes the indexes of both tiers anew; see Rebuild.
func RebuildData(dir string) (pictures, cache Stats, err error) {
	if re := newReplacement(dir, Options{}); re.begun() {
		if _, err := re.run(); err != nil {
			return pictures, cache, err
		}
	}
	if pictures, err = Rebuild(filepath.Join(dir, "pictures")); err != nil {
		return pictures, cache, err
	}
	cache, err = Rebuild(filepath.Join(dir, "cache"))
	return pictures, cache, err
}

// Space returns how many bytes the file system below the durable tier has, and how many
// of them can still be written.
func (d *Data) Space() (free, total int64, err error) {
	t, f, _, err := room(d.Pictures.fs.(*osFiles).dir)
	if err != nil {
		return 0, 0, fmt.Errorf("store: free space: %w", err)
	}
	return int64(min(f, math.MaxInt64)), int64(min(t, math.MaxInt64)), nil
}

// Empty says whether there is no object in either tier, nor in their trash; those that
// have expired do not count.
func (d *Data) Empty() (bool, error) {
	for _, tier := range [...]*Disk{d.Pictures, d.Cache} {
		if empty, err := tier.empty(); err != nil || !empty {
			return false, err
		}
	}
	return true, nil
}

func (d *Disk) empty() (bool, error) {
	objs, err := d.List("", "", "", 1)
	return len(objs) == 0, err
}

// Close closes everything, last the tier that has the lock.
func (d *Data) Close() error {
	var err error
	if d.Audit != nil {
		err = d.Audit.Close()
	}
	return errors.Join(err, d.Cache.Close(), d.Pictures.Close())
}
