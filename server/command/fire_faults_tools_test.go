//go:build fire && linux

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needTools fails a test whose tools are missing: what did not run proved nothing.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("wants root")
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("wants %s: apt-get install strace e2fsprogs mount", name)
		}
	}
}

// wantSeeded fails a test that found something bad. Where this build has a bug and
// TINTYPE_SEEDBUG turns it on, it fails one that did not, if it is one of these.
func wantSeeded(t *testing.T, bad []string, bugs ...string) {
	t.Helper()
	bug := os.Getenv("TINTYPE_SEEDBUG")
	switch seeded := wantBad && bug != ""; {
	case seeded && len(bad) == 0 && slices.Contains(bugs, bug):
		t.Errorf("the bug %s was not noticed", bug)
	case !seeded && len(bad) > 0:
		t.Errorf("%d bad:\n%s", len(bad), strings.Join(bad[:min(len(bad), 50)], "\n"))
	}
}

// tool runs a command to its end, in bounded time.
func tool(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func mustTool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := tool(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// smallDisk is a file system of a test's own. A loop device is held only while it
// is mounted.
type smallDisk struct {
	t     *testing.T
	dir   string // where it is mounted
	image string // "": tmpfs
}

var smallDiskName = regexp.MustCompile(`^tintype-fault-(\d+)-`)

// newSmallDisk makes and mounts one: options for tmpfs, or without, ext4 of so many MiB.
func newSmallDisk(t *testing.T, tmpfs string, size int64) *smallDisk {
	t.Helper()
	dropStale(t)
	base, err := os.MkdirTemp("", fmt.Sprintf("tintype-fault-%d-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	d := &smallDisk{t: t, dir: filepath.Join(base, "mnt")}
	t.Cleanup(func() { dropDisk(t, base) })
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if tmpfs != "" {
		mustTool(t, "mount", "-t", "tmpfs", "-o", tmpfs, "tmpfs", d.dir)
		return d
	}
	d.image = filepath.Join(base, "image")
	file, err := os.Create(d.image)
	if err := errors.Join(err, file.Truncate(size<<20), file.Close()); err != nil {
		t.Fatal(err)
	}
	mustTool(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mount()
	return d
}

// mount waits for a loop device where others have them all.
func (d *smallDisk) mount() {
	d.t.Helper()
	var err error
	for range 20 {
		if _, err = tool("mount", "-o", "loop", d.image, d.dir); err == nil {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	d.t.Fatal(err)
}

func (d *smallDisk) unmount() {
	d.t.Helper()
	mustTool(d.t, "umount", d.dir)
}

func (d *smallDisk) data() string { return filepath.Join(d.dir, "data") }

// free returns how many bytes root may still write.
func (d *smallDisk) free() int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		d.t.Fatal(err)
	}
	return int64(st.Bfree) * st.Bsize
}

// fill makes a file that leaves so many bytes free; less than 4 KiB more, for none.
func (d *smallDisk) fill(name string, leave int64) {
	f, err := os.Create(name)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	var end int64
	for step := int64(1 << 20); step >= 4096; step /= 4 {
		for d.free()-step >= leave && syscall.Fallocate(int(f.Fd()), 0, end, step) == nil {
			end += step
		}
	}
}

// dropDisk unmounts and removes what newSmallDisk made.
func dropDisk(t *testing.T, base string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), " "+filepath.Join(base, "mnt")+" ") {
		if _, err := tool("umount", "-l", filepath.Join(base, "mnt")); err != nil { // and with it goes the loop device
			t.Error(err)
			return
		}
	}
	if err := os.RemoveAll(base); err != nil {
		t.Error(err)
	}
}

// dropStale drops the disks of test processes that ended without doing so.
func dropStale(t *testing.T) {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		m := smallDiskName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			dropDisk(t, filepath.Join(os.TempDir(), e.Name()))
		}
	}
}
