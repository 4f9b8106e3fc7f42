//go:build linux

package command

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestScale runs servers over two data directories that store.TestGenerate has made,
// TINTYPE_SCALE_SMALL with 10,000 pictures and TINTYPE_SCALE_DIR with TINTYPE_SCALE,
// and tells how soon each is ready, cleanly stopped and killed, with nothing of it in
// the page cache; how long reads take under a mixed load of TINTYPE_SCALE_SECONDS, from its
// start and without the first ten, in which the index comes into the page cache; and how
// much memory that takes. It needs root, to empty the page cache.
func TestScale(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("TINTYPE_SCALE"))
	if err != nil || os.Getenv("TINTYPE_SCALE_DIR") == "" {
		t.Skip("TINTYPE_SCALE, TINTYPE_SCALE_DIR and TINTYPE_SCALE_SMALL are not set")
	}
	seconds, err := strconv.Atoi(os.Getenv("TINTYPE_SCALE_SECONDS"))
	if err != nil {
		seconds = 60
	}
	of := func(dir string, n int) (all, warm time.Duration) {
		s := &scale{n: n, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
		p, clean := s.start(t, dir)
		for range 1000 {
			s.do(t, "GET", p.url+s.name(random(s.n/500)*500)+killToken(), nil)
		}
		_, cold := residentOf(t, p.cmd.Process.Pid)
		s.load(t, p, time.Duration(seconds)*time.Second)
		all, warm = quantile(s.reads, 0.99), quantile(s.warm, 0.99)
		rss, anon := residentOf(t, p.cmd.Process.Pid)
		p.kill()
		p, killed := s.start(t, dir)
		s.check(t, p)
		p.stop()
		t.Logf("%d pictures: ready %v after a clean stop, %v after a kill; %d reads in %d s, p50 %v, p99 %v, warm %v; resident %d MB, %d of it anonymous, which was %d after the first 1000 reads",
			n, clean.Round(time.Millisecond), killed.Round(time.Millisecond), len(s.reads), seconds, quantile(s.reads, 0.5), all, warm, rss>>10, anon>>10, cold>>10)
		return all, warm
	}
	all, warm := of(os.Getenv("TINTYPE_SCALE_SMALL"), 10_000)
	allLarge, warmLarge := of(os.Getenv("TINTYPE_SCALE_DIR"), n)
	t.Logf("p99 of %d / p99 of 10000: %.2f, warm %.2f", n, float64(allLarge)/float64(all), float64(warmLarge)/float64(warm))
}

// scale is a load over generated pictures.
type scale struct {
	n     int
	http  http.Client
	mu    sync.Mutex // guards what follows
	reads []time.Duration
	warm  []time.Duration // those of reads that began when the server had run for a while
	put   []string        // acknowledged
}

// start starts a server with a cold page cache and says how long it took.
func (s *scale) start(t *testing.T, dir string) (*proc, time.Duration) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := killServer(t, dir)
	return p, time.Since(began)
}

func random(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err)
	}
	return int(v.Int64())
}

// load runs 8 clients: of 20 requests 16 read a picture, 2 ask for one that is not
// there, one stores and one deletes.
func (s *scale) load(t *testing.T, p *proc, d time.Duration) {
	warm := time.Now().Add(min(10*time.Second, d/2))
	var clients sync.WaitGroup
	token := killToken()
	for range 8 {
		clients.Go(func() {
			for end := time.Now().Add(d); time.Now().Before(end); {
				switch k := random(20); {
				case k < 16:
					began := time.Now()
					if got := s.do(t, "GET", p.url+s.name(random(s.n/500)*500)+token, nil); got != 200 {
						t.Errorf("a stored picture: %d", got)
						return
					}
					took := time.Since(began)
					s.mu.Lock()
					s.reads = append(s.reads, took)
					if began.After(warm) {
						s.warm = append(s.warm, took)
					}
					s.mu.Unlock()
				case k < 18:
					if got := s.do(t, "GET", p.url+s.name(s.n+random(s.n))+token, nil); got != 404 {
						t.Errorf("no picture: %d", got)
						return
					}
				default:
					s.change(t, p, token, k == 18)
				}
			}
		})
	}
	clients.Wait()
}

// change stores a picture, and deletes it unless it is to be kept.
func (s *scale) change(t *testing.T, p *proc, token string, keep bool) {
	name := fmt.Sprintf("/%s-blobs/new/%s.jpg", killApp, rand.Text())
	if got := s.do(t, "PUT", p.url+name+token, bytes.NewReader([]byte(name))); got != 201 {
		t.Errorf("PUT: %d", got)
	} else if keep {
		s.mu.Lock()
		s.put = append(s.put, name)
		s.mu.Unlock()
	} else if got := s.do(t, "DELETE", p.url+name+token, nil); got != 202 {
		t.Errorf("DELETE: %d", got)
	}
}

// check wants everything back that was stored.
func (s *scale) check(t *testing.T, p *proc) {
	for _, name := range s.put {
		if got := s.do(t, "GET", p.url+name+killToken(), nil); got != 200 {
			t.Errorf("after a kill: %d", got)
		}
	}
}

// name is the URL path of the i-th generated picture.
func (s *scale) name(i int) string {
	return fmt.Sprintf("/%s-blobs/%013x/%d_full.jpg", killApp, uint64(i)*0x9e3779b97f4a7c15>>12, i)
}

func (s *scale) do(t *testing.T, method, url string, body io.Reader) int {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == "PUT" {
		req.Header.Set("x-ms-blob-type", "BlockBlob")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func quantile(of []time.Duration, q float64) time.Duration {
	slices.Sort(of)
	if len(of) == 0 {
		return 0
	}
	return of[int(q*float64(len(of)-1))].Round(time.Microsecond)
}

// residentOf returns the memory of a process in KiB: all that is mapped, and what is
// its own.
func residentOf(t *testing.T, pid int) (rss, anon int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	of := func(field string) int {
		m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindStringSubmatch(strings.TrimSpace(string(status)))
		if m == nil {
			t.Fatalf("no %s in %s", field, status)
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return of("VmRSS"), of("RssAnon")
}
