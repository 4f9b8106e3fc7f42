package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
)

// fileSystem is all that a Disk does to files, but for the index. What it promises
// is what POSIX does and no more: bytes are on the disk after their file's Sync, a
// directory's entries after its SyncDir, and all of both after SyncAll. Until then
// a power cut may keep or forget each of them, in any order; a rename happens whole
// or not at all, and takes the directories that it goes to along.
type fileSystem interface {
	// Create makes a file for reading and writing; fs.ErrExist if there is one.
	Create(path string) (file, error)
	// Open opens a file for reading, Edit for writing too.
	Open(path string) (file, error)
	Edit(path string) (file, error)
	// Rename replaces what is at to.
	Rename(from, to string) error
	Remove(path string) error
	// Mkdir makes a directory and those above it, where they are missing.
	Mkdir(path string) error
	// List returns the entries of a directory by name.
	List(path string) ([]fs.DirEntry, error)
	SyncDir(path string) error
	// SyncAll forces everything to the disk; errors.ErrUnsupported where that cannot
	// be done at once, or its failure not be told.
	SyncAll() error
	// Room returns how many bytes and files can be added.
	Room() (bytes, files uint64, err error)
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync forces the bytes and the size to the disk.
	Sync() error
}

// syncError is a failed sync: the one error after which nothing can be trusted
// to be on the disk, since the kernel may have dropped what it could not write.
type syncError struct{ err error }

func (e *syncError) Error() string { return "store: sync: " + e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

func synced(err error) error {
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return &syncError{err}
}

// osFiles is the fileSystem of a directory of the operating system.
type osFiles struct {
	dir *os.File // its errors since it was opened are SyncAll's
	all bool     // the system tells errors of a sync of everything
}

func openFiles(dir string) (*osFiles, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &osFiles{dir: f, all: tellsSyncErrors()}, nil
}

func (o *osFiles) Close() error { return o.dir.Close() }

func (o *osFiles) open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (o *osFiles) Create(path string) (file, error) {
	return o.open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}
func (o *osFiles) Open(path string) (file, error)          { return o.open(path, os.O_RDONLY) }
func (o *osFiles) Edit(path string) (file, error)          { return o.open(path, os.O_RDWR) }
func (o *osFiles) Rename(from, to string) error            { return os.Rename(from, to) }
func (o *osFiles) Remove(path string) error                { return os.Remove(path) }
func (o *osFiles) Mkdir(path string) error                 { return os.MkdirAll(path, 0o700) }
func (o *osFiles) List(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (o *osFiles) SyncDir(path string) error               { return syncDir(path) }
func (o *osFiles) Room() (bytes, files uint64, err error) {
	_, bytes, files, err = room(o.dir)
	return bytes, files, err
}

// Total returns how many bytes the file system has.
func (o *osFiles) Total() (uint64, error) {
	total, _, _, err := room(o.dir)
	return total, err
}

func (o *osFiles) SyncAll() error {
	if !o.all {
		return errors.ErrUnsupported
	}
	return synced(syncFileSystem(o.dir))
}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return synced(syncData(f.File)) }
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// unsynced is what has been written and not yet forced to the disk. Its methods
// may be called concurrently.
type unsynced struct {
	fs    fileSystem
	mu    sync.Mutex // guards the maps
	files map[string]struct{}
	dirs  map[string]struct{}
}

func (u *unsynced) add(file string, dirs ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files, u.dirs = make(map[string]struct{}), make(map[string]struct{})
	}
	if file != "" {
		u.files[file] = struct{}{}
	}
	for _, dir := range dirs {
		u.dirs[dir] = struct{}{}
	}
}

// sync forces all of it to the disk: at once where the system can, since ext4 and
// xfs then write one transaction for thousands of files, else one by one. Where that
// fails for want of room, such as among the open files, it can be done again.
func (u *unsynced) sync() (err error) {
	u.mu.Lock()
	files, dirs := u.files, u.dirs
	u.files, u.dirs = nil, nil
	u.mu.Unlock()
	defer func() {
		if noSpace(err) {
			u.add("", slices.Collect(maps.Keys(dirs))...)
			for path := range files {
				u.add(path)
			}
		}
	}()
	if len(files)+len(dirs) == 0 {
		return nil
	}
	if len(files)+len(dirs) > fewFiles && !seeded("unsynced-directory") {
		if err := u.fs.SyncAll(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for path := range files {
		if err := u.syncFile(path); err != nil {
			return err
		}
	}
	return syncDirs(u.fs, slices.Collect(maps.Keys(dirs))...)
}

// syncDirs forces the entries of directories to the disk, as far as they are there.
func syncDirs(files fileSystem, dirs ...string) error {
	if seeded("unsynced-directory") {
		return nil
	}
	for _, dir := range dirs {
		if err := files.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fewFiles is up to how many files and directories are synced one by one, which
// spares the writers of other files on the same disk.
const fewFiles = 8

func (u *unsynced) syncFile(path string) error {
	f, err := u.fs.Edit(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// noSpace says whether a write failed for want of room, which passes. A sync that
// says so does not count: it has lost what it should have written.
func noSpace(err error) bool {
	var s *syncError
	return !errors.As(err, &s) && (errors.Is(err, ErrFull) || isFull(err))
}
