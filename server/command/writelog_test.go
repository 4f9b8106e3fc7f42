//go:build fire && linux

package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// record is one write or, without data, one flush.
type record struct {
	at     time.Time
	offset int64
	data   []byte
}

// writeLog is a disk in memory that remembers in which order it was written and
// flushed. The kernel sees it as the only file of a file system.
type writeLog struct {
	fs.Inode
	mu      sync.Mutex // guards what follows
	disk    []byte
	on      bool
	records []record
}

var (
	_ fs.NodeGetattrer = (*writeLog)(nil)
	_ fs.NodeOpener    = (*writeLog)(nil)
	_ fs.NodeReader    = (*writeLog)(nil)
	_ fs.NodeWriter    = (*writeLog)(nil)
	_ fs.NodeFsyncer   = (*writeLog)(nil)
)

// Getattr implements fs.NodeGetattrer.
func (w *writeLog) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(len(w.disk))
	return 0
}

// Open implements fs.NodeOpener. Without a cache of the kernel's, every write of
// the loop device comes here at once.
func (w *writeLog) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read implements fs.NodeReader.
func (w *writeLog) Read(_ context.Context, _ fs.FileHandle, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := copy(dest, w.disk[min(offset, int64(len(w.disk))):])
	return fuse.ReadResultData(dest[:n]), 0
}

// Write implements fs.NodeWriter.
func (w *writeLog) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset+int64(len(data)) > int64(len(w.disk)) {
		return 0, syscall.ENOSPC
	}
	copy(w.disk[offset:], data)
	if w.on {
		w.records = append(w.records, record{time.Now(), offset, bytes.Clone(data)})
	}
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer: the loop device calls it for a flush.
func (w *writeLog) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		w.records = append(w.records, record{at: time.Now()})
	}
	return 0
}

// start begins to remember, and returns the disk as it is.
func (w *writeLog) start() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = true
	return bytes.Clone(w.disk)
}

// stop returns what was remembered.
func (w *writeLog) stop() []record {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = false
	return w.records
}

// logged mounts a write log of so many MiB, and returns it, the volume whose image it
// is, and what unmounts it. This process must not look into either file system: a
// thread that waits there for an answer would keep the process from dying, and with
// it all who wait for the disk. Tools may, and the server.
func (l *lab) logged(kind, name string, size int64) (*writeLog, *volume, func()) {
	l.t.Helper()
	dir := filepath.Join(l.dir, "log-"+name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		l.t.Fatal(err)
	}
	w, root := &writeLog{disk: make([]byte, size<<20)}, &fs.Inode{}
	server, err := serveFUSE(dir, root, func(ctx context.Context) {
		root.AddChild("disk", root.NewPersistentInode(ctx, w, fs.StableAttr{Mode: syscall.S_IFREG}), false)
	})
	if err != nil {
		l.t.Fatalf("a disk that remembers needs /dev/fuse: %v", err)
	}
	v := l.volume(kind, name)
	v.image = filepath.Join(dir, "disk")
	return w, v, func() {
		unmount(l.t, dir)
		server.Wait()
	}
}

// serveFUSE mounts root on dir. Unlike the library it opens the device so that no
// child inherits it: the kernel gives up waiting for an answer when the last who
// could give it is gone.
func serveFUSE(dir string, root *fs.Inode, onAdd func(context.Context)) (*fuse.Server, error) {
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	const flags = syscall.MS_NOSUID | syscall.MS_NODEV
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := syscall.Mount("tintype", dir, "fuse", flags, data); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return fs.Mount(fmt.Sprintf("/dev/fd/%d", fd), root, &fs.Options{
		MountOptions: fuse.MountOptions{MaxWrite: 1 << 20}, OnAdd: onAdd,
	})
}

// survival chooses which unflushed writes a power cut leaves on the disk.
type survival int

const (
	inOrder   survival = iota // all up to the cut
	scattered                 // any
	torn                      // any, and of the last one only some sectors
	nothing                   // none
	survivals
)

// write puts on a disk what survives of writes that were not flushed.
func (how survival) write(disk io.WriterAt, writes []record) error {
	if how == nothing {
		return nil
	}
	for i, w := range writes {
		data := w.data
		switch {
		case how == torn && i == len(writes)-1:
			data = data[:sector*rand.IntN(len(data)/sector+1)]
		case how != inOrder && rand.IntN(2) == 0:
			continue
		}
		if _, err := disk.WriteAt(data, w.offset); err != nil {
			return err
		}
	}
	return nil
}
