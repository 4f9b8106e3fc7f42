package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// requestTimeout bounds one upload.
const requestTimeout = 20 * time.Second

// lastID is the id of the newest upload: no two of a process share one.
var lastID atomic.Uint64

// client sends one upload at a time over a connection of its own, which it keeps.
type client interface {
	// upload returns nil when the server has acknowledged the picture of id.
	upload(id uint64) error
	close()
}

// httpClient uploads by HTTP, as a target asks.
type httpClient struct {
	target httpTarget
	body   body
	conn   fasthttp.HostClient
	req    fasthttp.Request
	resp   fasthttp.Response
}

// httpTarget is what differs between servers that speak HTTP.
type httpTarget struct {
	method, contentType string
	headers             []string // names and values in turn
	prefix, suffix      []byte   // around the picture

	// address returns path and query of an upload.
	address func(id uint64) string

	// authorize, if there is one, adds what depends on the address.
	authorize func(*fasthttp.Request)

	// status and text are those of success; a reply without the text is none.
	status int
	text   string
}

func (t httpTarget) client(addr string, picture body) *httpClient {
	c := &httpClient{target: t, body: picture.framed(t.prefix, t.suffix)}
	c.conn = fasthttp.HostClient{
		Addr:                      addr,
		MaxConns:                  1,
		MaxIdemponentCallAttempts: 1, // what is tried again is not counted as one
		ReadTimeout:               requestTimeout,
		WriteTimeout:              requestTimeout,
	}
	c.req.Header.SetMethod(t.method)
	c.req.Header.SetContentType(t.contentType)
	for i := 0; i < len(t.headers); i += 2 {
		c.req.Header.Set(t.headers[i], t.headers[i+1])
	}
	return c
}

func (c *httpClient) upload(id uint64) error {
	c.body.stamp(id)
	c.req.SetRequestURI("http://" + c.conn.Addr + c.target.address(id))
	c.req.SetBodyRaw(c.body.data)
	if c.target.authorize != nil {
		c.target.authorize(&c.req)
	}
	if err := c.conn.Do(&c.req, &c.resp); err != nil {
		return err
	}
	answer := string(c.resp.Body())
	if c.resp.StatusCode() != c.target.status || !strings.Contains(answer, c.target.text) {
		return fmt.Errorf("%s %s: %d %.300q", c.target.method, c.req.URI().Path(), c.resp.StatusCode(), answer)
	}
	return nil
}

func (c *httpClient) close() { c.conn.CloseIdleConnections() }

// redisClient uploads by SET.
type redisClient struct {
	body  body
	conn  net.Conn
	reply *bufio.Reader
	head  []byte // of the command, as far as the picture
}

func newRedisClient(addr string, picture body) (*redisClient, error) {
	conn, err := net.DialTimeout("tcp", addr, requestTimeout)
	if err != nil {
		return nil, err
	}
	return &redisClient{body: picture.framed(nil, []byte("\r\n")), conn: conn, reply: bufio.NewReader(conn)}, nil
}

func (c *redisClient) upload(id uint64) error {
	c.body.stamp(id)
	c.head = fmt.Appendf(c.head[:0], "*3\r\n$3\r\nSET\r\n$20\r\n%020d\r\n$%d\r\n", id, len(c.body.data)-2)
	if err := c.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	command := net.Buffers{c.head, c.body.data}
	if _, err := command.WriteTo(c.conn); err != nil {
		return err
	}
	switch line, err := c.reply.ReadString('\n'); {
	case err != nil:
		return err
	case line != "+OK\r\n":
		return fmt.Errorf("SET: %.300q", line)
	}
	return nil
}

func (c *redisClient) close() { c.conn.Close() }
