//go:build !linux

package server

import (
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

// maxFiles is 0: no files are kept open to be sent, which elsewhere would keep them from
// being removed, or gains nothing.
const maxFiles = 0

func newConn(c *net.TCPConn) net.Conn { return c }

func mapFile(*os.File, int64) []byte { return nil }
func unmap([]byte)                   {}

// sendDirectly is for connections that fasthttp does not see through; here it does.
func sendDirectly(*fasthttp.RequestCtx, *picture, int64, int64) bool { return false }
