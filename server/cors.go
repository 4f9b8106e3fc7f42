package server

import (
	"errors"
	"net/url"
	"regexp"
	"slices"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// errOrigin is returned for a preflight, or a call of an application, from an origin that is not allowed.
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

// isOriginOfApp says whether an application has an origin of its own list. Which one is asked
// for is known later: see checkOrigin.
func (s *Server) isOriginOfApp(origin string) bool {
	return slices.ContainsFunc(s.cfg.Apps.Apps(), func(app store.App) bool { return slices.Contains(app.Origins, origin) })
}

// haveOrigins says whether an application has a list of its own.
func (s *Server) haveOrigins() bool {
	return slices.ContainsFunc(s.cfg.Apps.Apps(), func(app store.App) bool { return len(app.Origins) > 0 })
}

// checkOrigin returns errOrigin for a page of an origin that app's list does not have. Without a
// list, those of --cors may call for it.
func checkOrigin(ctx *fasthttp.RequestCtx, app store.App) error {
	if len(app.Origins) == 0 {
		return nil
	}
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	if origin == "" || slices.Contains(app.Origins, origin) {
		return nil
	}
	return errOrigin
}

// IsOrigin says whether a text is an origin as browsers send it: https://example.com.
func IsOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.Scheme+"://"+u.Host == text
}

// allowOrigin names the request's origin in the answer if it is allowed.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) bool {
	r := &ctx.Response.Header
	// without an Origin too: a cache may keep the answer; and without --cors, as applications have origins of their own
	r.SetCanonical([]byte(fasthttp.HeaderVary), []byte("Origin"))
	origin := string(ctx.Request.Header.PeekCanonical([]byte(fasthttp.HeaderOrigin)))
	if origin == "" {
		return false
	}
	anyOrigin := slices.Contains(s.cfg.CORS, "*")
	if !anyOrigin && !slices.Contains(s.cfg.CORS, origin) && !s.isOriginOfApp(origin) {
		return false
	}
	r.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	r.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	return true
}
