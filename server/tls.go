package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"slices"
)

// secured is what of a listener's TLS is not the operator's choice; nil of nil.
func secured(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.MinVersion = tls.VersionTLS12
	c.NextProtos = slices.Concat([]string{"http/1.1"}, c.NextProtos) // fasthttp has no HTTP/2
	return c
}

// secureConn is a connection with TLS. To fasthttp it is one by its methods: the handshake
// has the time of a header.
type secureConn struct{ *tls.Conn }

// Handshake tells who speaks plain HTTP what to do, who would see nothing but an end.
func (c secureConn) Handshake() error {
	err := c.Conn.Handshake()
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && isHTTP(plain.RecordHeader[:]) {
		io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+
			"This port speaks TLS: begin the URL with https://\n")
	}
	return err
}

// isHTTP says whether a connection begins like a request.
func isHTTP(start []byte) bool {
	for _, method := range []string{"GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO"} {
		if bytes.Equal(start, []byte(method)) {
			return true
		}
	}
	return false
}
