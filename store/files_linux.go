package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync: it has not to write when the file was last changed, which
// for a journal would cost a transaction of the file system each time.
func syncData(f *os.File) error {
	return retry(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func syncFileSystem(f *os.File) error {
	return retry(func() error { return unix.Syncfs(int(f.Fd())) })
}

// tellsSyncErrors says whether syncfs returns the errors of writing back, as since
// Linux 5.8.
func tellsSyncErrors() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return major > 5 || major == 5 && minor >= 8
}
