package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store/redistest"
)

// lossy passes on what clients and a server say to each other, until it is told to lose the
// answer to the next put of an object.
type lossy struct {
	net.Listener
	server string
	lose   atomic.Bool
	puts   atomic.Int32
}

func newLossy(t *testing.T, server string) *lossy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	l := &lossy{Listener: ln, server: server}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go l.serve(client)
		}
	}()
	return l
}

func (l *lossy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	var losing atomic.Bool
	go func() {
		defer client.Close()
		for b := make([]byte, 64<<10); ; {
			n, err := server.Read(b)
			if err != nil || losing.Load() {
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if bytes.Contains(b[:n], []byte("SET\r\n")) && bytes.Contains(b[:n], []byte(objectPrefix)) {
			l.puts.Add(1)
			if l.lose.CompareAndSwap(true, false) {
				losing.Store(true)
			}
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestRedisAnswersLost loses the answer to a put that was done: it is tried again, and known
// to be done, whether the name had to be new or not.
func TestRedisAnswersLost(t *testing.T) {
	c, servers := newClock(), redistest.Single(t)
	l := newLossy(t, servers[0].Address)
	r, err := OpenRedis(RedisOptions{Options: Options{Now: c.Now}, Addresses: []string{l.Addr().String()}}, openBucket(t, c, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, in := range []Item{shortLived(c, "first", "1"), shortLived(c, "a", "2"), shortLived(c, "a", "3")} {
		in.New = i == 0
		l.puts.Store(0)
		l.lose.Store(true)
		body, _ := io.ReadAll(in.Body)
		in.Body = bytes.NewReader(body)
		put(t, r, in)
		if got := read(t, r, in.Name); got != string(body) || l.puts.Load() != 2 {
			t.Errorf("%s = %q after %d puts, want %q after 2", in.Name, got, l.puts.Load(), body)
		}
	}
	again := shortLived(c, "first", "4")
	again.New = true
	if _, err := tryPut(r, again); !errors.Is(err, ErrExists) {
		t.Errorf("Put: %v, want ErrExists", err)
	}
}

// TestRedisFull fills the memory: what comes next is refused at once, and nothing of it is
// there; once there is room, it is taken.
func TestRedisFull(t *testing.T) {
	c := newClock()
	r := openRedis(t, redistest.Single(t, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction"), c)
	defer r.Close()
	big := strings.Repeat("x", MaxWhole)
	fits := 0
	var err error
	for ; err == nil && fits < 9; fits++ {
		in := shortLived(c, fmt.Sprint(fits), big)
		in.ID = in.Name
		_, err = tryPut(r, in)
	}
	fits--
	if !errors.Is(err, ErrFull) || fits == 0 {
		t.Fatalf("after %d: %v, want ErrFull", fits, err)
	}
	absent(t, r, fmt.Sprint(fits))
	if _, err := r.Find(fmt.Sprint(fits)); !errors.Is(err, ErrNotFound) {
		t.Errorf("Find: %v", err)
	}
	if err := del(r, "0"); err != nil {
		t.Fatal(err)
	}
	// Redis gives the memory back by and by
	waitFor(t, "for room", func() bool {
		_, err := tryPut(r, shortLived(c, "0", big))
		return err == nil
	})
	for i := range fits {
		r.is(t, fmt.Sprint(i), "redis", big)
	}
}

// TestRedisAway kills the only server: nothing is acknowledged or told to be missing until it
// is there again, with what was on its disk.
func TestRedisAway(t *testing.T) {
	c, servers := newClock(), redistest.Single(t, "--appendfsync", "always")
	r := openRedis(t, servers, c)
	defer r.Close()
	put(t, r, shortLived(c, "a", "1"))
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	servers[0].Kill()
	var all sync.WaitGroup
	for what, call := range map[string]func() error{
		"Stat":   func() error { _, err := r.Stat("a"); return err },
		"Open":   func() error { _, _, err := r.Open("nothing"); return err },
		"Find":   func() error { _, err := r.Find("nothing"); return err },
		"List":   func() error { _, err := r.List("", "", "", 1); return err },
		"Put":    func() error { _, err := tryPut(r, shortLived(c, "b", "2")); return err },
		"Delete": func() error { return del(r, "a") },
	} {
		all.Go(func() {
			if err := call(); !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: %v, want ErrUnreachable", what, err)
			}
		})
	}
	all.Wait()
	waitFor(t, "not to be ready", func() bool { return errors.Is(r.Ready(), ErrUnreachable) })
	servers[0].Start(t)
	put(t, r, shortLived(c, "b", "3"))
	r.is(t, "a", "redis", "1")
	r.is(t, "b", "redis", "3")
	waitFor(t, "to be ready", func() bool { return r.Ready() == nil })
}

// waitFor waits for what comes by itself.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("waited 30 s %s", what)
}
