package server

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

// Failures of picture URLs, besides those of sign and store (blob.md section 5).
var (
	errURI      = errors.New("path is not well formed")
	errResource = errors.New("no such resource")
	errVerb     = errors.New("method is not served here")
	errDisabled = errors.New("the container's application is disabled")
)

// address is what a picture URL points at: blob.md section 3. A container
// without a blob, or neither, is a whole container or account.
type address struct{ container, blob string }

func (a address) name() string { return a.container + "/" + a.blob }

// parseAddress reads the raw path of a request: percent-decoded exactly once,
// never cleaned, since "//" and a "/" at the end are part of a blob's name. The
// account may come first, in the path or in the host.
func parseAddress(rawPath, host, account string) (address, error) {
	path, err := decodePath(rawPath)
	if err != nil {
		return address{}, err
	}
	if label, _, _ := strings.Cut(host, "."); label != account || !strings.Contains(host, ".") {
		if first, rest, _ := strings.Cut(path, "/"); first == account {
			path = rest
		}
	}
	container, blob, _ := strings.Cut(strings.ReplaceAll(path, `\`, "/"), "/") // as Azure does
	a := address{container, blob}
	switch {
	case container == "":
		return a, nil
	case reserved[container] || isGroup(container) || container == account:
		return a, errResource
	case utf8.RuneCountInString(blob) > 1024:
		return a, fmt.Errorf("%w: blob name of more than 1024 characters", errURI)
	case strings.HasPrefix(container, trashPrefix):
		// a trashed picture's container is a container with a prefix, and so may
		// be longer than one
		return a, CheckContainer(strings.TrimPrefix(container, trashPrefix))
	}
	return a, CheckContainer(container)
}

// decodePath decodes a raw path once and drops its first slash.
func decodePath(raw string) (string, error) {
	path, err := url.PathUnescape(strings.TrimPrefix(raw, "/"))
	if err != nil || !utf8.ValidString(path) || strings.Contains(path, "\x00") {
		return "", errURI
	}
	return path, nil
}

// blobRequest is a request for a container or blob whose token holds.
type blobRequest struct {
	address
	token   sign.Token
	secrets *Secrets  // it was checked with
	app     store.App // whose container it is; zero: nobody's
}

// operation is one row of blob.md section 4: the permissions of which a token
// needs one, and what it permits.
type operation struct {
	need string
	do   func(*Server, *fasthttp.RequestCtx, blobRequest) error
}

// operations on a blob, by method and comp.
var operations = map[string]operation{
	"GET":            {"r", (*Server).getBlob},
	"HEAD":           {"r", (*Server).getBlob},
	"PUT":            {"wc", (*Server).putBlob},
	"PUT block":      {"w", (*Server).putBlock},
	"PUT blocklist":  {"w", (*Server).putBlockList},
	"PUT metadata":   {"w", (*Server).setMetadata},
	"PUT properties": {"w", (*Server).setProperties},
	"DELETE":         {"d", (*Server).deleteBlob},
}

// operationOf tells what a request wants. What is asked of a container or an
// account, but for the list, is what no token permits.
func operationOf(ctx *fasthttp.RequestCtx, a address) (operation, error) {
	comp, err1 := query(ctx, "comp")
	restype, err2 := query(ctx, "restype")
	if err := errors.Join(err1, err2); err != nil {
		return operation{}, err
	}
	method := string(ctx.Method())
	trashed := strings.HasPrefix(a.container, trashPrefix)
	if a.blob == "" || restype != "" {
		if a.container != "" && a.blob == "" && restype == "container" && comp == "list" && method == "GET" {
			return operation{"l", (*Server).listBlobs}, nil
		}
		return operation{}, nil
	}
	op, ok := operations[strings.TrimSuffix(method+" "+comp, " ")]
	switch {
	case !ok:
		return operation{}, errVerb
	case trashed && op.need != "r":
		return operation{}, nil
	}
	return op, nil
}

// blob answers picture URLs: blob.md.
func (s *Server) blob(ctx *fasthttp.RequestCtx) error {
	secrets := s.cfg.Secrets()
	if len(ctx.Request.Header.PeekCanonical([]byte(fasthttp.HeaderOrigin))) > 0 && s.haveOrigins() {
		return s.blobOf(ctx, secrets)
	}
	if read := s.grants.find(ctx, secrets, s.cfg.Now()); read != nil {
		return read(ctx)
	}
	return s.blobOf(ctx, secrets)
}

// blobOf is blob for a link that has to be checked: not seen before, or used by a page whose
// origin the container's application may refuse.
func (s *Server) blobOf(ctx *fasthttp.RequestCtx, secrets *Secrets) error {
	a, err := parseAddress(string(ctx.URI().PathOriginal()), string(ctx.Host()), s.cfg.Account)
	if err != nil {
		return err
	}
	op, err := operationOf(ctx, a)
	if err != nil {
		return err
	}
	token, err := s.authorize(ctx, secrets, a, op)
	if err != nil {
		return err
	}
	for _, parameter := range []string{"snapshot", "versionid"} { // there are none, and the blob itself is another
		if len(ctx.QueryArgs().Peek(parameter)) > 0 {
			return store.ErrNotFound
		}
	}
	app, err := s.cfg.Apps.App(s.owner(a.container))
	if err == nil { // the others' have no limits
		err = checkOrigin(ctx, app)
		if app.Disabled && op.need != "r" && op.need != "l" {
			err = errDisabled
		}
		if err != nil {
			return err
		}
	}
	return op.do(s, ctx, blobRequest{a, token, secrets, app})
}

// authorize checks the token of a request. Reading a public container needs none.
func (s *Server) authorize(ctx *fasthttp.RequestCtx, secrets *Secrets, a address, op operation) (sign.Token, error) {
	token, err := sign.ParseToken(string(ctx.URI().QueryString()))
	if errors.Is(err, sign.ErrNoToken) && op.need == "r" && isPublic(s.cfg.Apps, a.container) {
		return sign.Token{}, nil
	}
	if err != nil {
		return sign.Token{}, err
	}
	if a.container == "" { // no service token is for an account
		return sign.Token{}, sign.ErrPermission
	}
	return token, token.Verify(sign.Check{
		Keys:     secrets.AccountKeys,
		Resource: sign.Resource{Account: s.cfg.Account, Container: a.container, Blob: a.blob},
		Now:      s.cfg.Now(),
		IP:       remoteIP(ctx),
		HTTPS:    isHTTPS(ctx),
		Need:     op.need,
	})
}

func remoteIP(ctx *fasthttp.RequestCtx) netip.Addr {
	ip, _ := netip.AddrFromSlice(ctx.RemoteIP())
	return ip.Unmap()
}

// getBlob serves GET and HEAD. A variant that is missing is made, if it may be.
func (s *Server) getBlob(ctx *fasthttp.RequestCtx, r blobRequest) error {
	name, own := r.name(), tokenHeader(&r.token)
	read := func(ctx *fasthttp.RequestCtx) error {
		p, err := s.openBlob(name)
		if err != nil {
			return missing(ctx, err)
		}
		return s.serve(ctx, p, azureRules, own)
	}
	if until, ok := r.token.End(); ok && r.token.Signature != "" {
		s.grants.add(ctx, r.secrets, until, read)
	}
	return read(ctx)
}

func (s *Server) openBlob(name string) (*picture, error) {
	p, err := s.hot.get(s.cfg.Pictures, name, azureRules, s.cfg.Now())
	// again where the original is replaced meanwhile, which takes what was made along; a writer in a loop is outlasted
	for try := 0; errors.Is(err, store.ErrNotFound) && try < 20; try++ {
		if err = s.makeVariant(name); err == nil {
			p, err = s.hot.get(s.cfg.Pictures, name, azureRules, s.cfg.Now())
		} else if !errors.Is(err, errReplaced) {
			break
		}
	}
	return p, err
}
