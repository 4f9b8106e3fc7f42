package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connPair returns both ends of a connection over loopback.
func connPair(t *testing.T) (server *conn, client *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, ok := newConn(accepted.(*net.TCPConn)).(*conn)
	if !ok {
		t.Fatal("no connection of our own")
	}
	t.Cleanup(func() { server.Close(); c.Close() })
	if server.RemoteAddr().String() != c.LocalAddr().String() || server.LocalAddr().String() != c.RemoteAddr().String() {
		t.Fatalf("addresses: %v, %v", server.RemoteAddr(), server.LocalAddr())
	}
	return server, c.(*net.TCPConn)
}

// within fails the test if f is not done in time.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatal("not done in ", d)
	}
}

// The end of a connection may come with bytes, before them is read, or later: who has
// answered and waits for the next request must be told of each.
func TestConnEnd(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Millisecond} {
		for range 50 {
			server, client := connPair(t)
			within(t, 5*time.Second, func() {
				buf := make([]byte, 100)
				client.Write([]byte("first"))
				server.Read(buf)
				server.Write([]byte("answer"))
				go func() {
					client.Write([]byte("last"))
					time.Sleep(wait * time.Duration(rand.IntN(2)))
					client.CloseWrite()
				}()
				time.Sleep(wait)
				n, err := server.Read(buf)
				if string(buf[:n]) != "last" || err != nil {
					t.Errorf("%q, %v", buf[:n], err)
				}
				server.Write([]byte("answer"))
				if n, err := server.Read(buf); n != 0 || err != io.EOF {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
	}
}

func TestConnDeadlines(t *testing.T) {
	server, client := connPair(t)
	other, _ := connPair(t) // which waits too, so that one of them polls for both
	waits := make(chan error, 1)
	go func() {
		_, err := other.Read(make([]byte, 1))
		waits <- err
	}()
	buf := make([]byte, 10)
	timesOut := func(what string) {
		t.Helper()
		_, err := server.Read(buf)
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("%s: %v", what, err)
		}
	}
	within(t, 5*time.Second, func() {
		server.SetReadDeadline(time.Now().Add(-time.Second))
		timesOut("over before")
		server.SetDeadline(time.Now().Add(50 * time.Millisecond))
		timesOut("while waiting")
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		time.AfterFunc(10*time.Millisecond, func() { server.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) })
		start := time.Now()
		timesOut("put forward")
		if took := time.Since(start); took > 90*time.Millisecond {
			t.Errorf("a deadline was put forward, and waited for %v", took)
		}
		// one that is put off must not end with the timer of the first
		server.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		time.AfterFunc(10*time.Millisecond, func() { server.SetReadDeadline(time.Time{}) })
		time.AfterFunc(60*time.Millisecond, func() { client.Write([]byte("late")) })
		if n, err := server.Read(buf); string(buf[:n]) != "late" || err != nil {
			t.Errorf("%q, %v", buf[:n], err)
		}
		// and nobody reads: the write stops
		server.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := server.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		other.Close()
		if err := <-waits; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the other: %v", err)
		}
	})
}

// Deadlines of who polls end as often as they come, and some time is more than any.
func TestConnDeadlinesOfThePoller(t *testing.T) {
	server, _ := connPair(t)
	within(t, 20*time.Second, func() {
		for range 600 {
			server.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read: %v", err)
				return
			}
		}
	})
}

// The system ends a read at urgent data, which is not the end of what there is.
func TestConnUrgentData(t *testing.T) {
	server, client := connPair(t)
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, func() {
		buf, got := make([]byte, 100), ""
		client.Write([]byte("zero"))
		server.Read(buf)
		server.Write([]byte("answer"))
		raw.Control(func(fd uintptr) {
			unix.Write(int(fd), []byte("first"))
			unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil)
			unix.Write(int(fd), []byte("second"))
		})
		time.Sleep(10 * time.Millisecond)
		for got != "firstsecond" {
			n, err := server.Read(buf)
			if err != nil {
				t.Error(err)
				return
			}
			got += string(buf[:n])
			server.Write([]byte("answer"))
		}
	})
}

// Who waits, be it the one that polls for all, is told that its connection was closed, and
// its descriptor is gone then.
func TestConnClose(t *testing.T) {
	before := openFiles(t)
	within(t, 10*time.Second, func() {
		for range 20 {
			var all sync.WaitGroup
			var conns []*conn
			for range 5 {
				server, client := connPair(t)
				conns = append(conns, server)
				server.SetReadDeadline(time.Now().Add(time.Minute))
				all.Go(func() {
					server.Read(nil)
					if _, err := server.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
						t.Errorf("read: %v", err)
					}
					client.Close()
				})
			}
			time.Sleep(time.Millisecond)
			for _, c := range conns {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			all.Wait()
			if err := conns[0].Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed again: %v", err)
			}
			if _, err := conns[0].Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v", err)
			}
		}
	})
	if after := openFiles(t); after > before+4 {
		t.Errorf("%d open files, then %d", before, after)
	}
}

func openFiles(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Many connections at once, with writes that wait for their reader and reads that wait for
// a writer: all bytes come, in their order.
func TestConnTraffic(t *testing.T) {
	const each = 100
	var all sync.WaitGroup
	for i := range 100 {
		server, client := connPair(t)
		deadline := time.Now().Add(30 * time.Second)
		server.SetDeadline(deadline)
		client.SetDeadline(deadline)
		all.Go(func() { // sends back what comes
			buf := make([]byte, 1+rand.IntN(100_000))
			for {
				n, err := server.Read(buf)
				if err == nil {
					_, err = server.Write(buf[:n])
				}
				if err != nil {
					if err != io.EOF {
						t.Errorf("connection %d: %v", i, err)
					}
					server.Close()
					return
				}
			}
		})
		all.Go(func() {
			var sent bytes.Buffer
			pieces := make([][]byte, each)
			for k := range pieces {
				pieces[k] = bytes.Repeat(fmt.Appendf(nil, "%d.%d ", i, k), 1+rand.IntN(2000))
				sent.Write(pieces[k])
			}
			all.Go(func() {
				for _, p := range pieces {
					client.Write(p)
				}
				client.CloseWrite()
			})
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, sent.Bytes()) {
				t.Errorf("connection %d: %d bytes of %d, %v", i, len(got), sent.Len(), err)
			}
		})
	}
	all.Wait()
}

// A client that begins to read late gets all of what is more than the system holds.
func TestConnSlowReader(t *testing.T) {
	server, client := connPair(t)
	data := make([]byte, 32<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	go func() {
		if n, err := server.Write(data); n != len(data) || err != nil {
			t.Errorf("%d bytes written, %v", n, err)
		}
		server.Close()
	}()
	time.Sleep(20 * time.Millisecond)
	client.SetDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}
}
