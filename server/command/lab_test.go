//go:build fire && linux

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// labs is where images of file systems are made: in memory, since a power cut is
// only played and every sync would wait for a real disk.
const labs = "/dev/shm"

const labPrefix = "tintype-fire-" // then the process id

// lab is a directory with file systems in files, and the places where they are
// mounted.
type lab struct {
	t   *testing.T
	dir string
}

// newLab makes a lab that is gone after the test, and removes those of processes
// that were killed. Without root or a tool the test fails.
func newLab(t *testing.T, tools ...string) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("power cuts need root: they mount file systems")
	}
	for _, tool := range append(tools, "mount", "umount") {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("power cuts need %s (Debian: e2fsprogs, xfsprogs): %v", tool, err)
		}
	}
	old, _ := filepath.Glob(filepath.Join(labs, labPrefix+"*"))
	for _, dir := range old {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), labPrefix), "-")
		if pid, err := strconv.Atoi(id); err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			raze(t, dir)
		}
	}
	dir, err := os.MkdirTemp(labs, fmt.Sprintf("%s%d-", labPrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raze(t, dir) })
	return &lab{t, dir}
}

// raze removes a lab, with the servers that run and the file systems that are mounted
// there. The kernel frees the loop devices with their mounts.
func raze(t *testing.T, dir string) {
	servers, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range servers {
		if args, _ := os.ReadFile(path); strings.Contains(string(args), "--data\x00"+dir+"/") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	for _, line := range slices.Backward(strings.Split(string(mounts), "\n")) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			if err := runTool("umount", "-l", f[1]); err != nil {
				t.Error(err)
			}
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// volume is a file system in a file, mounted by a loop device or not.
type volume struct {
	lab              *lab
	kind, image, dir string
}

// volume returns one called name; its image is in a file of that name, or still to
// be put there.
func (l *lab) volume(kind, name string) *volume {
	v := &volume{l, kind, filepath.Join(l.dir, name), filepath.Join(l.dir, "on-"+name)}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		l.t.Fatal(err)
	}
	return v
}

// format makes an empty file system of so many MiB.
func (v *volume) format(size int64) {
	v.lab.t.Helper()
	if err := errors.Join(os.WriteFile(v.image, nil, 0o600), os.Truncate(v.image, size<<20)); err != nil {
		v.lab.t.Fatal(err)
	}
	v.mkfs()
}

// mkfs makes an empty file system in the image that is there.
func (v *volume) mkfs() {
	v.lab.t.Helper()
	args := []string{"mkfs.xfs", "-q", "-f", v.image}
	if v.kind == "ext4" {
		args = []string{"mkfs.ext4", "-q", "-F", "-E", "nodiscard", v.image}
	}
	if err := runTool(args...); err != nil {
		v.lab.t.Fatal(err)
	}
}

// mount mounts it, replaying its log.
func (v *volume) mount(options string) error {
	if options != "" {
		options = "," + options
	}
	return runTool("mount", "-t", v.kind, "-o", "loop"+options, v.image, v.dir)
}

// unmount returns when the loop device is free too: who mounts earlier gets the same
// one, and with it what it has cached.
func (v *volume) unmount() {
	v.lab.t.Helper()
	unmount(v.lab.t, v.dir)
	for deadline := time.Now().Add(10 * time.Second); v.looped(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			v.lab.t.Fatalf("%s is still on a loop device", v.image)
		}
	}
}

// looped says whether a loop device has the image.
func (v *volume) looped() bool {
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	return slices.ContainsFunc(loops, func(path string) bool {
		file, _ := os.ReadFile(path)
		return strings.TrimSpace(string(file)) == v.image
	})
}

// unmount waits for a process that has just been killed there.
func unmount(t *testing.T, dir string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = runTool("umount", dir); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// fsck says what is wrong with a file system that is not mounted.
func (v *volume) fsck() error {
	if v.kind == "ext4" {
		return runTool("e2fsck", "-fn", v.image)
	}
	return runTool("xfs_repair", "-n", "-f", v.image)
}

// The shutdown call of xfs and ext4, as in xfs_io -x -c shutdown.
const (
	iocShutdown = 0x8004587d // _IOR('X', 125, __u32)
	noLogFlush  = 2
)

// cutPower drops what a mounted file system has not written, its log included;
// everything that is tried there afterwards fails.
func (v *volume) cutPower() error {
	f, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), iocShutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		return errno
	}
	return nil
}

// runTool runs a command for at most a minute; its error has what it printed.
func runTool(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
