package store

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMapped is how many bytes of mapped files the process may show as its own memory
// before trim takes the index out of it.
const maxMapped = 192 << 20

// trim takes the pages of the index out of the memory of this process, where reads
// have brought in many. They stay in the page cache: the next read of one takes half a
// microsecond more, once. Without that a large index looks like, and in a container is
// billed as, memory that the server needs.
func (b boltIndex) trim() {
	if mapped() < maxMapped {
		return
	}
	var closed error
	defer faults(&closed)()
	b.writing.Lock()
	defer b.writing.Unlock()
	info, err := os.Stat(b.db.Path())
	if err != nil {
		return
	}
	// bbolt maps more than the file is long
	unix.Syscall(unix.SYS_MADVISE, b.db.Info().Data, uintptr(info.Size()), unix.MADV_DONTNEED)
}

// warm returns what brings the index into the page cache, in order, unless that would take
// more than a quarter of the machine's memory: a read that has to wait for a page of its
// own keeps a processor waiting along.
func (b boltIndex) warm() func(stop <-chan struct{}) {
	path := b.db.Path()
	return func(stop <-chan struct{}) { readThrough(path, stop) }
}

func readThrough(path string, stop <-chan struct{}) {
	var system unix.Sysinfo_t
	f, err := os.Open(path)
	if err != nil || unix.Sysinfo(&system) != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || uint64(info.Size()) > uint64(system.Totalram)*uint64(system.Unit)/4 {
		return
	}
	for buf := make([]byte, 1<<20); ; {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := f.Read(buf); err != nil {
			return
		}
	}
}

// mapped returns how many bytes of mapped files are in the memory of this process.
func mapped() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(statm))
	if err != nil || len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[2], 10, 64)
	return pages * int64(os.Getpagesize())
}
