package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

// conn is a connection whose socket is our own, and not the runtime's. It sends the header
// of an answer together with its body: as one call with bytes that are in memory, or ahead
// of a file that the system sends. To fasthttp it is any connection, which is told to flush
// the header and then to have the body stream write itself. One goroutine reads and writes.
type conn struct {
	fd            int
	local, remote net.Addr
	poller        *poller
	users         atomic.Int32 // who is in a call, and the connection while it is open: the last one closes fd
	closed        atomic.Bool
	in, out       gate
	ended         atomic.Bool // reads may stop before all that there is: at the end, or at urgent data

	// The last read took all that there was, and an answer went out since: what comes now
	// is told by the poller, and a look would be in vain.
	drained, answered bool

	sending sending
}

// newConn returns a conn in place of c, or c where the system is out of what it takes.
func newConn(c *net.TCPConn) net.Conn {
	p, err := startPoller()
	if err != nil {
		return c
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return c
	}
	fd := -1
	err2 := raw.Control(func(socket uintptr) { fd, err = unix.FcntlInt(socket, unix.F_DUPFD_CLOEXEC, 0) })
	if errors.Join(err, err2) != nil {
		return c
	}
	n := &conn{fd: fd, local: c.LocalAddr(), remote: c.RemoteAddr(), poller: p}
	n.in.setup(p)
	n.out.setup(p)
	n.users.Store(1)
	n.sending.conn = n
	if p.add(n) != nil {
		unix.Close(fd)
		return c
	}
	c.Close()
	return n
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.setDeadline(t); return nil }
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// wake tells c of events.
func (c *conn) wake(events uint32) {
	const broken = unix.EPOLLHUP | unix.EPOLLERR
	if events&(unix.EPOLLRDHUP|unix.EPOLLPRI|broken) != 0 {
		c.ended.Store(true)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 {
		c.in.set()
	}
	if events&(unix.EPOLLOUT|broken) != 0 {
		c.out.set()
	}
}

// retain keeps the descriptor for a call, until release.
func (c *conn) retain() error {
	for n := c.users.Load(); n > 0 && !c.closed.Load(); n = c.users.Load() {
		if c.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
	return net.ErrClosed
}

func (c *conn) release() {
	if c.users.Add(-1) == 0 {
		c.in.stop()
		c.out.stop()
		c.poller.remove(c)
		unix.Close(c.fd)
	}
}

// Close ends the connection, and a call that waits.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.in.ring()
	c.out.ring()
	c.release()
	return nil
}

// Read reads what there is, or waits for it.
func (c *conn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := c.retain(); err != nil {
		return 0, err
	}
	defer c.release()
	wait := c.drained && c.answered && !c.ended.Load()
	c.answered = false
	for {
		if wait {
			if err := c.in.wait(); err != nil {
				return 0, err
			}
			if c.closed.Load() {
				return 0, net.ErrClosed
			}
		}
		switch n, errno := readNow(c.fd, b); errno {
		case 0:
			c.drained = n < len(b)
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		case syscall.EINTR:
			wait = false
		case syscall.EAGAIN:
			wait = true
		default:
			return 0, os.NewSyscallError("read", errno)
		}
	}
}

// Write sends b, or keeps it if it comes ahead of a body, for the call that sends that.
func (c *conn) Write(b []byte) (int, error) {
	a := &c.sending
	if a.picture != nil {
		a.head = append(a.head, b...)
		return len(b), nil
	}
	a.rest = b
	err := c.push()
	sent := len(b) - len(a.rest)
	a.rest = nil
	return sent, err
}

// push sends all of what is being sent.
func (c *conn) push() error {
	if err := c.retain(); err != nil {
		return err
	}
	defer c.release()
	c.answered = true
	for {
		switch errno := c.sending.advance(); errno {
		case 0:
			return nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			return os.NewSyscallError("send", errno)
		}
		if err := c.out.wait(); err != nil {
			return err
		}
		if c.closed.Load() {
			return net.ErrClosed
		}
	}
}

// sending is what is being sent on a connection: bytes, and of an answer with a picture the
// header ahead of its body.
type sending struct {
	conn       *conn
	picture    *picture // nil: no body is being sent
	start, end int64    // of it, to be sent from its file
	head       []byte   // what came to be written before the body
	rest, body []byte   // still to be sent before anything of a file
	message    message
}

// sendDirectly makes [start, end) of p the body of the answer, and what its header has of
// the picture a part of that. The answer releases p. false: that is not possible.
func sendDirectly(ctx *fasthttp.RequestCtx, p *picture, start, end int64) bool {
	c, ok := ctx.Conn().(*conn)
	if !ok || p.data == nil && p.file == nil {
		return false
	}
	c.sending.picture, c.sending.start, c.sending.end = p, start, end
	ctx.Response.ImmediateHeaderFlush = true
	ctx.SetBodyStream(&c.sending, int(end-start))
	return true
}

// WriteTo sends head and body. What fasthttp hands over is not written to: it is on top
// of the connection.
func (a *sending) WriteTo(io.Writer) (int64, error) {
	p, size := a.picture, a.end-a.start
	a.head = append(append(a.head[:len(a.head)-len("\r\n")], p.header...), "\r\n"...)
	a.rest = a.head
	if data := p.inMemory(); data != nil {
		a.body, a.start = data[a.start:a.end], a.end
	}
	err := a.conn.push()
	return size - int64(len(a.body)) - (a.end - a.start), err
}

// inMemory returns what the system can send from as from memory; nil: there is none.
func (p *picture) inMemory() []byte {
	if p.mapped != nil {
		return p.mapped
	}
	return p.data
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (a *sending) SupportsBodyWriteTo() bool { return true }

// Read is never called, since fasthttp prefers WriteTo.
func (a *sending) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close ends the answer, sent or not.
func (a *sending) Close() error {
	if a.picture == nil {
		return nil
	}
	err := a.picture.release()
	a.picture, a.start, a.end, a.head, a.rest, a.body = nil, 0, 0, a.head[:0], nil, nil
	return err
}
