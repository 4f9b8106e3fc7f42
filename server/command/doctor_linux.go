package command

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// kinds are the file systems that doctor has an opinion of, and the usual ones.
var kinds = map[int64]string{
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "smb", unix.SMB2_SUPER_MAGIC: "smb", unix.FUSE_SUPER_MAGIC: "fuse",
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
}

// fileSystemOf returns the file system that has dir.
func fileSystemOf(dir string) (fileSystem, bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return fileSystem{}, false
	}
	size := uint64(s.Bsize)
	return fileSystem{kinds[int64(uint32(s.Type))], s.Bavail * size, s.Blocks * size, s.Ffree, s.Files}, true
}

// descriptors is how many files this process may have open.
func descriptors() (uint64, bool) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err == nil
}

// anothers says whether a file is another user's than that of this process, and whose.
func anothers(info fs.FileInfo) (owner string, other bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == os.Geteuid() {
		return "", false
	}
	return strconv.Itoa(int(s.Uid)), true
}
