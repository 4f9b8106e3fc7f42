package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A backup that is restored beside a server takes the place of what is there in steps,
// each of which is one call, so that after a stop in between the next start knows how far
// that has come:
//
//	restored/           what RestoreBeside gathers
//	restored/whole      it is whole, and on the disk
//	replacing/          the same under another name: from here on all of it is carried
//	                    through, before it nothing has changed
//	replaced-*/         what was there before, on its way out
//
// pictures/ is the last to be moved: its lock keeps others away meanwhile.
const (
	restored  = "restored"
	whole     = "whole"
	replacing = "replacing"
	replaced  = "replaced-"
)

// replacedNames are what a backup has. keys.json and the tiers are of the same state.
var replacedNames = [...]string{"cache", "keys.json", "pictures"}

// RestoreBeside makes DIR/restored out of a backup, while dir is in use, and verifies each
// byte of it: what the next OpenData puts in the place of what is
// there. An error leaves nothing of it. fs.ErrExist: there is one already, or it is being
// made. done counts bytes; total is 0.
func RestoreBeside(dir string, r io.Reader, progress Progress) (b BackedUp, err error) {
	to := filepath.Join(dir, restored)
	if err := os.Mkdir(to, 0o700); err != nil {
		return b, fmt.Errorf("store: restore: %w", err)
	}
	b, err = gather(to, r, progress)
	if err == nil {
		err = errors.Join(writeSynced(filepath.Join(to, whole), nil), syncDir(to), syncDir(dir))
	}
	if noSpace(err) {
		err = errors.Join(ErrFull, err)
	}
	if err != nil {
		return BackedUp{}, errors.Join(fmt.Errorf("store: restore: %w", err), os.RemoveAll(to))
	}
	return b, nil
}

// replacement is one on its way.
type replacement struct {
	dir  string
	opt  Options                 // to open what is there with
	step func(call string) error // called before each call that changes something
}

func newReplacement(dir string, opt Options) *replacement {
	return &replacement{dir, opt, func(string) error { return nil }}
}

// begun says whether one has to be carried through, or that this cannot be told.
func (re *replacement) begun() bool {
	_, err := os.Lstat(re.path(replacing))
	return !errors.Is(err, fs.ErrNotExist)
}

func (re *replacement) path(name string) string { return filepath.Join(re.dir, name) }

// run puts what RestoreBeside has made in the place of pictures/, cache/ and keys.json of a
// data directory that is closed, and says whether it did; false where there is nothing, or
// no whole one. After a stop at any moment the next run finds the old state or makes the new
// one. ErrNotEmpty: a picture is there; then what was restored is removed, and nothing else
// has changed. ErrLocked: the directory is in use.
func (re *replacement) run() (bool, error) {
	if !re.begun() {
		if !exists(filepath.Join(re.path(restored), whole)) {
			return false, nil
		}
		if err := re.begin(); err != nil {
			return false, err
		}
	}
	if err := re.finish(); err != nil {
		return false, fmt.Errorf("store: replace: %w", err)
	}
	return true, nil
}

// begin makes sure that there is no picture to be lost, with nobody beside it.
func (re *replacement) begin() (err error) {
	for i, tier := range [...]string{"pictures", "cache"} {
		if !exists(re.path(tier)) {
			continue
		}
		re.opt.Relaxed = i == 1
		d, err := OpenDisk(re.path(tier), re.opt)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		empty, err := isEmpty(d)
		if err != nil {
			return err
		}
		if !empty {
			return errors.Join(fmt.Errorf("%w: there are pictures in %s", ErrNotEmpty, re.path(tier)), re.remove(restored))
		}
	}
	return errors.Join(re.rename(restored, replacing), re.sync())
}

// finish moves everything that has not been moved yet.
func (re *replacement) finish() error {
	lock, err := openBolt(filepath.Join(re.path("pictures"), indexName))
	if errors.Is(err, ErrLocked) {
		return err
	}
	locked := err == nil // else it is on its way, or damaged
	unlock := func() error {
		if !locked {
			return nil
		}
		locked = false
		return lock.close()
	}
	defer unlock()
	for _, name := range replacedNames {
		from := filepath.Join(replacing, name)
		if !exists(re.path(from)) {
			continue
		}
		if name == "pictures" && runtime.GOOS == "windows" { // which moves no directory with an open file in it
			unlock()
		}
		if err := re.moveOut(name); err != nil {
			return err
		}
		if err := re.rename(from, name); err != nil {
			return err
		}
	}
	// before that is removed by which the next start would know
	if err := errors.Join(re.sync(), syncDir(re.path(replacing))); err != nil {
		return err
	}
	if err := re.remove(replacing); err != nil {
		return err
	}
	return errors.Join(unlock(), re.clear())
}

// moveOut moves what is there aside.
func (re *replacement) moveOut(name string) error {
	if !exists(re.path(name)) {
		return nil
	}
	if err := re.step("make a bin"); err != nil {
		return err
	}
	bin, err := os.MkdirTemp(re.dir, replaced)
	if err != nil {
		return err
	}
	return re.rename(name, filepath.Join(filepath.Base(bin), name))
}

// clear removes what replacements have left, but for one that is whole or begun.
func (re *replacement) clear() error {
	names, err := fs.Glob(os.DirFS(re.dir), replaced+"*")
	for _, name := range names {
		err = errors.Join(err, re.remove(name))
	}
	if exists(re.path(restored)) && !exists(filepath.Join(re.path(restored), whole)) {
		err = errors.Join(err, re.remove(restored))
	}
	return err
}

func (re *replacement) rename(from, to string) error {
	if err := re.step("rename " + from); err != nil {
		return err
	}
	return os.Rename(re.path(from), re.path(to))
}

func (re *replacement) remove(name string) error {
	if err := re.step("remove " + name); err != nil {
		return err
	}
	return os.RemoveAll(re.path(name))
}

func (re *replacement) sync() error { return syncDir(re.dir) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
