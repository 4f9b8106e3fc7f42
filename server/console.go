package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"mime"
	"path"
	"sync"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"tintype/web"
)

const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) routeConsole(r *router.Router) {
	r.ANY("/", func(ctx *fasthttp.RequestCtx) {
		if !ctx.IsGet() || ctx.QueryArgs().Len() > 0 { // of the account, by an SDK
			r.NotFound(ctx)
			return
		}
		ctx.Response.Header.Set(fasthttp.HeaderLocation, "/console/")
		ctx.SetStatusCode(fasthttp.StatusFound)
	})
	r.GET("/console/{file:*}", s.consoleFile)
}

// asset is a file of the console as it is sent.
type asset struct {
	data, zipped []byte // zipped: by gzip
	tag          string
}

// assets has every file of the console by name.
var assets = sync.OnceValue(func() map[string]asset {
	all := make(map[string]asset)
	fs.WalkDir(web.Files, ".", func(name string, _ fs.DirEntry, _ error) error {
		data, err := web.Files.ReadFile(name)
		if err != nil {
			return nil // a folder
		}
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		w.Write(data) // into memory
		w.Close()
		sum := sha256.Sum256(data)
		all[name] = asset{data, b.Bytes(), `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`} // weak: zipped or not, it is the same
		return nil
	})
	return all
})

// consoleFile sends a file of the console, which browsers keep and ask for again.
func (s *Server) consoleFile(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("file").(string)
	if name == "" {
		name = "index.html"
	}
	file, ok := assets()[name]
	if !ok {
		ctx.SetStatusCode(fasthttp.StatusNotFound)
		return
	}
	h := &ctx.Response.Header
	h.Set("Content-Security-Policy", consolePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set(fasthttp.HeaderCacheControl, "no-cache")
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	h.Set(fasthttp.HeaderETag, file.tag)
	if string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)) == file.tag {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	ctx.SetContentType(mime.TypeByExtension(path.Ext(name)))
	if ctx.Request.Header.HasAcceptEncoding("gzip") {
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
		ctx.SetBody(file.zipped)
		return
	}
	ctx.SetBody(file.data)
}
