package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
	"tintype/thumb"
)

// Failures of the native API that are its own.
var (
	errSignedOut   = errors.New("sign in: with the link that tintype console prints, or a token of tintype token admin")
	errSignIn      = errors.New("the token is unknown, has been used, or its time is over; tintype console prints another link")
	errCrossSite   = errors.New("the console's cookie is for its own pages alone")
	errNoOperation = errors.New("there is no such operation; see /openapi.json")
	errRequest     = errors.New("bad request")
	errNotEmpty    = errors.New("there are pictures: a backup is restored into a server that has none")
	errNoData      = errors.New("this server has no data directory of its own")
)

// apiCodes are the statuses and codes of the native API: openapi.json. What is not here
// is our fault, and told without its reason.
var apiCodes = []struct {
	err    error
	status int
	code   string
}{
	{errNotModified, 304, ""},
	{errSignedOut, 401, "unauthorized"},
	{errSignIn, 403, "forbidden"},
	{errCrossSite, 403, "forbidden"},
	{errRequest, 400, "bad_request"},
	{ErrName, 400, "bad_request"},
	{ErrSnippet, 400, "bad_request"},
	{errURI, 400, "bad_request"},
	{errDuplicate, 400, "bad_request"},
	{errContainerLength, 400, "bad_request"},
	{errContainerName, 400, "bad_request"},
	{errResource, 400, "bad_request"},
	{errBodyInput, 400, "bad_request"},
	{errHeader, 400, "bad_request"},
	{errMetadata, 400, "bad_request"},
	{errMetadataSize, 400, "bad_request"},
	{errMD5Format, 400, "bad_request"},
	{sign.ErrFileID, 400, "bad_request"},
	{sign.ErrMalformed, 400, "bad_request"},
	{store.ErrAppKey, 400, "bad_request"},
	{store.ErrField, 400, "bad_request"},
	{store.ErrCursor, 400, "bad_request"},
	{store.ErrNotBackup, 400, "bad_request"},
	{thumb.ErrFormat, 422, "not_picture"},
	{thumb.ErrUnsupported, 422, "not_picture"},
	{thumb.ErrDamaged, 422, "not_picture"},
	{errTooLarge, 413, "too_large"},
	{thumb.ErrTooLarge, 413, "too_large"},
	{thumb.ErrTooSlow, 413, "too_large"},
	{errQuota, 403, "quota"},
	{errNoOperation, 404, "not_found"},
	{store.ErrNotFound, 404, "not_found"},
	{store.ErrApp, 404, "not_found"},
	{ErrNoTrash, 404, "not_found"},
	{errVerb, 405, "method"},
	{store.ErrExists, 409, "exists"},
	{store.ErrAppExists, 409, "exists"},
	{ErrFixedApp, 409, "conflict"},
	{errNotEmpty, 409, "conflict"},
	{errNoData, 409, "conflict"},
	{errCondition, 412, "conflict"},
	{errRange, 416, "bad_request"},
	{errRate, 429, "rate"},
	{errBusy, 503, "busy"},
	{store.ErrFull, 507, "full"},
	{store.ErrReadOnly, 503, "read_only"},
	{store.ErrIndex, 503, "internal"},
	{store.ErrUnreachable, 503, "unreachable"},
	{errInternal, 500, "internal"},
}

// apiRoutes are the operations of openapi.json, by method and path below /api/v1.
func (s *Server) apiRoutes() map[string]handler {
	return map[string]handler{
		"GET /session":                s.getSession,
		"DELETE /session":             s.signOut,
		"GET /stats":                  s.getStats,
		"GET /pictures":               s.listPictures,
		"POST /pictures":              s.addPicture,
		"GET /picture":                s.getPicture,
		"PUT /picture":                s.putPicture,
		"DELETE /picture":             s.removePicture,
		"GET /picture/content":        s.getContent,
		"GET /picture/thumbnail":      s.getThumbnail,
		"GET /containers":             s.listContainers,
		"GET /trash":                  s.listTrash,
		"POST /trash/restore":         s.restoreTrash,
		"POST /trash/purge":           s.purgeTrash,
		"GET /apps":                   s.listApps,
		"POST /apps":                  s.addApp,
		"PATCH /apps/{key}":           s.changeApp,
		"DELETE /apps/{key}":          s.removeApp,
		"POST /apps/{key}/rotate":     s.rotateApp,
		"DELETE /apps/{key}/previous": s.dropPreviousSecret,
		"POST /links":                 s.makeLink,
		"POST /links/explain":         s.explainLink,
		"GET /audit":                  s.listEvents,
		"GET /snippets/{language}":    s.getSnippet,
		"GET /backup":                 s.getBackup,
		"POST /restore":               s.postRestore,
	}
}

