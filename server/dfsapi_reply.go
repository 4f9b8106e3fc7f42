package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"tintype/thumb"
)

// dfsapiCodes are the codes of dfsapi.md 1.3, with the texts of the document
// where it has one. What is not here is our fault.
var dfsapiCodes = []struct {
	err        error
	code, text string
}{
	{errNotForm, "ME01023", "parameters is error"},
	{errForm, "ME01023", "parameters is error"},
	{errNoFile, "ME01023", "parameters is error"},
	{errExtension, "ME24601", "image format error!"},
	{errDuplicate, "ME01023", "parameters is error"},
	{errAppKey, "ME01023", "parameters is error"},
	{errNoApp, "ME01002", "appKey error"},
	{errOrigin, "ME01002", "appKey error"},
	{errSign, "ME01019", "sign is not match"},
	{errLength, "ME01023", "parameters is error"},
	{errTooLarge, "ME01023", "parameters is error"},
	{errIsStorage, "ME01023", "parameters is error"},
	{errCacheTime, "ME01023", "parameters is error"},
	{thumb.ErrFormat, "ME24601", "image format error!"},
	{thumb.ErrUnsupported, "ME24601", "image format error!"},
	{thumb.ErrDamaged, "ME24601", "image format error!"},
	{thumb.ErrTooLarge, "ME01023", "parameters is error"},
	{errQuota, "ME24700", "save file to dfs failed!"},
	{errRate, "ME24700", "save file to dfs failed!"},
	{errBusy, "ME24700", "save file to dfs failed!"},
}

// dfsapi answers with the envelope of dfsapi, always with status 200, but 429 to who asks
// too often and 503 when there is too much to do. The blank behind the first comma is in every answer of the original.
func (s *Server) dfsapi(h handler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		res, err := s.limited(ctx, h)
		drain(ctx)
		code := "0"
		if err != nil {
			code, res = "ME24700", "save file to dfs failed!"
			known := false
			for _, row := range dfsapiCodes {
				if known = errors.Is(err, row.err); known {
					code, res = row.code, row.text
					break
				}
			}
			s.refused(ctx, err, known)
			tellBusy(ctx, err)
		}
		s.count("dfsapi", code)
		ctx.SetContentType("application/json")
		ctx.SetBodyString(fmt.Sprintf(`{"ERRORCODE":"%s", "RESULT":%s}`, code, plainJSON(res)))
	}
}

// plainJSON is JSON with "&", "<" and ">" as they are, as the old services wrote it.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // of our own types
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
