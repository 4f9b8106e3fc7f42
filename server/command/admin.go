package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// maxSocketPath is the longest path that every system takes for a socket.
const maxSocketPath = 100

// The admin socket speaks JSON: one request, then frames until one has Exit.
// Who can open it can open the data directory too: both are the owner's alone.
type (
	adminRequest struct {
		Args     []string `json:"args"`
		Terminal bool     `json:"terminal,omitempty"`
	}
	adminFrame struct {
		Stdout []byte `json:"stdout,omitempty"`
		Stderr []byte `json:"stderr,omitempty"`
		Exit   *int   `json:"exit,omitempty"`
	}
)

// serveAdmin answers DIR/admin.sock until the returned listener is closed.
func serveAdmin(ctx context.Context, dir string, l *live) (io.Closer, error) {
	path := filepath.Join(dir, "admin.sock")
	// a socket of a server that was killed; the lock of the data is held by now
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	short, done := shorten(dir)
	defer done()
	ln, err := net.Listen("unix", filepath.Join(short, "admin.sock"))
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // by its short name it is gone
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(ctx, conn, l)
		}
	}()
	return closer(func() error { return errors.Join(ln.Close(), os.Remove(path)) }), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// answer runs one command for a client.
func answer(ctx context.Context, conn net.Conn, l *live) {
	defer conn.Close()
	var req adminRequest
	if json.NewDecoder(io.LimitReader(conn, 1<<20)).Decode(&req) != nil {
		return
	}
	enc := json.NewEncoder(conn)
	code := run(ctx, &program{
		args:     req.Args,
		stdout:   frames(func(p []byte) error { return enc.Encode(adminFrame{Stdout: p}) }),
		stderr:   frames(func(p []byte) error { return enc.Encode(adminFrame{Stderr: p}) }),
		terminal: req.Terminal,
		live:     l,
	})
	enc.Encode(adminFrame{Exit: &code})
}

// frames writes each piece of output as one frame. It fails when the client has gone.
type frames func([]byte) error

func (f frames) Write(p []byte) (int, error) {
	if err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// forward runs the command in the server that has the data open and returns its exit
// code. An error means that there is none: nothing has been run.
func (p *program) forward() (int, error) {
	short, done := shorten(p.set.data)
	defer done()
	conn, err := net.DialTimeout("unix", filepath.Join(short, "admin.sock"), 2*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(adminRequest{p.args, p.terminal}); err != nil {
		return 0, err
	}
	dec := json.NewDecoder(conn)
	for {
		var f adminFrame
		if err := dec.Decode(&f); err != nil {
			fmt.Fprintln(p.stderr, "tintype: the server ended before the command did")
			return 1, nil
		}
		if _, err := p.stdout.Write(f.Stdout); err != nil {
			fmt.Fprintln(p.stderr, "tintype:", err)
			return 1, nil
		}
		p.stderr.Write(f.Stderr)
		if f.Exit != nil {
			return *f.Exit, nil
		}
	}
}

// shorten returns another name for dir where a socket in it would have too long
// a path. done releases it.
func shorten(dir string) (short string, done func()) {
	if len(dir)+len("/admin.sock") <= maxSocketPath || runtime.GOOS != "linux" {
		return dir, func() {}
	}
	f, err := os.Open(dir)
	if err != nil {
		return dir, func() {}
	}
	return fmt.Sprintf("/proc/self/fd/%d", f.Fd()), func() { f.Close() }
}
