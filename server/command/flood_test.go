//go:build fire && linux

package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	p := startServer(t, t.TempDir())
	defer p.stop()
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: 256}, nil); err != nil {
		t.Fatal(err)
	}
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

// TestDeclaredBodies has 1,000 connections declare 8 MiB and send one byte.
func TestDeclaredBodies(t *testing.T) {
	p := startServer(t, t.TempDir())
	defer p.stop()
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
