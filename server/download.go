package server

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// errRange is returned for a range that begins beyond the end.
var errRange = errors.New("range is not satisfiable")

// rules are where the two kinds of picture URLs differ.
type rules struct {
	azure bool // x-ms-range, two conditions that are peculiar, and more of a header
}

var (
	azureRules = rules{azure: true}
	nginxRules = rules{}
)

// httpTime formats a time as HTTP headers have it; "" for none.
func httpTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// serve answers GET and HEAD of a picture with its bytes, or the part of them that was
// asked for, and releases it. Headers of the link's own win over those of the picture.
// Nothing is set of an answer that fails.
func (s *Server) serve(ctx *fasthttp.RequestCtx, p *picture, r rules, own []headerLine) error {
	h := &ctx.Response.Header
	part, sum, err := span{0, p.Size, false}, p.MD5, error(nil)
	plain := asksForAll(ctx)
	if !plain {
		part, err = r.plan(ctx, p)
	}
	if err == nil && ctx.IsGet() {
		err = s.hot.load(p)
	}
	if err == nil && r.azure && !plain {
		sum, err = askedMD5(ctx, p, part)
	}
	if errors.Is(err, errRange) {
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes */%d", p.Size))
	}
	if errors.Is(err, errNotModified) {
		h.Set(fasthttp.HeaderETag, p.tag)
		h.Set(fasthttp.HeaderLastModified, httpTime(r.modified(&p.Object)))
	}
	if err != nil {
		return errors.Join(err, p.release())
	}
	ctx.SetContentType(p.MediaType)
	if r.azure && sum != (md5Sum{}) {
		var text [24]byte
		base64.StdEncoding.Encode(text[:], sum[:])
		h.SetCanonical([]byte("Content-Md5"), text[:])
	}
	if part.partial {
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", part.start, part.end-1, p.Size))
		if r.azure && p.MD5 != (md5Sum{}) {
			h.Set(msContentMD5, formatMD5(p.MD5))
		}
	}
	return send(ctx, p, part.start, part.end, own)
}

// headerLine is a header of an answer.
type headerLine struct{ name, value string }

// header returns what an answer with bytes of an object tells besides, as it is sent.
func (r rules) header(o *store.Object, tag string) []byte {
	lines := []headerLine{
		{fasthttp.HeaderETag, tag},
		{fasthttp.HeaderLastModified, httpTime(r.modified(o))},
		{fasthttp.HeaderAcceptRanges, "bytes"},
	}
	if r.azure {
		lines = append(lines, blobHeader(o)...)
	}
	var b []byte
	for _, l := range lines {
		b = append(b, l.name...)
		b = append(b, ": "...)
		b = append(b, oneLine.Replace(l.value)...)
		b = append(b, "\r\n"...)
	}
	return b
}

// oneLine is what fasthttp does to the values that it sends: a store that was damaged or
// filled by others must not add headers.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// modified is when an object that is served was last changed. What is under a
// FastDFS-style name is never.
func (r rules) modified(o *store.Object) time.Time {
	if r.azure {
		return o.LastModified()
	}
	return o.Created
}

// setLines sets the lines of an answer that fasthttp sends.
func setLines(h *fasthttp.ResponseHeader, lines []byte) {
	h.DisableNormalizing() // Azure's Python SDK looks for x-ms-meta- in lower case
	for line := range bytes.Lines(lines) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r\n")), []byte(": "))
		h.SetBytesKV(name, value)
	}
}

// span is what a request is answered with: the bytes [start, end).
type span struct {
	start, end int64
	partial    bool
}

// plan evaluates conditions, then the range. A HEAD has no range.
func (r rules) plan(ctx *fasthttp.RequestCtx, p *picture) (span, error) {
	if err := parseConditions(ctx).forRead(p.tag, r.modified(&p.Object), r.azure); err != nil {
		return span{}, err
	}
	if ctx.IsHead() {
		return span{0, p.Size, false}, nil
	}
	return r.requestedRange(ctx, p.Size, p.tag)
}

// asksForAll says whether a read has none of the headers that plan and askedMD5 look at,
// as most have none: one look at all of them costs less than one for each.
func asksForAll(ctx *fasthttp.RequestCtx) bool {
	for name := range ctx.Request.Header.All() {
		if len(name) > 4 && (string(name[:3]) == "If-" || string(name[:5]) == "Range" || string(name[:5]) == "X-Ms-") {
			return false
		}
	}
	return true
}

