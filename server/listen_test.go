package server

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// poorListener has no descriptors left for its first calls.
type poorListener struct {
	net.Listener
	errs []error
}

func (l *poorListener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func TestAcceptOutlastsAWantOfDescriptors(t *testing.T) {
	l := &poorListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}}
	if _, err := newPatientListener(l, nil).Accept(); !errors.Is(err, net.ErrClosed) || len(l.errs) > 0 {
		t.Errorf("Accept: %v, %d errors left", err, len(l.errs))
	}
}

func TestFoldersNeverRepeatOrGoBack(t *testing.T) {
	var f folders
	at := time.Unix(1520987209, 837496000)
	if got := f.next(at); got != "5aa86c49cc778" {
		t.Errorf("next = %s", got)
	}
	last := f.next(at)
	for _, now := range []time.Time{at, at.Add(-time.Hour), at.Add(time.Second), at} {
		got := f.next(now)
		if got <= last || len(got) != 13 {
			t.Errorf("%s after %s", got, last)
		}
		last = got
	}
}
