package server

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// routes is every URL that the server answers. Whatever is not here is a picture.
func (s *Server) routes() fasthttp.RequestHandler {
	r := router.New()
	// The router matches the raw path, as everything here does; a redirect would
	// carry the client's Host header into Location.
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = true
	r.HandleOPTIONS = false

	// dfsapi: dfsapi.md
	r.POST("/dfsapi/v2/saveImage", s.cors(s.dfsapi(s.saveImage)))
	r.GET("/dfsapi/v2/gainImage", s.cors(s.gainReply))
	r.HEAD("/dfsapi/v2/gainImage", s.cors(s.gainReply))
	s.preflight(r, "/dfsapi/v2/saveImage", "/dfsapi/v2/gainImage")

	// QStorage: qstorage.md; clients in the field prefix a version
	for _, prefix := range []string{"", "/{version:v[0-9]+}", "/qstorage/public/{version:v[0-9]+}"} {
		route := func(path string, h handler, methods ...string) {
			for _, m := range methods {
				r.Handle(m, prefix+path, s.cors(s.qstorage(h)))
			}
		}
		route("/picture/upload", s.uploadPicture, "POST")
		route("/picture/delete", s.deletePicture, "GET", "POST", "DELETE")
		route("/portrait", s.putPortrait, "POST")
		route("/portrait", s.deletePortrait, "DELETE")
		s.preflight(r, prefix+"/picture/upload", prefix+"/picture/delete", prefix+"/portrait")
		for _, path := range []string{"/sastoken/{resource}", "/picture/sastoken/{resource}"} {
			route(path, s.sasToken, "GET")
			route(path+"/read", s.sasToken, "GET")
			s.preflight(r, prefix+path, prefix+path+"/read")
		}
	}

	// the server itself
	for path, h := range map[string]fasthttp.RequestHandler{"/healthz": s.healthz, "/readyz": s.readyz, "/metrics": s.metrics} {
		r.GET(path, h)
		r.HEAD(path, h)
	}
	s.routeConsole(r)
	s.routeAPI(r)
	s.routeDocs(r)

	r.NotFound = s.unrouted(r)
	r.MethodNotAllowed = s.wrongMethod
	return r.Handler
}

// unrouted answers what no route has: an API with a slash at its end, which is
// tolerated; nothing, below the paths of the operator; else a picture, at
// /{group}/M00/HH/LL/{file} or by blob.md.
func (s *Server) unrouted(r *router.Router) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		path := strings.TrimSuffix(string(ctx.URI().PathOriginal()), "/")
		if api, _ := r.Lookup(string(ctx.Method()), path, ctx); api != nil && path != "/" { // from where it would come back here
			api(ctx)
			return
		}
		switch first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); {
		case first == "api":
			drain(ctx)
			s.apiError(ctx, errNoOperation)
		case slices.Contains(ours, first):
			ctx.SetStatusCode(fasthttp.StatusNotFound)
		default:
			s.pictures(ctx)
		}
	}
}

// wrongMethod answers what a route has under another method. The router has set Allow.
func (s *Server) wrongMethod(ctx *fasthttp.RequestCtx) {
	if string(firstSegment(ctx)) == "api" {
		drain(ctx)
		s.apiError(ctx, errVerb)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
	ctx.SetBodyString(fasthttp.StatusMessage(fasthttp.StatusMethodNotAllowed))
}

func (s *Server) preflight(r *router.Router, paths ...string) {
	for _, path := range paths {
		r.OPTIONS(path, s.cors(nil))
	}
}

// picture tells the two kinds of picture URLs apart.
func (s *Server) picture(ctx *fasthttp.RequestCtx) {
	if isGroup(firstSegment(ctx)) {
		s.linkReply(ctx)
		return
	}
	s.blobReply(ctx)
}

// firstSegment is that of the raw path.
func firstSegment(ctx *fasthttp.RequestCtx) []byte {
	first, _, _ := bytes.Cut(bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte("/")), []byte("/"))
	return first
}

// route passes a request to a route, or what can be on none past them.
func (s *Server) route(ctx *fasthttp.RequestCtx) (any, error) {
	first := firstSegment(ctx)
	if len(first) == 0 || reserved[string(first)] || isVersion(first) {
		s.router(ctx)
	} else {
		s.pictures(ctx)
	}
	return nil, nil
}

// isVersion says whether a first path segment is the prefix of an API: "v" and digits.
func isVersion(segment []byte) bool {
	digits, ok := bytes.CutPrefix(segment, []byte("v"))
	return ok && len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0
}

// handle is the first and last that sees a request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	framed := isFramed(ctx)
	if len(s.cfg.TrustedProxies) > 0 {
		s.forwarded(ctx)
	}
	if !framed {
		s.badRequest(ctx, errFraming)
		s.refused(ctx, errFraming, true)
		s.logged(ctx)
		return
	}
	guard(ctx)
	if _, err := s.call(ctx, s.route); err != nil {
		ctx.Response.Reset()
		guard(ctx)
		ctx.SetStatusCode(fasthttp.StatusInternalServerError)
	}
	n := sent(ctx)
	s.history.answered(ctx.Response.StatusCode(), n)
	if n > int(bodyRate*writeTimeout/time.Second) && !ctx.Response.SkipBody {
		ctx.SetWriteDeadline(time.Now().Add(writeTimeout + time.Duration(n/bodyRate)*time.Second)) // if it fails, so will the answer
	}
	s.logged(ctx)
}

// guard sets the headers that keep an uploaded file from acting as a page of this
// server, on every answer. The console and the documentation replace the policy with
// their own.
func guard(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.SetCanonical([]byte("X-Content-Type-Options"), []byte("nosniff"))
	h.SetCanonical([]byte("Content-Security-Policy"), []byte("default-src 'none'; sandbox"))
}
