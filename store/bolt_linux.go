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
