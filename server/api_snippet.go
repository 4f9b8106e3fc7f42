package server

import (
	"github.com/valyala/fasthttp"
)

// getSnippet sends a program that uploads: GET /snippets/{language}. Its reader puts the
// secret in.
func (s *Server) getSnippet(ctx *fasthttp.RequestCtx) (any, error) {
	key, err := query(ctx, "app")
	if err != nil {
		return nil, err
	}
	app, err := SnippetApp(s.cfg.Apps, key)
	if err != nil {
		return nil, err
	}
	language, _ := ctx.UserValue("language").(string)
	text, err := Snippet(language, SnippetValues{PublicURL: s.cfg.PublicURL, App: app.Key})
	if err != nil {
		return nil, err
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(text)
	return sentAlready{}, nil
}
