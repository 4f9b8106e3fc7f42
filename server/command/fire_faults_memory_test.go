//go:build fire && linux

package command

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMemoryLimit uploads photos of 12 megapixels, 8 at once, to a server that may
// have 256 MiB, page cache included: nothing is killed, and nothing refused but by
// one that says that it is busy. With 64 MiB the kernel may kill it; then everything
// acknowledged is there after a restart. TINTYPE_MEMORY_SECONDS says how long each
// takes.
func TestMemoryLimit(t *testing.T) {
	seconds, err := strconv.Atoi(os.Getenv("TINTYPE_MEMORY_SECONDS"))
	if err != nil {
		seconds = 10
	}
	photo := bigPhoto()
	for _, limit := range []int64{256, 64} {
		t.Run(fmt.Sprintf("%dMiB", limit), func(t *testing.T) {
			m := &memoryTest{t: t, dir: t.TempDir(), uploader: newUploader(t), photo: photo, answers: make(map[string]int)}
			group := newMemoryGroup(t, limit<<20)
			bad := m.run(group, time.Duration(seconds)*time.Second, limit < 256)
			t.Logf("%d s, photos of %d KiB, answers %v, %d busy, peak %d MiB, %d killed, %d bad", seconds, len(photo)>>10,
				m.answers, m.busy, group.peak()>>20, group.kills(), len(bad))
			wantSeeded(t, bad)
		})
	}
}

type memoryTest struct {
	t   *testing.T
	dir string
	*uploader
	photo   []byte
	answers map[string]int // guarded by uploader.mu
	busy    int            // refusals that the log explains
}

func (m *memoryTest) run(group *memoryGroup, long time.Duration, mayDie bool) (bad []string) {
	m.t.Setenv(inGroup, filepath.Join(group.dir, "cgroup.procs"))
	p := killServer(m.t, m.dir)
	m.t.Setenv(inGroup, "")
	end := time.Now().Add(long)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for time.Now().Before(end) && (!mayDie || group.kills() == 0) {
				got := m.send(p.url, byUpload, padded(m.photo, 20))
				m.mu.Lock()
				m.answers[got]++
				m.mu.Unlock()
			}
		})
	}
	clients.Wait()
	if mayDie {
		p.kill()
	} else {
		bad = m.lies(p.url, "within the limit")
		p.stop()
		m.busy = strings.Count(p.stderr.String(), "busy")
		for got, n := range m.answers {
			if got != accepted && (!refusals[byUpload].MatchString(got) || n > m.busy) {
				bad = append(bad, fmt.Sprintf("%d uploads answered %q, %d busy\n%.2000s", n, got, m.busy, p.stderr.String()))
			}
		}
		if n := group.kills(); n > 0 {
			bad = append(bad, fmt.Sprintf("killed %d times for memory", n))
		}
	}
	if len(m.all) == 0 && !mayDie {
		bad = append(bad, "nothing was acknowledged")
	}
	p = killServer(m.t, m.dir)
	bad = append(bad, m.lies(p.url, "restarted")...)
	p.stop()
	if n := (&killer{t: m.t, dir: m.dir}).leftOvers(); n > 0 {
		bad = append(bad, fmt.Sprintf("%d left-overs", n))
	}
	return bad
}

// bigPhoto returns a JPEG of 4000 by 3000 pixels and a few megabytes: a gradient
// with the noise of a sensor.
func bigPhoto() []byte {
	img := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	for y := range 3000 {
		for x := range 4000 {
			img.Y[y*img.YStride+x] = uint8((x+y)/32 + rand.IntN(40))
		}
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 110, 140
	}
	var b bytes.Buffer
	jpeg.Encode(&b, img, &jpeg.Options{Quality: 85})
	return b.Bytes()
}

// memoryGroup is a control group of a test's own, of version 1 or 2.
type memoryGroup struct {
	t   *testing.T
	dir string
	v2  bool
}

var ownGroup = regexp.MustCompile(`(?m)^\d+:(?:[^:\n]+,)?memory(?:,[^:\n]+)?:(.*)$`)

// newMemoryGroup makes a group that may have so many bytes.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("wants root")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	g := &memoryGroup{t: t}
	parent, file := "/sys/fs/cgroup", "memory.max"
	if m := ownGroup.FindSubmatch(own); m != nil {
		parent, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		below := filepath.Join(parent, string(m[1]))
		if _, err := os.Stat(below); err == nil { // a container may not see it
			parent = below
		}
	} else {
		g.v2 = true
		os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0) // it may be on
	}
	dropStaleGroups(parent)
	g.dir = filepath.Join(parent, fmt.Sprintf("tintype-fault-%d-%d", os.Getpid(), limit))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeGroup(t, g.dir) })
	g.write(file, limit)
	return g
}

func (g *memoryGroup) write(file string, n int64) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(n, 10)), 0); err != nil {
		g.t.Fatal(err)
	}
}

func (g *memoryGroup) read(file string) string {
	data, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.t.Error(err)
	}
	return string(data)
}

var oomKill = regexp.MustCompile(`(?m)^oom_kill (\d+)$`)

// kills returns how many processes the kernel killed for their memory.
func (g *memoryGroup) kills() int {
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	m := oomKill.FindStringSubmatch(g.read(file))
	if m == nil {
		g.t.Fatalf("%s does not count what is killed", file)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// peak returns the most that the group ever had.
func (g *memoryGroup) peak() int64 {
	file := "memory.max_usage_in_bytes"
	if g.v2 {
		file = "memory.peak"
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(g.read(file)), 10, 64)
	return n
}

// removeGroup waits for the last process to be gone.
func removeGroup(t *testing.T, dir string) {
	var err error
	for range 100 {
		if err = os.Remove(dir); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error(err)
}

// dropStaleGroups removes the empty groups of tests that ended without doing so.
func dropStaleGroups(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, "tintype-fault-*"))
	for _, dir := range dirs {
		os.Remove(dir) // not while a process is in it
	}
}
