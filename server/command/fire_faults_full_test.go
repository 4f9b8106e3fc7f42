//go:build fire && linux

package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// refusals is how each API says that it took nothing, when that is the server's fault.
var refusals = map[string]*regexp.Regexp{
	bySave:   regexp.MustCompile(`^ME\d{5}$`),
	byUpload: regexp.MustCompile(`^997999$`),
	byPut:    regexp.MustCompile(`^5\d\d$`),
}

// TestDiskFull uploads until there is no room, or no inode, in every API. Refusals
// have the API's form; what was acknowledged stays readable, also through a kill;
// deletes go on, and when there is room again, uploads too, without a restart.
func TestDiskFull(t *testing.T) {
	needTools(t, "mount", "umount", "mkfs.ext4")
	for name, d := range map[string]func(t *testing.T) *smallDisk{
		"tmpfs":  func(t *testing.T) *smallDisk { return newSmallDisk(t, "size=300m", 0) },
		"ext4":   func(t *testing.T) *smallDisk { return newSmallDisk(t, "", 300) },
		"inodes": func(t *testing.T) *smallDisk { return newSmallDisk(t, "size=1g,nr_inodes=3000", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			f := &fullDisk{t: t, disk: d(t), uploader: newUploader(t), inodes: name == "inodes", seen: make(map[string]int)}
			f.run()
			t.Logf("%d acks, answers %v, %d bad in %v", len(f.all), f.seen, len(f.bad), time.Since(began).Round(time.Second))
			if f.inodes { // which a store may have no need of
				wantSeeded(t, f.bad)
			} else {
				wantSeeded(t, f.bad, "ack-on-error")
			}
		})
	}
}

type fullDisk struct {
	t    *testing.T
	disk *smallDisk
	*uploader
	inodes bool
	url    string
	seen   map[string]int // answers to uploads and deletes
	bad    []string
}

func (f *fullDisk) run() {
	p := f.start()
	f.wantAccepted("at first", 0)
	f.makeFull(100 << 20)
	f.uploadUntilRefused()
	f.whileFull("full")
	f.makeFull(0) // takes what the server has kept back for itself
	for _, way := range uploadWays {
		f.try(way)
	}
	f.check("to the last byte")
	f.makeRoom()
	f.wantAccepted("with room again", 30*time.Second)

	f.makeFull(20 << 20)
	f.uploadUntilRefused()
	p.kill()
	p = f.start()
	f.whileFull("killed when full")
	f.makeRoom()
	f.wantAccepted("after a kill", 30*time.Second)
	p.stop()
	if n := (&killer{t: f.t, dir: f.disk.data()}).leftOvers(); n > 0 {
		f.bad = append(f.bad, fmt.Sprintf("%d left-overs", n))
	}
	p = f.start()
	f.check("restarted")
	p.stop()
}

// start starts a server that may say that it is not ready, being full.
func (f *fullDisk) start() *proc {
	f.t.Helper()
	p := startProgram(f.t, "--data", f.disk.data(), "--app", killApp+"="+killSecret, "--account-key", killKey)
	f.url = p.url
	if status, body := f.answers(f.url + "/healthz"); status != 200 {
		f.t.Fatalf("healthz: %d %s", status, body)
	}
	return p
}

// makeFull puts files beside the data that leave so many bytes, or an inode for
// each MiB of them.
func (f *fullDisk) makeFull(leave int64) {
	dir := filepath.Join(f.disk.dir, "filler")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	if !f.inodes {
		f.disk.fill(filepath.Join(dir, fmt.Sprint(leave)), leave)
		return
	}
	var made []string
	for {
		name := filepath.Join(dir, fmt.Sprint(time.Now().UnixNano()))
		if os.WriteFile(name, nil, 0o600) != nil {
			break
		}
		made = append(made, name)
	}
	for _, name := range made[:min(len(made), int(leave>>20))] {
		if err := os.Remove(name); err != nil {
			f.t.Fatal(err)
		}
	}
}

// makeRoom undoes makeFull.
func (f *fullDisk) makeRoom() {
	if err := os.RemoveAll(filepath.Join(f.disk.dir, "filler")); err != nil {
		f.t.Fatal(err)
	}
}

// try uploads once, and wants an answer in the form of the API.
func (f *fullDisk) try(way string) (ok bool) {
	got := f.send(f.url, way, padded(uniquePicture(), 300_000))
	f.seen[way+" "+got]++
	if got != accepted && !refusals[way].MatchString(got) {
		f.bad = append(f.bad, fmt.Sprintf("%s answers %q", way, got))
	}
	return got == accepted
}

// uploadUntilRefused ends when no API takes anything. Where only inodes are
// missing, nothing need be refused.
func (f *fullDisk) uploadUntilRefused() {
	refused := make(map[string]int)
	for range 200 {
		for _, way := range uploadWays {
			if refused[way] >= 3 {
				continue
			}
			if f.try(way) {
				clear(refused)
			} else {
				refused[way]++
			}
		}
		if len(refused) == len(uploadWays) && !slices.ContainsFunc(slices.Collect(maps.Values(refused)), func(n int) bool { return n < 3 }) {
			return
		}
		if f.inodes && len(f.all) > 150 {
			return
		}
	}
	f.bad = append(f.bad, fmt.Sprintf("never full: %d bytes free", f.disk.free()))
}

// whileFull wants reads and deletes, and health to be told.
func (f *fullDisk) whileFull(when string) {
	f.check(when)
	for _, way := range []string{byUpload, byPut} {
		i := slices.IndexFunc(f.all, func(h *held) bool { return h.way == way && !h.going })
		if i < 0 {
			f.t.Fatalf("%s: nothing to delete", when)
		}
		got := f.remove(f.url, f.all[i])
		f.seen["delete "+way+" "+got]++
		if got != accepted {
			f.bad = append(f.bad, fmt.Sprintf("%s: delete by %s answers %q", when, way, got))
		}
	}
	f.check(when + ", deleted")
}

func (f *fullDisk) check(when string) {
	f.bad = append(f.bad, f.lies(f.url, when)...)
	for _, path := range []string{"/readyz", "/healthz", "/metrics"} {
		if status, body := f.answers(f.url + path); status != 200 && status != 503 {
			f.bad = append(f.bad, fmt.Sprintf("%s: %s: %d %s", when, path, status, body))
		}
	}
}

// wantAccepted wants every API to take an upload, before so long has passed.
func (f *fullDisk) wantAccepted(when string, within time.Duration) {
	for _, way := range uploadWays {
		for deadline := time.Now().Add(within); !f.try(way); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				f.bad = append(f.bad, fmt.Sprintf("%s: %s is refused", when, way))
				break
			}
		}
	}
	f.check(when)
}
