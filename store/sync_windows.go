package store

import (
	"errors"
	"os"
	"syscall"
)

// syncPath forces a file to the disk. NTFS journals directory entries itself and
// Windows has no call to sync a directory.
func syncPath(path string) error {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// noSpace says whether a write failed for want of room, which passes.
func noSpace(err error) bool {
	const diskFull, handleDiskFull = syscall.Errno(112), syscall.Errno(39)
	return errors.Is(err, diskFull) || errors.Is(err, handleDiskFull)
}
