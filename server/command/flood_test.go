//go:build fire && linux

package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tintype/store"
)

// withFiles is how many descriptors the program may have, as if a shell had limited them.
const withFiles = "TINTYPE_TEST_WITH_FILES"

func init() {
	if n, err := strconv.ParseUint(os.Getenv(withFiles), 10, 64); err == nil && os.Getenv(asProgram) != "" {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
}

// TestSlowClients holds 800 connections open that say nothing, or one byte a second of a
// header or of a body. All are closed within 15 seconds, and others are answered meanwhile.
func TestSlowClients(t *testing.T) {
	p := startServer(t, t.TempDir())
	defer p.stop()
	began := time.Now()
	slow := dialAll(t, p, 800, func(i int) string {
		return [...]string{
			"",
			"GET /healthz HTTP/1.1\r\nHost: h\r\nX-",
			"POST /dfsapi/v2/saveImage HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 8000000\r\n\r\n",
			"POST /picture/upload HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n",
		}[i%4]
	})
	ended := make(chan time.Duration, len(slow))
	for i, conn := range slow {
		go func() {
			if i%4 > 0 {
				go func() {
					for {
						if _, err := conn.Write([]byte("x")); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
			}
			conn.SetReadDeadline(began.Add(30 * time.Second))
			io.Copy(io.Discard, conn)
			ended <- time.Since(began)
		}()
	}
	worst, n := time.Duration(0), 0
	for last := time.Duration(0); n < len(slow); {
		select {
		case d := <-ended:
			if n++; d > last {
				last = d
			}
			if n == len(slow) {
				t.Logf("all closed after %v, the slowest of the other answers took %v", last, worst)
				if last > 15*time.Second {
					t.Errorf("the last was closed after %v", last)
				}
			}
		case <-time.After(20 * time.Millisecond):
			start := time.Now()
			wantAlive(t, p)
			worst = max(worst, time.Since(start))
		}
	}
	if worst > time.Second {
		t.Errorf("an answer took %v", worst)
	}
}

// TestDescriptorsRunOut opens more connections than the process may have descriptors, and
// uploads when they are gone.
func TestDescriptorsRunOut(t *testing.T) {
	t.Setenv(withFiles, "256")
	p := startServer(t, t.TempDir())
	defer p.stop()
	slow := dialAll(t, p, 400, func(int) string { return "GET /healthz HTTP/1.1\r\nHost: h\r\nX-" })
	time.Sleep(2 * time.Second)
	for _, conn := range slow {
		conn.Close()
	}
	began := time.Now()
	for {
		resp, err := (&http.Client{Timeout: time.Second}).Get(p.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				break
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("not back after %v: %v", time.Since(began), err)
		}
	}
	t.Logf("back after %v", time.Since(began))
}

// TestSlowReadersOfManyPictures has more clients than there are descriptors for stop in the
// middle of large pictures, each another one, while others upload: nothing is refused but
// connections, and the store takes changes all the time.
func TestSlowReadersOfManyPictures(t *testing.T) {
	const n = 400
	dir := t.TempDir()
	data, err := store.OpenData(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := data.Registry.AddApp("appx", "secret", time.Now()); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789abcdef", 7<<16)
	for i := range n {
		item := store.Item{Object: store.Object{Name: fmt.Sprint("appx-portrait/", i)}, Body: strings.NewReader(text)}
		if _, err := data.Pictures.Apply(store.Change{Put: []store.Item{item}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(withFiles, "512")
	p := killServer(t, dir)
	defer p.stop()
	var uploads sync.WaitGroup
	end := time.Now().Add(10 * time.Second)
	up := newUploader(t)
	for range 2 {
		uploads.Go(func() {
			for time.Now().Before(end) {
				if got := up.send(p.url, byPut, []byte(fmt.Sprint(time.Now()))); got != accepted {
					t.Errorf("upload: %s", got)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	time.Sleep(500 * time.Millisecond) // they have their connections
	slow := dialAll(t, p, n, func(i int) string { return fmt.Sprintf("GET /appx-portrait/%d HTTP/1.1\r\nHost: h\r\n\r\n", i) })
	uploads.Wait()
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	t.Logf("%d descriptors of 512", len(fds))
	for _, conn := range slow {
		conn.Close()
	}
}

// TestDeclaredBodies has 1,000 connections declare 8 MiB and send one byte.
func TestDeclaredBodies(t *testing.T) {
	p := startServer(t, t.TempDir())
	defer p.kill() // which does not wait for them
	wantAlive(t, p)
	before, _ := residentOf(t, p.cmd.Process.Pid)
	dialAll(t, p, 1000, func(i int) string {
		path := [...]string{"POST /dfsapi/v2/saveImage", "POST /picture/upload"}[i%2]
		return path + " HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 8388608\r\n\r\n-"
	})
	most := 0
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		now, _ := residentOf(t, p.cmd.Process.Pid)
		most = max(most, now-before)
	}
	t.Logf("%d MB more than the %d before", most>>10, before>>10)
	if most > 100<<10 {
		t.Errorf("%d MB more", most>>10)
	}
	wantAlive(t, p)
}

// TestHalfBodies has 200 connections send 1 MiB of a form that is to have 8 and then no more: others can upload meanwhile, of any size.
func TestHalfBodies(t *testing.T) {
	p := killServer(t, t.TempDir())
	defer p.kill() // which does not wait for them
	wantAlive(t, p)
	before, _ := residentOf(t, p.cmd.Process.Pid)
	half := "POST /dfsapi/v2/saveImage HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 8388608\r\n\r\n" +
		"--b\r\nContent-Disposition: form-data; name=mmfile; filename=a.jpg\r\n\r\n" + strings.Repeat("0123456789abcdef", 1<<16)
	dialAll(t, p, 200, func(int) string { return half })
	up, most := newUploader(t), 0
	for i := range 20 {
		if got := up.send(p.url, bySave, padded(uniquePicture(), i*300<<10)); got != accepted {
			t.Errorf("upload %d: %s", i, got)
		}
		now, _ := residentOf(t, p.cmd.Process.Pid)
		most = max(most, now-before)
	}
	t.Logf("%d MB more than the %d before", most>>10, before>>10)
	if most > 150<<10 { // 96 MB of it may be garbage
		t.Errorf("%d MB more", most>>10)
	}
}

// dialAll opens n connections, each of which says something first.
func dialAll(t *testing.T, p *proc, n int, first func(i int) string) []net.Conn {
	t.Helper()
	all := make([]net.Conn, n)
	var dialing sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i := range all {
		dialing.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
			if err == nil {
				_, err = io.WriteString(conn, first(i))
				all[i] = conn
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = fmt.Errorf("connection %d: %w", i, err)
			}
		})
	}
	dialing.Wait()
	t.Cleanup(func() {
		for _, conn := range all {
			if conn != nil {
				conn.Close()
			}
		}
	})
	if failed != nil && !os.IsTimeout(failed) {
		t.Fatal(failed)
	}
	return all
}

func wantAlive(t *testing.T, p *proc) {
	t.Helper()
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(p.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("healthz answers %d", resp.StatusCode)
	}
}