// routeAPI adds the native API to r. Signing in is the one operation that needs nobody
// to be signed in.
func (s *Server) routeAPI(r *router.Router) {
	const root = "/api/v1"
	r.POST(root+"/session", s.api(s.signIn))
	for operation, h := range s.apiRoutes() {
		method, path, _ := strings.Cut(operation, " ")
		r.Handle(method, root+path, s.api(s.signedIn(h)))
	}
}

// created is the result of an operation that made something: status 201.
type created struct{ value any }

// sentAlready is the result of an operation that has set its answer itself.
type sentAlready struct{}

// api answers with JSON: what h returns, or the error with its code.
func (s *Server) api(h handler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
		res, err := s.call(ctx, h)
		drain(ctx)
		if err != nil {
			s.apiError(ctx, err)
			return
		}
		switch v := res.(type) {
		case sentAlready:
			return
		case nil:
			ctx.SetStatusCode(fasthttp.StatusNoContent)
			return
		case created:
			ctx.SetStatusCode(fasthttp.StatusCreated)
			res = v.value
		}
		ctx.SetContentType("application/json")
		ctx.SetBody(plainJSON(res))
	}
}

func (s *Server) apiError(ctx *fasthttp.RequestCtx, err error) {
	row := apiCodes[len(apiCodes)-1]
	for _, r := range apiCodes {
		if errors.Is(err, r.err) {
			row = r
			break
		}
	}
	known := row.err != errInternal
	s.refused(ctx, err, known)
	ctx.SetStatusCode(row.status)
	if row.status == fasthttp.StatusNotModified {
		return
	}
	tellBusy(ctx, err)
	if !known {
		err = errInternal
	}
	var told struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	told.Error.Code, told.Error.Message = row.code, strings.TrimPrefix(err.Error(), "store: ")
	ctx.SetContentType("application/json")
	ctx.SetBody(plainJSON(told))
}

// What bounds the JSON that an operation is sent, in bytes. Errors quote names of members,
// so that anybody's, who has not signed in, is short.
const (
	maxRequest = 1 << 20
	maxSignIn  = 8 << 10
)

// readJSON reads the body of an operation, up to limit bytes, into v. A member that v does
// not have is an error: it would be a wish that is not heard.
func readJSON(ctx *fasthttp.RequestCtx, v any, limit int64) error {
	dec := json.NewDecoder(io.LimitReader(body(ctx), limit))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more behind the JSON")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: body: %v", errRequest, err)
	}
	return nil
}

// wanted returns a parameter of the query that must be there.
func wanted(ctx *fasthttp.RequestCtx, name string) (string, error) {
	text, err := query(ctx, name)
	if err == nil && text == "" {
		err = fmt.Errorf("%w: %s is missing", errRequest, name)
	}
	return text, err
}

// number returns a number of the query from least to most; missing where there is none.
func number(ctx *fasthttp.RequestCtx, name string, missing, least, most int64) (int64, error) {
	text, err := query(ctx, name)
	if text == "" || err != nil {
		return missing, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%w: %s: want %d to %d", errRequest, name, least, most)
	}
	return n, nil
}

// pageLimit is how many entries a list is asked for.
func pageLimit(ctx *fasthttp.RequestCtx) (int, error) {
	n, err := number(ctx, "limit", 100, 1, 1000)
	return int(n), err
}
