package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Data is everything that one server keeps below its data directory.
type Data struct {
	Dir      string // all of it
	Registry *Registry
	Pictures Tier // durable tier
	Cache    Tier // time-limited tier, relaxed
	Audit    *AuditLog
	Temp     string           // directory for what does not outlive the process, empty at the start
	Now      func() time.Time // of both tiers
	node     *identity        // nil: the durable tier has the lock
}

// ErrElsewhere is returned by what works on files of the data directory, where pictures are
// kept elsewhere.
var ErrElsewhere = errors.New("pictures are not kept in the data directory")

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
	d.Now = opt.Now
	re := newReplacement(dir, opt)
	if _, err := re.run(); errors.Is(err, ErrNotEmpty) {
		opt.Log.Warn("what was restored is not used, as there are pictures by now", "dir", dir)
	} else if err != nil {
		return nil, err
	}
	// first: its lock covers the whole directory
	pictures, err := OpenDisk(filepath.Join(dir, "pictures"), opt)
	if err != nil {
		return nil, err
	}
	if err := re.clear(); err != nil {
		opt.Log.Warn("cannot remove what a restore has left", "dir", dir, "err", err)
	}
	if err := d.clearTemp(); err != nil {
		return nil, errors.Join(err, pictures.Close())
	}
	opt.Relaxed = true
	cache, err := OpenDisk(filepath.Join(dir, "cache"), opt)
	if err != nil {
		return nil, errors.Join(err, pictures.Close())
	}
	d.Pictures, d.Cache = pictures, cache
	return &d, d.openRest(opt)
}

// OpenShared opens dir, and makes it, with mode 0700, where it is missing, for a server whose
// tiers are elsewhere and shared with others: open is told the server's own name and a
// directory for what does not outlive the process. ErrLocked: another process has dir.
func OpenShared(dir string, opt Options, open func(node, temp string) (pictures, cache Tier, err error)) (*Data, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	d := Data{Dir: dir, Temp: filepath.Join(dir, "tmp")}
	opt = opt.withDefaults()
	d.Now = opt.Now
	var err error
	if d.node, err = openIdentity(dir); err != nil {
		return nil, err
	}
	if err = d.clearTemp(); err == nil {
		d.Pictures, d.Cache, err = open(d.node.name, d.Temp)
	}
	if err != nil {
		return nil, errors.Join(err, d.node.Close())
	}
	return &d, d.openRest(opt)
}

// clearTemp makes Temp, with nothing in it. On a full disk it may be missing, which must not
// keep anybody from reading and deleting.
func (d *Data) clearTemp() error {
	if err := errors.Join(os.RemoveAll(d.Temp), os.Mkdir(d.Temp, 0o700)); err != nil && !noSpace(err) {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// openRest opens what is beside the tiers, or closes these.
func (d *Data) openRest(opt Options) (err error) {
	if d.Registry, err = OpenRegistry(d.Dir); err == nil {
		d.Audit, err = OpenAuditLog(d.Dir, AuditOptions{Log: opt.Log})
	}
	if err != nil {
		err = errors.Join(err, d.Close())
	}
	return err
}

// Shared says whether the tiers are elsewhere, and shared with other servers.
func (d *Data) Shared() bool { return d.node != nil }

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
// of them can still be written. ErrElsewhere.
func (d *Data) Space() (free, total int64, err error) {
	disk, ok := d.Pictures.(*Disk)
	if !ok {
		return 0, 0, ErrElsewhere
	}
	t, f, _, err := room(disk.fs.(*osFiles).dir)
	if err != nil {
		return 0, 0, fmt.Errorf("store: free space: %w", err)
	}
	return int64(min(f, math.MaxInt64)), int64(min(t, math.MaxInt64)), nil
}

// Empty says whether there is no object in either tier, nor in their trash; those that
// have expired do not count.
func (d *Data) Empty() (bool, error) {
	for _, tier := range [...]Store{d.Pictures, d.Cache} {
		if empty, err := isEmpty(tier); err != nil || !empty {
			return false, err
		}
	}
	return true, nil
}

func isEmpty(s Store) (bool, error) {
	objs, err := s.List("", "", "", 1)
	return len(objs) == 0, err
}

// Close closes everything, last what has the lock.
func (d *Data) Close() error {
	var err error
	if d.Audit != nil {
		err = d.Audit.Close()
	}
	err = errors.Join(err, d.Cache.Close(), d.Pictures.Close())
	if d.node != nil {
		err = errors.Join(err, d.node.Close())
	}
	return err
}
