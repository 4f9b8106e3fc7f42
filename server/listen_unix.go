//go:build unix

package server

import "syscall"

// maxConnections leaves spareFiles of the process's descriptors free.
func maxConnections() int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 1024
	}
	return int(min(max(int64(lim.Cur)-spareFiles, 16), 1<<18))
}
