package server

import (
	"fmt"
	"path"
	"strings"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

// privately is for bytes that the console shows: kept by the browser that is signed in, and
// asked for again.
const privately = "private, no-cache"

// getContent sends the bytes of a picture: GET /picture/content.
func (s *Server) getContent(ctx *fasthttp.RequestCtx) (any, error) {
	o, tier, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	r := rulesOf(o.Name)
	p, err := s.hot.get(tier, o.Name, r, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, privately)
	own := []headerLine{{fasthttp.HeaderCacheControl, privately}}
	if !isShown(&o) || ctx.QueryArgs().Has("download") {
		own = append(own, headerLine{fasthttp.HeaderContentDisposition, `attachment; filename="` + safeFileName(path.Base(o.Name)) + `"`})
	}
	return sentAlready{}, s.serve(ctx, p, r, own)
}

// rulesOf are those of the picture's own URL: it is kept with a header by them.
func rulesOf(name string) rules {
	if container, _, _ := strings.Cut(name, "/"); isGroup(container) {
		return nginxRules
	}
	return azureRules
}

// thumbnails are small pictures for the console, by digest and size.
type thumbnails = ristretto.Cache[string, thumb.Thumbnail]

// thumbnailMemory is the most that they take, in bytes, of what the cache of pictures may.
const thumbnailMemory = 32 << 20

// newThumbnails returns a cache of up to so many bytes; nil, which keeps nothing, for 0.
func newThumbnails(bytes int64) (*thumbnails, error) {
	if bytes == 0 {
		return nil, nil
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, thumb.Thumbnail]{
		NumCounters: max(bytes>>13*10, 1000), MaxCost: bytes, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		err = fmt.Errorf("cache of thumbnails: %w", err)
	}
	return c, err
}

// getThumbnail sends a small picture of a picture: GET /picture/thumbnail.
func (s *Server) getThumbnail(ctx *fasthttp.RequestCtx) (any, error) {
	o, tier, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	size, err := number(ctx, "size", 256, 16, 1024)
	if err != nil {
		return nil, err
	}
	if o.Width == 0 {
		return nil, fmt.Errorf("%w: %q", thumb.ErrFormat, o.Name)
	}
	key := fmt.Sprintf("%v-%d", o.Digest, size)
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderCacheControl, privately)
	h.Set(fasthttp.HeaderETag, `"`+key+`"`)
	if matches(string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)), `"`+key+`"`) {
		return nil, errNotModified
	}
	t, ok := s.thumbs.Get(key)
	if !ok {
		// however many ask at once, it is made once; not of another name, which may be gone
		made, err, _ := s.making.Do(key+" "+o.Name, func() (any, error) { return s.smallPicture(tier, o, int(size)) })
		if err != nil {
			return nil, err
		}
		t = made.(thumb.Thumbnail)
		s.thumbs.Set(key, t, int64(len(t.Data)))
	}
	ctx.SetContentType(t.Format.MediaType())
	ctx.Response.SetBodyRaw(t.Data)
	return sentAlready{}, nil
}

// smallPicture makes a picture of so many pixels out of the smallest variant that is large
// enough, or the object itself.
func (s *Server) smallPicture(tier store.Store, o store.Object, size int) (thumb.Thumbnail, error) {
	from := o
	if v, ok := parseVariant(o.Name); ok && v.suffix == original {
		all, err := family(tier, strings.TrimSuffix(o.Name, "_"+original+"."+v.ext))
		if err != nil {
			return thumb.Thumbnail{}, err
		}
		for _, m := range all {
			if m.Original == o.Digest && max(m.Width, m.Height) >= size && max(m.Width, m.Height) < max(from.Width, from.Height) {
				from = m.Object
			}
		}
	}
	p, err := s.hot.get(tier, from.Name, rulesOf(from.Name), s.cfg.Now())
	if err != nil {
		return thumb.Thumbnail{}, err
	}
	defer p.release()
	var made []thumb.Thumbnail
	err = s.decoding(func() error {
		data, err := s.hot.bytes(p)
		if err == nil {
			made, err = thumb.Make(data, s.cfg.Limits, size)
		}
		return err
	})
	if err != nil {
		return thumb.Thumbnail{}, err
	}
	return made[0], nil
}

// exif returns what a photographer would want to know of a picture, and where it was taken.
// What cannot be read says nothing.
func (s *Server) exif(tier store.Store, o store.Object) []exifTag {
	_, blob, err := tier.Open(o.Name)
	if err != nil {
		return nil
	}
	defer blob.Close()
	return readEXIF(blob, o.MediaType)
}
