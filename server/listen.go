package server

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// spareFiles are the descriptors kept for the store and the listener.
const spareFiles = 128

// patientListener survives a process or a machine that has run out of
// descriptors or memory for sockets: fasthttp would stop serving for good. It may be
// closed more than once.
type patientListener struct {
	net.Listener
	tls   *tls.Config // nil: plain HTTP
	close func() error
}

func newPatientListener(ln net.Listener, secure *tls.Config) patientListener {
	return patientListener{ln, secure, sync.OnceValue(ln.Close)}
}

func (l patientListener) Close() error { return l.close() }

func (l patientListener) Accept() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		conn, err := l.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) &&
			!errors.Is(err, syscall.ENOBUFS) && !errors.Is(err, syscall.ENOMEM) {
			tcp, ok := conn.(*net.TCPConn)
			switch {
			case err == nil && l.tls != nil:
				return secureConn{tls.Server(conn, l.tls)}, nil
			case ok:
				return newConn(tcp), nil
			}
			return conn, err
		}
		time.Sleep(wait)
	}
}
