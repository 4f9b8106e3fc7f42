package command

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// What a disk should have free.
const (
	leastFree     = 1 << 30 // bytes
	leastFreePart = 10      // percent, of bytes and of files
)

// leastDescriptors is how many files may be open where a server has more than a few
// clients: see Tuning in the README.
const leastDescriptors = 4096

// leastMemory is what a server has room to work in, in bytes.
const leastMemory = 256 << 20

// disk looks at the file system of the data directory, or of where it will be.
func (d *doctor) disk() (all []finding) {
	dir, err := filepath.Abs(d.set.data)
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	v, ok := fileSystemOf(dir)
	if !ok {
		return []finding{fine("disk", "the system does not tell how much is free")}
	}
	percent := func(free, total uint64) uint64 { return free * 100 / max(total, 1) }
	const fix = "make room, or move the data directory to a larger disk; tintype gc removes what nobody needs"
	switch {
	case v.free < leastFree || percent(v.free, v.total) < leastFreePart:
		all = append(all, warn("disk", fix, "%s of %s are free, %d%%", inBytes(int64(v.free)), inBytes(int64(v.total)), percent(v.free, v.total)))
	case v.files > 0 && percent(v.freeFiles, v.files) < leastFreePart:
		all = append(all, warn("disk", "move the data directory to a file system with more inodes", "%d of %d inodes are free", v.freeFiles, v.files))
	default:
		all = append(all, fine("disk", "%s of %s are free, %d%%", inBytes(int64(v.free)), inBytes(int64(v.total)), percent(v.free, v.total)))
	}
	const move = "move the data directory to a disk of this machine, with ext4 or xfs"
	switch v.kind {
	case "tmpfs", "ramfs":
		all = append(all, warn("file system", move, "%s: what is stored is gone with the next start of the machine", v.kind))
	case "overlay":
		all = append(all, warn("file system", "give the container a volume for the data directory", "overlay: what is stored goes with the container"))
	case "nfs", "smb", "fuse":
		all = append(all, warn("file system", move, "%s: locks, and what a sync promises, are another machine's", v.kind))
	case "":
	default:
		all = append(all, fine("file system", "%s", v.kind))
	}
	return all
}

// fileSystem is one.
type fileSystem struct {
	kind             string // "": not known
	free, total      uint64 // bytes
	freeFiles, files uint64 // 0: it does not count them
}

// limits looks at what this process may use.
func (d *doctor) limits() (all []finding) {
	if n, ok := descriptors(); ok && n < leastDescriptors {
		all = append(all, warn("descriptors", "LimitNOFILE=65536 in the unit, or ulimit -n 65536", "%d files may be open: it takes one for each connection, and others for pictures", n))
	} else if ok {
		all = append(all, fine("descriptors", "%d files may be open", n))
	}
	limit, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		return append(all, fine("memory", "the system does not tell how much there is"))
	}
	text := inBytes(int64(limit)) + " for this process"
	if at := debug.SetMemoryLimit(-1); at < math.MaxInt64 {
		text += fmt.Sprintf(", the collector keeps below %s", inBytes(at))
	}
	budget := int64(d.set.cacheSize) + int64(d.set.decodeMemory) + int64(d.set.uploadMemory)
	switch {
	case limit < leastMemory:
		return append(all, warn("memory", "give it 256 MiB at least", "%s", text))
	case uint64(budget) > limit*9/10:
		return append(all, warn("memory", "make them smaller, or leave them out: they then fit the memory",
			"%s; --cache-size, --decode-memory and --upload-memory are %s together", text, inBytes(budget)))
	}
	return append(all, fine("memory", "%s", text))
}
