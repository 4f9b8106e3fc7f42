package store

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// NTFS journals directory entries itself, and there is no call to sync one.
func syncDir(path string) error { return nil }

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func room(dir *os.File) (total, bytes, files uint64, err error) {
	path, err := windows.UTF16PtrFromString(filepath.Clean(dir.Name()))
	if err != nil {
		return 0, 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &bytes, &total, nil)
	return total, bytes, ^uint64(0), err
}
