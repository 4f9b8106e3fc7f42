package server

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxFiles is up to how many files are kept open to be sent; a quarter of what a process
// may have, if that is less.
const maxFiles = 16 << 10

// sendFile sends what is left of head, which is to be one packet with what follows, and
// of the file, until the connection takes no more or all is sent.
func (a *sending) sendFile(fd uintptr) (done bool) {
	for len(a.rest) > 0 {
		n, err := unix.SendmsgN(int(fd), a.rest, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return a.stop(err)
		}
		a.rest = a.rest[n:]
	}
	for a.start < a.end {
		n, err := unix.Sendfile(int(fd), int(a.picture.file.Fd()), &a.start, int(a.end-a.start))
		if err == syscall.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return a.stop(err)
		}
	}
	return true
}

// stop says whether err is one to stop at; else the connection takes no more for now.
func (a *sending) stop(err error) bool {
	if err == syscall.EAGAIN {
		return false
	}
	a.err = err
	return true
}
