package server

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// conn is a connection that sends the header of an answer together with its body: as
// one call with bytes that are in memory, or ahead of a file that the system sends. To
// fasthttp it is any connection, which is told to flush the header and then to have the
// body stream write itself. What the header has of the picture alone is put in here, since
// it is the same each time.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	sending sending
}

// sending is the body of the answer that is being sent on a connection, one at a time.
type sending struct {
	conn       *conn
	picture    *picture // nil: none is being sent
	start, end int64

	head    []byte // what came to be written before the body
	parts   [2][]byte
	vector  net.Buffers
	rest    []byte // of head
	err     error
	advance func(fd uintptr) bool // sendFile
}

// newConn returns c as a conn, or as it is where the system hands out no more of it:
// what is sent on that is copied.
func newConn(c *net.TCPConn) net.Conn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c
	}
	n := &conn{TCPConn: c, raw: raw}
	n.sending.conn = n
	n.sending.advance = n.sending.sendFile
	return n
}

// Write keeps what comes ahead of a body, for the call that sends that.
func (c *conn) Write(b []byte) (int, error) {
	if c.sending.picture == nil {
		return c.TCPConn.Write(b)
	}
	c.sending.head = append(c.sending.head, b...)
	return len(b), nil
}

// begin makes [start, end) of p the body of the answer, which releases p.
func (a *sending) begin(p *picture, start, end int64) {
	a.picture, a.start, a.end, a.err = p, start, end, nil
}

// WriteTo sends head and body. What fasthttp hands over is not written to: it is on top
// of the connection.
func (a *sending) WriteTo(io.Writer) (int64, error) {
	p, size := a.picture, a.end-a.start
	a.head = append(append(a.head[:len(a.head)-len("\r\n")], p.header...), "\r\n"...)
	if p.file == nil {
		a.parts[0], a.parts[1] = a.head, p.data[a.start:a.end]
		a.vector = a.parts[:]
		n, err := a.vector.WriteTo(a.conn.TCPConn)
		return max(n-int64(len(a.head)), 0), err
	}
	a.rest = a.head
	err := a.conn.raw.Write(a.advance)
	return size - (a.end - a.start), errors.Join(err, a.err)
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
	a.picture, a.head, a.rest = nil, a.head[:0], nil
	a.parts, a.vector = [2][]byte{}, nil
	return err
}
