package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
)

// server is a running target. Its processes are a process group of their own.
type server struct {
	dir, addr string
	tintype   string // for tool
	log       string // file of everything that it prints
	cmd       *exec.Cmd
	exited    chan struct{} // closed when it has ended
}

// start starts t on a free port of the loopback interface, with its data in dir,
// and returns when it takes uploads.
func (p *plan) start(t target, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args, err := t.command(p, dir, addr)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, addr: addr, tintype: p.tintype, log: filepath.Join(p.dir, t.name+".log"), exited: make(chan struct{})}
	out, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.cmd.Wait() // how it ended does not matter; that it ended too early is noticed by uploads
		close(s.exited)
	}()
	if err := s.await(t.ready); err != nil {
		return nil, errors.Join(s.explain(err), s.stop())
	}
	return s, nil
}

// freeAddr returns an address that nobody listens on now.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// await returns when path answers 200 or, if it is empty, connections are accepted.
func (s *server) await(path string) error {
	var err error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.exited:
			return errors.New("it ended at its start")
		default:
		}
		if err = s.probe(path); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not ready after %v: %w", startTimeout, err)
}

func (s *server) probe(path string) error {
	if path == "" {
		conn, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	status, _, err := fasthttp.GetTimeout(nil, "http://"+s.addr+path, time.Second)
	if err == nil && status != fasthttp.StatusOK {
		err = fmt.Errorf("%s answers %d", path, status)
	}
	return err
}

// stop ends s and everything it started.
func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.exited
	return fmt.Errorf("it did not end within %v", stopTimeout)
}

// explain adds the end of the log to an error.
func (s *server) explain(err error) error {
	log, _ := os.ReadFile(s.log)
	if len(log) > 2000 {
		log = log[len(log)-2000:]
	}
	return fmt.Errorf("%w; its log ends with:\n%s", err, log)
}

// tool returns the line that a command of tintype prints.
func (s *server) tool(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.tintype, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("tintype %s: %w", strings.Join(args[:2], " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
