package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
)

// sasToken hands out a token for a container or a blob: GET /sastoken/{resource}.
func (s *Server) sasToken(ctx *fasthttp.RequestCtx) (any, error) {
	resource, _ := ctx.UserValue("resource").(string)
	values := []value{
		{name: "target", max: maxValue},
		{name: "start", inURL: true, max: maxValue},
		{name: "expiry", inURL: true, max: maxValue},
		{name: "sp", inURL: true, max: maxValue},
	}
	// a target with folder and file names the blob itself
	if target, _ := header(ctx, "target"); resource == "blob" && !strings.Contains(target, "/") {
		values = append(values, value{name: "blob-name", max: maxValue})
	}
	var req tokenRequest
	c, err := s.qcall(ctx, values, func(v map[string]string) (err error) {
		req, err = s.parseTokenRequest(resource, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.owner(req.container) != c.app.Key {
		return nil, errNotOwner
	}
	token, err := s.token(req.container, req.blob, req.permissions, req.start, req.expiry)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "token", App: c.app.Key, Name: strings.TrimSuffix(req.container+"/"+req.blob, "/")})
	return fields{{"target", c.values["target"]}, {"sas_token", token}}, nil
}

// tokenRequest is what sasToken was asked for; blob is empty for a container.
type tokenRequest struct {
	container, blob, permissions string
	start, expiry                time.Time
}

func (s *Server) parseTokenRequest(resource string, v map[string]string) (tokenRequest, error) {
	if resource != "container" && resource != "blob" {
		return tokenRequest{}, fmt.Errorf("%w: resource %q", errField, resource)
	}
	container, path, _ := strings.Cut(v["target"], "/")
	req := tokenRequest{container: container}
	if err := CheckContainer(container); err != nil && len(v["target"]) <= maxValue {
		return req, fmt.Errorf("%w: target: %v", errField, err)
	}
	if resource == "blob" {
		if req.blob = v["blob-name"]; req.blob == "" {
			req.blob = path
		}
		if req.blob == "" {
			return req, fmt.Errorf("%w: blob-name", errMissing)
		}
	}
	switch v["sp"] {
	case "r", "w", "rw":
		req.permissions = v["sp"]
	default:
		return req, fmt.Errorf("%w: sp", errField)
	}
	var err error
	if req.start, err = sign.ParseTime(v["start"]); err != nil {
		return req, fmt.Errorf("%w: start", errField)
	}
	if req.expiry, err = sign.ParseTime(v["expiry"]); err != nil {
		return req, fmt.Errorf("%w: expiry", errField)
	}
	if !req.expiry.After(req.start) || req.expiry.Sub(s.cfg.Now()) > s.cfg.MaxTokenLife {
		return req, fmt.Errorf("%w: expiry %v", errField, req.expiry)
	}
	return req, nil
}

// token signs a SAS query with the current account key.
func (s *Server) token(container, blob, permissions string, start, expiry time.Time) (string, error) {
	t, err := sign.Issue(s.cfg.Secrets().AccountKeys[0],
		sign.Resource{Account: s.cfg.Account, Container: container, Blob: blob},
		sign.Token{Start: sign.FormatTime(start), Expiry: sign.FormatTime(expiry), Permissions: permissions})
	if err != nil {
		return "", err
	}
	return t.Query(), nil
}
