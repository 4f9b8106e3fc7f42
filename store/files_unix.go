//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncDir forces the entries of a directory to the disk. Only a failed sync is a
// syncError.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(synced(f.Sync()), f.Close())
}

// isFull says whether there is no room: on the disk, or among the open files.
func isFull(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func room(dir *os.File) (total, bytes, files uint64, err error) {
	var s unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(dir.Fd()), &s) }); err != nil {
		return 0, 0, 0, err
	}
	files = ^uint64(0)
	if s.Files > 0 { // btrfs and others count none
		files = uint64(s.Ffree)
	}
	return uint64(s.Blocks) * uint64(s.Bsize), uint64(s.Bavail) * uint64(s.Bsize), files, nil
}

func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}
