//go:build fire && linux

package command

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soaked is a picture under load, read by many or deleted by one.
type soaked struct {
	*held
	mu sync.RWMutex
}

// TestMixedLoad runs 32 clients for TINTYPE_SOAK seconds, 20 without it: of 100 calls 90 read a picture and compare all of it, 9
// upload one by all ways, of 2 KB to 600 KB, and one deletes. All must be right, and memory must not grow after the first tenth,
// in which caches and pools fill.
func TestMixedLoad(t *testing.T) {
	seconds, err := strconv.Atoi(os.Getenv("TINTYPE_SOAK"))
	if err != nil {
		seconds = 20
	}
	p := startServer(t, t.TempDir(), append([]string{"--cache-size", "32MiB"}, killArgs...)...)
	defer p.stop()
	up := newUploader(t)
	up.http.Transport = &http.Transport{MaxIdleConnsPerHost: 32}
	var mu sync.Mutex // guards live
	var live []*soaked
	var reads, uploads, deletes atomic.Int64
	upload := func() {
		way := uploadWays[rand.IntN(len(uploadWays))]
		size := 2000
		for rand.IntN(3) > 0 && size < 400_000 {
			size *= 2
		}
		if got := up.send(p.url, way, padded(uniquePicture(), size+rand.IntN(size/2))); got != accepted {
			t.Errorf("upload by %s: %s", way, got)
			return
		}
		uploads.Add(1)
	}
	for range 200 {
		upload()
	}
	pick := func(remove bool) *soaked {
		mu.Lock()
		defer mu.Unlock()
		up.mu.Lock()
		for _, h := range up.all {
			live = append(live, &soaked{held: h})
		}
		up.all = nil
		up.mu.Unlock()
		i := rand.IntN(len(live))
		h := live[i]
		if remove {
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		}
		return h
	}
	began := time.Now()
	end := began.Add(time.Duration(seconds) * time.Second)
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				switch k := rand.IntN(100); {
				case k < 90:
					h := pick(false)
					h.mu.RLock()
					if got := up.read(p.url, h.held); got != readWhole && !(h.gone && got == readGone) {
						t.Errorf("%s by %s: %s; deleted: %v", h.url, h.way, got, h.gone)
					}
					h.mu.RUnlock()
					reads.Add(1)
				case k < 99:
					upload()
				default:
					h := pick(true)
					if h.way == bySave {
						continue // which has no deletion
					}
					h.mu.Lock()
					if got := up.remove(p.url, h.held); got != accepted {
						t.Errorf("delete %s: %s", h.url, got)
					}
					h.mu.Unlock()
					deletes.Add(1)
				}
			}
		})
	}
	early, late := 0, 0 // most anonymous memory between the first and the second tenth, and in the last
	for now := range time.Tick(time.Second) {
		if now.After(end) || t.Failed() {
			break
		}
		_, anon := residentOf(t, p.cmd.Process.Pid)
		switch tenth := int(10 * now.Sub(began) / end.Sub(began)); tenth {
		case 1:
			early = max(early, anon)
		case 9:
			late = max(late, anon)
		}
	}
	clients.Wait()
	t.Logf("%d reads, %d uploads, %d deletions in %d s; %d MB anonymous in the second tenth, %d in the last",
		reads.Load(), uploads.Load(), deletes.Load(), seconds, early>>10, late>>10)
	if seconds >= 300 && late > early+early/5 {
		t.Error("memory grows")
	}
}
