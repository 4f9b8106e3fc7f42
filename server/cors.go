package server

import (
	"errors"
	"slices"

	"github.com/valyala/fasthttp"
)

// errOrigin is returned for a preflight from an origin that is not allowed.
var errOrigin = errors.New("origin is not allowed")

const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	// what web views of the field send, and what the SDKs do
	corsHeaders = "App-Key, Signature-Time, Signature, Account, Resource-ID, target, blob-name, Content-Type, Range, " +
		"If-Match, If-None-Match, If-Modified-Since, x-ms-range, x-ms-version, x-ms-client-request-id, x-ms-blob-type, x-ms-date"
	corsExposed = "Content-Length, Content-Range, Content-Type, ETag, Last-Modified, x-ms-error-code, x-ms-request-id"
)

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
		r.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
		r.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
}

// allowOrigin names the request's origin in the answer if it is allowed.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) bool {
	r := &ctx.Response.Header
	if len(s.cfg.CORS) > 0 { // without an Origin too: a cache may keep the answer
		r.Add(fasthttp.HeaderVary, "Origin")
	}
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	anyOrigin := slices.Contains(s.cfg.CORS, "*")
	if origin == "" || !anyOrigin && !slices.Contains(s.cfg.CORS, origin) {
		return false
	}
	r.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	r.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	return true
}