// askedMD5 returns what goes into Content-MD5: that of all bytes if they are sent,
// that of a range where it is asked for, otherwise zero.
func askedMD5(ctx *fasthttp.RequestCtx, p *picture, part span) (md5Sum, error) {
	asked := ctx.IsGet() && bytes.EqualFold(ctx.Request.Header.Peek(msRangeMD5), []byte("true"))
	switch {
	case asked && (!part.partial || part.end-part.start > maxRangeMD5):
		return md5Sum{}, fmt.Errorf("%w: %s", errHeader, msRangeMD5)
	case !part.partial:
		return p.MD5, nil
	case !asked:
		return md5Sum{}, nil
	}
	from, err := p.reader(part.start, part.end)
	if err != nil {
		return md5Sum{}, err
	}
	sum := md5.New()
	_, err = io.Copy(sum, from)
	return md5Sum(sum.Sum(nil)), err
}

// reader returns the bytes [start, end) of a picture that is loaded.
func (p *picture) reader(start, end int64) (io.Reader, error) {
	switch {
	case p.data != nil:
		return bytes.NewReader(p.data[start:end]), nil
	case p.file != nil:
		return io.NewSectionReader(p.file, start, end-start), nil
	}
	_, err := p.blob.Seek(start, io.SeekStart)
	return io.LimitReader(p.blob, end-start), err
}

// send makes [start, end) of a picture the response body, which releases it, and its
// header that of the response.
func send(ctx *fasthttp.RequestCtx, p *picture, start, end int64, own []headerLine) error {
	if len(own) == 0 && !ctx.IsHead() && sendDirectly(ctx, p, start, end) {
		return nil
	}
	var err error
	switch {
	case ctx.IsHead():
		ctx.Response.SkipBody = true
		ctx.Response.Header.SetContentLength(int(end))
		err = p.release()
	case p.data != nil:
		ctx.Response.SetBodyRaw(p.data[start:end])
		err = p.release()
	default:
		var from io.Reader
		if from, err = p.reader(start, end); err == nil {
			ctx.SetBodyStream(&streamed{from, p}, int(end-start))
		} else {
			err = errors.Join(err, p.release())
		}
	}
	if err != nil {
		return err
	}
	setLines(&ctx.Response.Header, p.header)
	for _, l := range own {
		ctx.Response.Header.Set(l.name, l.value)
	}
	return nil
}

// streamed is a body that releases its picture when fasthttp closes it.
type streamed struct {
	io.Reader
	picture *picture
}

func (b *streamed) Close() error { return b.picture.release() }

// requestedRange returns the bytes that a GET asks for: all of them, and not
// partial, where the header asks for nothing that is served (several ranges,
// other units, nonsense).
func (r rules) requestedRange(ctx *fasthttp.RequestCtx, size int64, tag string) (span, error) {
	h := &ctx.Request.Header
	text := string(h.Peek(fasthttp.HeaderRange))
	if r.azure && len(h.Peek("x-ms-range")) > 0 {
		text = string(h.Peek("x-ms-range"))
	}
	if cond := string(h.Peek(fasthttp.HeaderIfRange)); cond != "" && !matches(cond, tag) {
		return span{0, size, false}, nil
	}
	start, end, ok := parseRange(text, size, !r.azure)
	switch {
	case !ok:
		return span{0, size, false}, nil
	case start >= size:
		return span{}, errRange
	}
	return span{start, end, true}, nil
}

// parseRange reads "bytes=s-e" and "bytes=s-", and with suffixes "bytes=-n", as
// [start, end) with end cut to size. The start may lie at or beyond it.
func parseRange(text string, size int64, suffixes bool) (start, end int64, ok bool) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	if !ok {
		return 0, 0, false
	}
	first, last, ok := strings.Cut(spec, "-")
	if !ok || !allDigits(first+last) {
		return 0, 0, false
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 63)
		if err != nil {
			return 1<<62 - 1 // more digits than any size has
		}
		return n
	}
	switch {
	case first == "" && (last == "" || !suffixes):
		return 0, 0, false
	case first == "":
		n := min(number(last), size)
		if n == 0 {
			return size, size, true
		}
		return size - n, size, true
	case last == "":
		return number(first), size, true
	case number(last) < number(first):
		return 0, 0, false
	}
	return number(first), min(number(last)+1, size), true
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
