package server

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls here do not tell the scheduler that they are made, which for those that copy a
// while costs as much as they do: it takes the processor away from a goroutine that is 20
// microseconds in a call, for another thread. None of them waits: sockets do not block, and
// a file that is kept open is in the page cache most of the time. Where one is not, the call
// waits for the disk and holds up a processor: the calls of the next second that have to do
// with files are made so that they do not.

// maxFiles is up to how many files are kept open to be sent: filesToKeep.
const maxFiles = 16 << 10

func readNow(fd int, b []byte) (n int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// message is the arguments of a sendmsg.
type message struct {
	parts  [2]unix.Iovec
	header unix.Msghdr
}

// sendNow sends bytes of both parts. more says that they are to be one packet with what
// comes, ofFile that they may have to come from a disk.
func (m *message) sendNow(fd int, first, second []byte, more, ofFile bool) (n int, errno syscall.Errno) {
	used := 0
	for _, part := range [...][]byte{first, second} {
		if len(part) > 0 {
			m.parts[used].Base = unsafe.SliceData(part)
			m.parts[used].SetLen(len(part))
			used++
		}
	}
	m.header.Iov = &m.parts[0]
	m.header.SetIovlen(used)
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	var start time.Duration
	if ofFile {
		start = time.Since(began)
	}
	var r uintptr
	if ofFile && int64(start) < slowUntil.Load() {
		r, _, errno = unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), flags)
	} else {
		r, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), flags)
	}
	if ofFile {
		tookSince(start)
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	m.parts = [2]unix.Iovec{}
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// slowUntil is until when files seem to come from the disk, in nanoseconds since began.
var slowUntil atomic.Int64

const (
	slow       = 5 * time.Millisecond // far more than copying takes, and than a turn of another process
	slowMemory = time.Second
)

// tookSince notes a call that has taken long.
func tookSince(start time.Duration) {
	if now := time.Since(began); now-start > slow {
		slowUntil.Store(int64(now + slowMemory))
	}
}

// sendfileNow sends of a file, from *at, which it moves on.
func sendfileNow(fd, file int, at *int64, size int64) (n int, errno syscall.Errno) {
	start := time.Since(began)
	if int64(start) < slowUntil.Load() || unix.SizeofPtr < 8 { // where the plain call knows no large files
		n, err := unix.Sendfile(fd, file, at, int(size))
		errno, _ := err.(syscall.Errno)
		return max(n, 0), errno
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(fd), uintptr(file), uintptr(unsafe.Pointer(at)), uintptr(size), 0, 0)
	tookSince(start)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// mapFile maps the first size bytes of a file, to be read by the system only; nil where
// that is not possible, or addresses are few.
func mapFile(f *os.File, size int64) []byte {
	if unix.SizeofPtr < 8 {
		return nil
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return b
}

func unmap(b []byte) {
	if b != nil {
		unix.Munmap(b)
	}
}

// advance sends as much as the connection takes; EAGAIN: there is more.
func (a *sending) advance() syscall.Errno {
	fd := a.conn.fd
	for len(a.rest)+len(a.body) > 0 {
		n, errno := a.message.sendNow(fd, a.rest, a.body, a.start < a.end, a.picture != nil && a.picture.mapped != nil)
		if errno != 0 {
			return errno
		}
		head := min(n, len(a.rest))
		a.rest, a.body = a.rest[head:], a.body[n-head:]
	}
	for a.picture != nil && a.start < a.end {
		n, errno := sendfileNow(fd, int(a.picture.file.Fd()), &a.start, a.end-a.start)
		if errno != 0 {
			return errno
		}
		if n == 0 {
			return syscall.EIO // the file is shorter than it was
		}
	}
	return 0
}
