package server

import (
	"errors"
	"regexp"
	"slices"

	"github.com/valyala/fasthttp"
)

// errOrigin is returned for a preflight from an origin that is not allowed.
var errOrigin = errors.New("origin is not allowed")

const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	// what web views of the field send
	corsHeaders = "App-Key, Signature-Time, Signature, Account, Resource-ID, target, blob-name, Content-Type, Range"
	corsExposed = "Content-Length, Content-Range, Content-Type, Content-MD5, ETag, Last-Modified, " +
		"x-ms-error-code, x-ms-request-id, x-ms-version, x-ms-client-request-id, x-ms-blob-type, x-ms-blob-content-md5, x-ms-creation-time"
)

// headerList is what a preflight may ask for besides corsHeaders: the SDKs send a
// dozen headers, and metadata under names of its own.
var headerList = regexp.MustCompile(`^[A-Za-z0-9_, -]{1,1000}$`)

// cors lets pages of allowed origins read the answer of h, and answers their
// preflights. These routes carry no cookie, so naming the origin gives nothing away.
func (s *Server) cors(h fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		allowed := s.allowOrigin(ctx)
		if !ctx.IsOptions() {
			h(ctx)
			return
		}
		drain(ctx)
		if !allowed {
			s.blobError(ctx, errOrigin)
			return
		}
		r := &ctx.Response.Header
		r.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
		allow := corsHeaders
		if asked := string(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestHeaders)); headerList.MatchString(asked) {
			allow += ", " + asked
		}
		r.Set(fasthttp.HeaderAccessControlAllowHeaders, allow)
		r.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
}

// allowOrigin names the request's origin in the answer if it is allowed.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) bool {
	r := &ctx.Response.Header
	if len(s.cfg.CORS) > 0 { // without an Origin too: a cache may keep the answer
		r.SetCanonical([]byte(fasthttp.HeaderVary), []byte("Origin"))
	}
	origin := string(ctx.Request.Header.PeekCanonical([]byte(fasthttp.HeaderOrigin)))
	if origin == "" {
		return false
	}
	anyOrigin := slices.Contains(s.cfg.CORS, "*")
	if !anyOrigin && !slices.Contains(s.cfg.CORS, origin) {
		return false
	}
	r.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	r.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	return true
}
