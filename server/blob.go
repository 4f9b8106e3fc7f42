package server

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

// Failures of picture URLs, besides those of sign and store (blob.md section 5).
var (
	errURI           = errors.New("path is not well formed")
	errResource      = errors.New("no such resource")
	errVerb          = errors.New("method is not served here")
	errCondition     = errors.New("condition is not met")
	errNotModified   = errors.New("not modified")
	errUnsatisfiable = errors.New("condition can never be met")
	errRange         = errors.New("range is not satisfiable")
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
	container, blob, _ := strings.Cut(path, "/")
	a := address{container, blob}
	switch {
	case container == "":
		return a, nil
	case slices.Contains(reserved, container) || isGroup(container) || container == account:
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

// operation is what a request wants of a container or blob, and the permissions
// of which one is needed: blob.md section 4. none is what no token grants.
type operation struct{ need string }

var (
	opRead = operation{"r"}
	opList = operation{"l"}
	none   = operation{""}
)

// operationOf tells the operation by method, comp and restype.
func operationOf(ctx *fasthttp.RequestCtx, a address) (operation, error) {
	args := ctx.QueryArgs()
	comp, restype := string(args.Peek("comp")), string(args.Peek("restype"))
	onBlob := a.blob != "" && restype == ""
	switch method := string(ctx.Method()); {
	case !onBlob && restype == "container" && comp == "list" && method == "GET":
		return opList, nil
	case !onBlob:
		return none, nil
	case (method == "GET" || method == "HEAD") && comp == "":
		return opRead, nil
	case method == "PUT" && comp == "":
		return operation{"wc"}, nil
	case method == "PUT":
		return operation{"w"}, nil
	case method == "DELETE" && comp == "":
		return operation{"d"}, nil
	}
	return none, errVerb
}

// blob serves picture URLs: GET and HEAD of /{container}/{folder}/{file}.
func (s *Server) blob(ctx *fasthttp.RequestCtx) error {
	a, err := parseAddress(string(ctx.URI().PathOriginal()), string(ctx.Host()), s.cfg.Account)
	if err != nil {
		return err
	}
	op, err := operationOf(ctx, a)
	if err != nil {
		return err
	}
	token, err := s.authorize(ctx, a, op)
	if err != nil {
		return err
	}
	if op != opRead {
		return errVerb
	}
	obj, body, err := s.cfg.Pictures.Open(a.name())
	if err != nil {
		return err
	}
	return serveObject(ctx, obj, body, azureRules, obj.LastModified(), func() { blobHeaders(ctx, obj, token) })
}

// authorize checks the token of a request. Reading a public container needs none.
func (s *Server) authorize(ctx *fasthttp.RequestCtx, a address, op operation) (sign.Token, error) {
	token, err := sign.ParseToken(string(ctx.URI().QueryString()))
	if errors.Is(err, sign.ErrNoToken) && op == opRead && s.public(a.container) {
		return sign.Token{}, nil
	}
	if err != nil {
		return sign.Token{}, err
	}
	return token, token.Verify(sign.Check{
		Keys:     s.cfg.AccountKeys,
		Resource: sign.Resource{Account: s.cfg.Account, Container: a.container, Blob: a.blob},
		Now:      s.cfg.Now(),
		IP:       remoteIP(ctx),
		HTTPS:    ctx.IsTLS(),
		Need:     op.need,
	})
}

func remoteIP(ctx *fasthttp.RequestCtx) netip.Addr {
	ip, _ := netip.AddrFromSlice(ctx.RemoteIP())
	return ip.Unmap()
}

// blobHeaders sets what Azure's SDKs look for in the answer to a read: blob.md
// section 4. A token's own reply headers win over ours.
func blobHeaders(ctx *fasthttp.RequestCtx, o store.Object, t sign.Token) {
	h := &ctx.Response.Header
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("x-ms-creation-time", httpTime(o.Created))
	h.Set("x-ms-lease-state", "available")
	h.Set("x-ms-lease-status", "unlocked")
	h.Set("x-ms-server-encrypted", "false")
	h.SetContentType(o.MediaType)
	if !isPicture(o.MediaType) {
		h.Set(fasthttp.HeaderContentDisposition, "attachment")
	}
	for name, value := range map[string]string{
		fasthttp.HeaderCacheControl:       t.CacheControl,
		fasthttp.HeaderContentDisposition: t.ContentDisposition,
		fasthttp.HeaderContentEncoding:    t.ContentEncoding,
		fasthttp.HeaderContentLanguage:    t.ContentLanguage,
		fasthttp.HeaderContentType:        t.ContentType,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
}

// isPicture says whether a browser may show it: anything else is only handed
// out as a download.
func isPicture(mediaType string) bool {
	switch mediaType {
	case "image/jpeg", "image/png", "image/gif", "image/bmp", "image/webp":
		return true
	}
	return false
}

// ParseResource tells what the path of a picture URL points at, as blob does: for
// who explains a link without a request.
func ParseResource(rawPath, host, account string) (sign.Resource, error) {
	a, err := parseAddress(rawPath, host, account)
	return sign.Resource{Account: account, Container: a.container, Blob: a.blob}, err
}

// IsLink says whether a path is that of a FastDFS-style link.
func IsLink(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return isGroup(first)
}
