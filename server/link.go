package server

import (
	"errors"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

// errToken is returned for a link without a token where one is needed.
var errToken = errors.New("link needs token and ts")

// linkCodes are the statuses of FastDFS-style links: dfsapi.md section 2.2.
var linkCodes = statuses{
	{errNotModified, 304},
	{errURI, 400},
	{sign.ErrFileID, 400},
	{errToken, 400},
	{errDuplicate, 400},
	{sign.ErrMalformed, 400},
	{sign.ErrTime, 400},
	{sign.ErrSignature, 400},
	{store.ErrNotFound, 404},
	{errVerb, 405},
	{errCondition, 412},
	{errRange, 416},
	{errRate, 429},
	{store.ErrIndex, 503},
	{store.ErrUnreachable, 503},
}

// statuses are the answers of an API that has no codes of its own.
type statuses []struct {
	err    error
	status int
}

// of returns the status of err; what is not in the table is our fault.
func (s statuses) of(err error) (status int, known bool) {
	for _, row := range s {
		if errors.Is(err, row.err) {
			return row.status, true
		}
	}
	return fasthttp.StatusInternalServerError, false
}

// linkReply answers /{group}/M00/HH/LL/{file}.
func (s *Server) linkReply(ctx *fasthttp.RequestCtx) {
	_, err := s.limited(ctx, func(ctx *fasthttp.RequestCtx) (any, error) { return nil, s.link(ctx) })
	drain(ctx)
	if err != nil {
		status, known := linkCodes.of(err)
		s.refused(ctx, err, known)
		ctx.SetStatusCode(status)
		tellBusy(ctx, err)
		if status == 405 {
			ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, OPTIONS")
		}
		if status != 304 {
			ctx.SetContentType("text/plain; charset=utf-8")
			ctx.SetBodyString(fasthttp.StatusMessage(status) + "\n")
		}
	}
	s.links.count(ctx)
}

// link serves a picture of saveImage under its FastDFS-style name. A missing
// token is told before a missing picture.
func (s *Server) link(ctx *fasthttp.RequestCtx) error {
	if !ctx.IsGet() && !ctx.IsHead() {
		return errVerb
	}
	secrets := s.cfg.Secrets()
	if read := s.grants.find(ctx, secrets, s.cfg.Now()); read != nil {
		return read(ctx)
	}
	// none of its characters needs escaping, so a path with any is not canonical
	path := strings.TrimPrefix(string(ctx.URI().PathOriginal()), "/")
	var until time.Time
	if secrets.TokenSecret != "" {
		var err error
		if until, err = s.checkLinkToken(ctx, secrets.TokenSecret, path); err != nil {
			return err
		}
	}
	id, err := sign.ParseFileID(path)
	if err != nil {
		return err
	}
	tier := s.cfg.Pictures
	if strings.HasPrefix(id.Group, "cache") {
		tier = s.cfg.Cache
	}
	var own []headerLine
	if name, err := query(ctx, "filename"); err == nil && name != "" {
		own = []headerLine{{fasthttp.HeaderContentDisposition, `attachment; filename="` + safeFileName(name) + `"`}}
	}
	read := func(ctx *fasthttp.RequestCtx) error {
		p, err := s.hot.get(tier, path, nginxRules, s.cfg.Now())
		if err != nil {
			return err
		}
		return s.serve(ctx, p, nginxRules, own)
	}
	s.grants.add(ctx, secrets, until, read)
	return read(ctx)
}

// checkLinkToken returns when the token of a link ends.
func (s *Server) checkLinkToken(ctx *fasthttp.RequestCtx, secret, path string) (until time.Time, err error) {
	token, err1 := query(ctx, "token")
	ts, err2 := query(ctx, "ts")
	if err := errors.Join(err1, err2); err != nil {
		return time.Time{}, err
	}
	if token == "" || ts == "" {
		return time.Time{}, errToken
	}
	_, signed, _ := strings.Cut(path, "/")
	err = sign.VerifyFastDFSToken(signed, secret, token, ts, s.cfg.TokenTTL, s.cfg.Now())
	return sign.FastDFSTokenEnd(ts, s.cfg.TokenTTL), err
}

// safeFileName keeps what a header can carry between quotes.
func safeFileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`"\/`, r) {
			return '_'
		}
		return r
	}, name)
}
