//go:build fire && linux

package command

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskReadError serves from a disk whose end cannot be read, from ever earlier
// on: blobs, directories and pages of the mapped index are lost while the server
// runs, and again while it starts. Every picture is answered whole or with an error,
// and the process lives.
func TestDiskReadError(t *testing.T) {
	needTools(t, "mount", "umount", "mkfs.ext4", "filefrag", "cp")
	began := time.Now()
	r := &halfDisk{t: t, disk: newSmallDisk(t, "", 256), uploader: newUploader(t), seen: make(map[string]int)}
	r.prepare()
	for _, part := range []float64{0.95, 0.75, 0.5, 0.25, 0.1, 0.05, 0.02} {
		r.serve(part)
	}
	for _, part := range []float64{0.75, 0.25, 0.05} {
		r.start(part)
	}
	t.Logf("%d pictures, reads %v, %d bad in %v", len(r.all), r.seen, len(r.bad), time.Since(began).Round(time.Second))
	if r.seen[readFailed] == 0 || r.seen[readWhole] == 0 {
		t.Errorf("the fault hit nothing, or everything")
	}
	wantSeeded(t, r.bad)
}

type halfDisk struct {
	t    *testing.T
	disk *smallDisk
	*uploader
	extents []int64 // where on the disk the data lies, a 64 KiB each, in order
	seen    map[string]int
	bad     []string
}

// prepare fills the disk with pictures of all sizes, and with names enough that
// the index is more than what one access brings to memory.
func (r *halfDisk) prepare() {
	p := killServer(r.t, r.disk.data())
	for i := range 120 {
		if got := r.send(p.url, uploadWays[i%3], padded(uniquePicture(), 100+i*i*20)); got != accepted {
			r.t.Fatalf("upload: %s", got)
		}
	}
	note := strings.Repeat("n", 6000)
	for i := range 300 {
		h := http.Header{"X-Ms-Blob-Type": {"BlockBlob"}, "X-Ms-Meta-Note": {note}}
		url := fmt.Sprintf("%s/%s-blobs/notes/%d%s", p.url, killApp, i, killToken())
		if got := r.request("PUT", url, h, []byte(note[i:]), nil); got != "201" {
			r.t.Fatalf("PUT: %s", got)
		}
	}
	p.stop()
	err := filepath.WalkDir(r.disk.data(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			r.extents = append(r.extents, fileExtents(r.t, path)...)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(r.extents)
	r.disk.unmount()
}

var extent = regexp.MustCompile(`(?m)^ *\d+: +\d+\.\. *\d+: +(\d+)\.\. *(\d+):`)

// fileExtents returns where on the disk every 64 KiB of a file lie.
func fileExtents(t *testing.T, path string) (at []int64) {
	t.Helper()
	for _, m := range extent.FindAllStringSubmatch(mustTool(t, "filefrag", "-v", "-b1024", path), -1) {
		first, _ := strconv.ParseInt(m[1], 10, 64)
		last, _ := strconv.ParseInt(m[2], 10, 64)
		for ; first <= last; first += 64 {
			at = append(at, first<<10)
		}
	}
	return at
}

// onCopy runs f with a fresh copy of the disk mounted; cut then takes away the
// disk behind a part of the data.
func (r *halfDisk) onCopy(part float64, f func(cut func())) {
	sound := r.disk.image
	r.disk.image = sound + ".copy"
	defer func() { r.disk.image = sound }()
	mustTool(r.t, "cp", "--sparse=always", sound, r.disk.image)
	r.disk.mount()
	f(func() {
		at := r.extents[int(part*float64(len(r.extents)))]
		if err := os.Truncate(r.disk.image, at); err != nil {
			r.t.Fatal(err)
		}
	})
	mustTool(r.t, "umount", "-l", r.disk.dir)
	if err := os.Remove(r.disk.image); err != nil { // the next is another file, should the kernel still have this
		r.t.Fatal(err)
	}
}

// serve loses the end of the disk under a running server.
func (r *halfDisk) serve(part float64) {
	r.onCopy(part, func(cut func()) {
		p := killServer(r.t, r.disk.data())
		cut()
		r.readAll(p, fmt.Sprintf("cut at %v", part))
		r.end(p)
	})
}

// start starts a server on what is left. It may say that it cannot, in its own words.
func (r *halfDisk) start(part float64) {
	r.onCopy(part, func(cut func()) {
		cut()
		cmd := asCommand("serve", "--data", r.disk.data(), "--listen", "127.0.0.1:0", "--app", killApp+"="+killSecret, "--account-key", killKey)
		p := &proc{t: r.t, cmd: cmd}
		cmd.Stderr = &p.stderr
		out, err := cmd.StdoutPipe()
		if err := errors.Join(err, cmd.Start()); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { cmd.Process.Kill() })
		hangs := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		line := make([]byte, 4096)
		n, _ := out.Read(line)
		hung := !hangs.Stop()
		if m := listening.FindSubmatch(line[:n]); m != nil {
			p.url = string(m[1])
			r.readAll(p, fmt.Sprintf("started on a disk cut at %v", part))
			r.end(p)
			return
		}
		err = cmd.Wait()
		if hung || crashed.MatchString(p.stderr.String()) {
			r.bad = append(r.bad, fmt.Sprintf("start on a disk cut at %v: %v: %s", part, err, p.stderr.String()))
		}
		r.seen["no start"]++
	})
}

// readAll reads everything twice: the second time nothing is new to the server.
func (r *halfDisk) readAll(p *proc, when string) {
	began := time.Now()
	for range 2 {
		for _, h := range r.all {
			if time.Since(began) > time.Minute {
				r.bad = append(r.bad, when+": reads hang")
				return
			}
			got := r.read(p.url, h)
			r.seen[got]++
			if got == readWrong || got == readGone {
				r.bad = append(r.bad, fmt.Sprintf("%s: %s by %s is %s", when, h.url, h.way, got))
			}
		}
	}
	if status, body := r.answers(p.url + "/healthz"); status != 200 {
		r.bad = append(r.bad, fmt.Sprintf("%s: healthz: %d %s", when, status, body))
	}
	if status, body := r.answers(p.url + "/metrics"); status != 200 {
		r.bad = append(r.bad, fmt.Sprintf("%s: metrics: %d %s", when, status, body))
	}
}

// end kills a server that must still live.
func (r *halfDisk) end(p *proc) {
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		r.bad = append(r.bad, fmt.Sprintf("the server has ended: %v", err))
	}
	p.kill()
	if m := crashed.FindString(p.stderr.String()); m != "" {
		r.bad = append(r.bad, fmt.Sprintf("the server crashed: %.300s", p.stderr.String()))
	}
}
