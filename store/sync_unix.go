//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
)

// syncPath forces a file, or the entries of a directory, to the disk. Only a
// failed sync is a syncError.
func syncPath(path string) error {
	f, err := os.Open(path)
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
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
