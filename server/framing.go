package server

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"
)

// errFraming is returned for a request that fasthttp reads and RFC 9112 has refused.
var errFraming = errors.New("request is not well formed")

// isFramed refuses what another reader of the same bytes could take for something else,
// as far as fasthttp lets it pass: it may be a proxy in front.
func isFramed(ctx *fasthttp.RequestCtx) bool {
	const encoding = fasthttp.HeaderTransferEncoding // looked for in the raw header: fasthttp drops one that says identity
	h := &ctx.Request.Header
	version := h.Protocol()
	switch {
	case string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0",
		bytes.IndexByte(h.RequestURI(), '#') >= 0,
		bytes.IndexByte(ctx.Host(), '@') >= 0 || len(ctx.URI().Username()) > 0:
		return false
	}
	for lines := h.RawHeaders(); len(lines) > 0; {
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			end = len(lines) - 1
		}
		name, value, _ := bytes.Cut(lines[:end+1], []byte(":"))
		switch {
		case bytes.ContainsAny(name, " \t"): // a line that goes on in the next one, or a name that ends early
			return false
		case len(name) == len(encoding) && bytes.EqualFold(name, []byte(encoding)) && !bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked")):
			return false
		}
		lines = lines[end+1:]
	}
	return true
}
