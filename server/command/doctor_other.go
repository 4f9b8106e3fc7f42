//go:build !linux

package command

import "io/fs"

// fileSystemOf returns the file system that has dir; only Linux is asked.
func fileSystemOf(string) (fileSystem, bool) { return fileSystem{}, false }

// descriptors is how many files this process may have open.
func descriptors() (uint64, bool) { return 0, false }

// anothers says whether a file is another user's than that of this process, and whose.
func anothers(fs.FileInfo) (owner string, other bool) { return "", false }
