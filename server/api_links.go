package server

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
)

// signedLink is a link that was made.
type signedLink struct {
	URL    string     `json:"url"`
	Token  string     `json:"token,omitempty"`
	Expiry *time.Time `json:"expiry,omitempty"`
}

// makeLink makes a link to a picture, or a token for a container: POST /links.
func (s *Server) makeLink(ctx *fasthttp.RequestCtx) (any, error) {
	var req struct {
		Name        string    `json:"name"`
		Permissions string    `json:"permissions"`
		Start       time.Time `json:"start"`
		Expiry      time.Time `json:"expiry"`
	}
	if err := readJSON(ctx, &req, maxRequest); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	if req.Permissions == "" {
		req.Permissions = "r"
	}
	if req.Start.IsZero() {
		req.Start = now
	}
	if req.Expiry.IsZero() {
		req.Expiry = now.Add(tokenLife)
	}
	container, blob, _ := strings.Cut(req.Name, "/")
	made := signedLink{URL: s.pictureURL(req.Name)}
	switch {
	case !req.Expiry.After(req.Start) || !req.Expiry.After(now) || req.Expiry.Sub(now) > s.cfg.MaxTokenLife:
		return nil, fmt.Errorf("%w: expiry: want a time after now and the start, and not later than in %v", errRequest, s.cfg.MaxTokenLife)
	case isGroup(container):
		id, err := sign.ParseFileID(req.Name)
		if err != nil {
			return nil, err
		}
		if secret := s.cfg.Secrets().TokenSecret; secret != "" {
			ts := req.Expiry.Add(-s.cfg.TokenTTL).Unix()
			made.Token = fmt.Sprintf("token=%s&ts=%d", sign.FastDFSToken(id.Path(), secret, ts), ts)
		}
	case CheckContainer(container) != nil:
		return nil, fmt.Errorf("%w: name %q: %w", errRequest, req.Name, CheckContainer(container))
	case req.Permissions != "r" || !isPublic(s.cfg.Apps, container):
		var err error
		made.Token, err = s.token(container, blob, req.Permissions, req.Start, req.Expiry)
		if errors.Is(err, sign.ErrPermissionSyntax) {
			err = fmt.Errorf("%w: permissions %q: want letters of racwdl, in that order", errRequest, req.Permissions)
		}
		if err != nil {
			return nil, err
		}
	}
	if made.Token != "" {
		expiry := req.Expiry.UTC().Truncate(time.Second)
		made.URL, made.Expiry = made.URL+"?"+made.Token, &expiry
		s.audit(ctx, Event{Event: "token", App: s.owner(container), Name: req.Name})
	}
	return made, nil
}

// explainLink says why a link works or not: POST /links/explain.
func (s *Server) explainLink(ctx *fasthttp.RequestCtx) (any, error) {
	var req struct{ URL, At, IP string }
	if err := readJSON(ctx, &req, maxRequest); err != nil {
		return nil, err
	}
	now, ip := s.cfg.Now(), netip.Addr{}
	var err1, err2 error
	if req.At != "" {
		now, err1 = sign.ParseTime(req.At)
	}
	if req.IP != "" {
		ip, err2 = netip.ParseAddr(req.IP)
	}
	if err := errors.Join(err1, err2); err != nil || req.URL == "" {
		return nil, errors.Join(fmt.Errorf("%w: want a url, and a time and an address if any", errRequest), err)
	}
	e := s.cfg.Keys().Explain(req.URL, now, ip)
	findings := []fields{}
	for _, f := range e.Findings {
		findings = append(findings, fields{{"name", f.Name}, {"ok", f.OK}, {"text", f.Text}})
	}
	return fields{
		{"kind", e.Kind}, {"valid", e.Valid}, {"string_to_sign", e.StringToSign}, {"signature", e.Signature}, {"time", e.Time},
		{"permissions", e.Permissions}, {"resource", e.Resource}, {"findings", findings}, {"answer", e.Answer}, {"there", e.There},
	}, nil
}
