package store

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

var (
	// ErrNotBackup is returned for a file that is no backup, or that is cut off or
	// damaged.
	ErrNotBackup = errors.New("not a whole backup")
	// ErrNotEmpty is returned when a restore would write into a directory that has
	// something in it.
	ErrNotEmpty = errors.New("directory is not empty")
)

// restoring is the directory in which a restore gathers everything before it counts.
const restoring = "restoring"

// RestoreData makes the data directory dir, which must be empty or missing, out of a
// backup, and verifies each byte of it. An error leaves dir empty. done counts bytes;
// total is 0, as nobody knows it.
func RestoreData(dir string, r io.Reader, progress Progress) (b BackedUp, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	for _, e := range entries {
		if e.Name() != restoring && e.Name() != "lost+found" {
			return b, fmt.Errorf("%w: %s", ErrNotEmpty, dir)
		}
	}
	to := filepath.Join(dir, restoring)
	if err := os.RemoveAll(to); err != nil {
		return b, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return b, fmt.Errorf("store: restore: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return b, err
	}
	if b, err = gather(to, r, progress); err != nil {
		return b, errors.Join(fmt.Errorf("store: restore: %w", err), os.RemoveAll(to))
	}
	for _, name := range []string{"pictures", "cache", "keys.json"} {
		if err := os.Rename(filepath.Join(to, name), filepath.Join(dir, name)); err != nil {
			return b, fmt.Errorf("store: restore: %w", err)
		}
	}
	return b, errors.Join(os.RemoveAll(to), syncDir(dir))
}

// gather makes the directories of both tiers and restores a backup into them.
func gather(to string, r io.Reader, progress Progress) (b BackedUp, err error) {
	for _, sub := range []string{"pictures/blobs", "pictures/tmp", "cache/blobs", "cache/tmp"} {
		if err := os.MkdirAll(filepath.Join(to, sub), 0o700); err != nil {
			return b, err
		}
	}
	return restore(to, r, progress)
}

// restore writes the entries of a backup below dir and makes the indexes.
func restore(dir string, r io.Reader, progress Progress) (b BackedUp, err error) {
	files, err := openFiles(dir)
	if err != nil {
		return b, err
	}
	defer files.Close()
	re := &restorer{dir: dir, progress: progress, tiers: make(map[string]*blobs)}
	for _, tier := range []string{"pictures", "cache"} {
		re.tiers[tier] = &blobs{dir: filepath.Join(dir, tier), fs: files, changed: unsynced{fs: files}}
	}
	in := tar.NewReader(r)
	for re.end == nil {
		h, err := in.Next()
		if err != nil {
			return b, fmt.Errorf("%w: %w", ErrNotBackup, err)
		}
		if err := re.entry(h.Name, h.Size, in); err != nil {
			return b, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	for name, tier := range re.tiers {
		if err := tier.changed.sync(); err != nil {
			return b, err
		}
		want := re.end.Pictures
		if name == "cache" {
			want = re.end.Cache
		}
		if got, err := Rebuild(tier.dir); err != nil || got != want {
			return b, errors.Join(fmt.Errorf("%w: %s has %+v, it should have %+v", ErrNotBackup, name, got, want), err)
		}
	}
	return *re.end, nil
}

// restorer is a restore on its way.
type restorer struct {
	dir      string
	tiers    map[string]*blobs
	begun    bool
	end      *BackedUp
	progress Progress
	done     int64
}

// maxEntry bounds what is read of an entry that is not a blob.
const maxEntry = 64 << 20

func (re *restorer) entry(name string, size int64, r io.Reader) error {
	tier, rest, _ := strings.Cut(name, "/")
	to := re.tiers[tier]
	if !re.begun && name != backupBegin {
		return fmt.Errorf("%w: it does not begin as one", ErrNotBackup)
	}
	switch kind, _, _ := strings.Cut(rest, "/"); {
	case to != nil && kind == "blobs":
		re.done += size
		re.progress(re.done, 0)
		return restoreBlob(to, path.Base(name), r)
	case size > maxEntry:
		return fmt.Errorf("%w: entry of %d bytes", ErrNotBackup, size)
	}
	data, err := io.ReadAll(r)
	switch {
	case err != nil:
		return err
	case name == backupBegin:
		var h backupHeader
		if err := json.Unmarshal(data, &h); err != nil || h.Format != 1 {
			return fmt.Errorf("%w: format %d, this version of tintype reads 1", ErrNotBackup, h.Format)
		}
		re.begun = true
	case name == "keys.json":
		return writeSynced(filepath.Join(re.dir, name), data)
	case name == backupEnd:
		re.end = new(BackedUp)
		return json.Unmarshal(data, re.end)
	case to != nil && strings.HasPrefix(rest, "names/"):
		digest, size, err := parsePath(path.Base(name))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotBackup, err)
		}
		return to.note(digest, size, data)
	default:
		return fmt.Errorf("%w: entry of no known kind", ErrNotBackup)
	}
	return nil
}

// restoreBlob writes a blob file and compares its bytes with its digest.
func restoreBlob(to *blobs, name string, r io.Reader) error {
	digest, size, err := parsePath(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotBackup, err)
	}
	if err := to.makeDir(digest); err != nil {
		return err
	}
	file := to.path(digest, size)
	f, err := to.fs.Create(file)
	if err != nil {
		return err
	}
	to.changed.add(file, filepath.Dir(file))
	out := io.NewOffsetWriter(f, 0)
	in := sha256.New()
	_, err = io.CopyN(io.MultiWriter(out, in), r, size)
	if err == nil {
		_, err = io.Copy(out, r)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if Digest(in.Sum(nil)) != digest {
		return fmt.Errorf("%w: bytes are not those of the digest", ErrNotBackup)
	}
	return nil
}

// writeSynced makes a file of mode 0600 that is on the disk when it returns.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
