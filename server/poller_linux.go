package server

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller tells connections what has happened to their sockets, all that are due at once
// and in their order, as the event loop of a server in C does. The runtime's own one looks
// at sockets only when there is nothing else to do, and at the last first: among 128
// connections, some wait three times as long as others. It has no goroutine: one of the
// connections that wait polls for all, so that a single one is not woken by another.
type poller struct {
	fd     int // of the epoll
	raw    syscall.RawConn
	kicks  int           // an eventfd among what fd looks at
	lead   chan struct{} // has room for one: nobody polls
	events [256]unix.EpollEvent

	mu    sync.Mutex
	conns map[int32]*conn // by descriptor
}

var startPoller = sync.OnceValues(func() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = unix.SetNonblock(fd, true) // so that os.File waits for events as for bytes
	file := os.NewFile(uintptr(fd), "epoll")
	p := &poller{fd: fd, lead: make(chan struct{}, 1), conns: make(map[int32]*conn)}
	var err2, err3 error
	p.raw, err2 = file.SyscallConn()
	p.kicks, err3 = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := p.watch(p.kicks, unix.EPOLLIN); err != nil {
		return nil, errors.Join(err, file.Close(), unix.Close(p.kicks))
	}
	p.lead <- struct{}{}
	return p, nil
})

func (p *poller) watch(fd int, events uint32) error {
	err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: events | unix.EPOLLET})
	return os.NewSyscallError("epoll_ctl", err)
}

func (p *poller) add(c *conn) error {
	p.mu.Lock()
	p.conns[int32(c.fd)] = c
	p.mu.Unlock()
	err := p.watch(c.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLPRI)
	if err != nil {
		p.remove(c)
	}
	return err
}

// remove forgets c, whose descriptor is about to be closed and may be another's then.
func (p *poller) remove(c *conn) {
	p.mu.Lock()
	delete(p.conns, int32(c.fd))
	p.mu.Unlock()
}

// poll passes on what is due, and returns how much that was.
func (p *poller) poll() int {
	n, err := unix.EpollWait(p.fd, p.events[:], 0)
	for err == syscall.EINTR {
		n, err = unix.EpollWait(p.fd, p.events[:], 0)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[:max(n, 0)] {
		if c := p.conns[e.Fd]; c != nil {
			c.wake(e.Events)
		}
	}
	return n
}

// kick has who polls look at its own gate.
func (p *poller) kick() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1) // of 2^64 that it counts
	unix.Write(p.kicks, one[:])
}

// gate is where the goroutine of a connection waits until its socket may be read or
// written again, or until a deadline. A deadline costs a timer only when it is waited for,
// and none when the one that runs ends before it.
type gate struct {
	poller  *poller
	open    chan struct{} // has room for one: something may have happened
	until   atomic.Int64  // the deadline, in nanoseconds since began; 0: none
	rings   atomic.Int64  // when the timer does; 0: it does not run
	timer   *time.Timer
	waiting atomic.Bool
	polling atomic.Bool                  // for all
	lead    func(fd uintptr) (done bool) // g.pollForAll
}

var began = time.Now()

func (g *gate) setup(p *poller) {
	g.poller, g.open, g.lead = p, make(chan struct{}, 1), g.pollForAll
}

// set lets who waits look again, or who comes next. Who polls sees it by itself.
func (g *gate) set() {
	select {
	case g.open <- struct{}{}:
	default:
	}
}

// ring is set for all others than who polls.
func (g *gate) ring() {
	g.set()
	if g.polling.Load() {
		g.poller.kick()
	}
}

func (g *gate) setDeadline(t time.Time) {
	until := int64(0)
	if !t.IsZero() {
		until = max(int64(t.Sub(began)), 1)
	}
	g.until.Store(until)
	if g.waiting.Load() {
		g.ring()
	}
}

// wait returns when the gate was rung, and os.ErrDeadlineExceeded after the deadline.
func (g *gate) wait() error {
	g.waiting.Store(true)
	defer g.waiting.Store(false)
	if until := g.until.Load(); until != 0 {
		left := time.Duration(until) - time.Since(began)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		g.ringAt(until, left)
	}
	select {
	case <-g.open:
		return nil
	case <-g.poller.lead:
	}
	g.polling.Store(true)
	defer func() {
		g.polling.Store(false)
		g.poller.lead <- struct{}{}
	}()
	return g.poller.raw.Read(g.lead)
}

// pollForAll polls until the gate itself is rung.
func (g *gate) pollForAll(uintptr) (done bool) {
	for {
		select {
		case <-g.open:
			return true
		default:
		}
		switch n := g.poller.poll(); {
		case n <= 0:
			return false // called again when there is something
		case n > 1:
			runtime.Gosched() // who was woken goes first
		}
	}
}

// ringAt sees to it that a timer rings no later than at a deadline, and not in vain for
// as long as one can.
func (g *gate) ringAt(until int64, left time.Duration) {
	if rings := g.rings.Load(); rings != 0 && rings <= until {
		return
	}
	g.rings.Store(until)
	if g.timer == nil {
		g.timer = time.AfterFunc(left, func() {
			g.rings.Store(0)
			g.ring()
		})
		return
	}
	g.timer.Reset(left)
}

func (g *gate) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
}
