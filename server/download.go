package server

import (
	"crypto/md5"
	"encoding/binary"
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
	azure bool // x-ms-range, and two conditions that are peculiar
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

// etag returns an object's strong entity tag. It changes with the bytes and with
// every replacement, so that a download in parts never mixes two versions.
func etag(o store.Object) string {
	return fmt.Sprintf(`"0x%016X"`, binary.BigEndian.Uint64(o.Digest[:])^uint64(o.LastModified().UnixMicro()))
}

// serveObject answers GET and HEAD of an object with its body, or the part of it
// that was asked for, and closes it. headers sets what only belongs to an answer
// with a body; nothing is set of an answer that fails.
func serveObject(ctx *fasthttp.RequestCtx, o store.Object, body store.Blob, r rules, modified time.Time, headers func()) error {
	h := &ctx.Response.Header
	tag := etag(o)
	p, err := r.plan(ctx, o.Size, tag, modified)
	var sum md5Sum
	if err == nil && r.azure {
		sum, err = askedMD5(ctx, o, body, p)
	}
	if errors.Is(err, errRange) {
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes */%d", o.Size))
	}
	if err == nil {
		err = send(ctx, body, p.start, p.end)
	}
	if err == nil || errors.Is(err, errNotModified) {
		h.Set(fasthttp.HeaderETag, tag)
		h.Set(fasthttp.HeaderLastModified, httpTime(modified))
	}
	if err != nil {
		return errors.Join(err, body.Close())
	}
	if sum != (md5Sum{}) {
		h.Set(contentMD5, formatMD5(sum))
	}
	if r.azure && p.partial && o.MD5 != (md5Sum{}) {
		h.Set(msContentMD5, formatMD5(o.MD5))
	}
	h.Set(fasthttp.HeaderAcceptRanges, "bytes")
	if p.partial {
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", p.start, p.end-1, o.Size))
	}
	headers()
	return nil
}

// span is what a request is answered with: the bytes [start, end).
type span struct {
	start, end int64
	partial    bool
}

// plan evaluates conditions, then the range. A HEAD has no range.
func (r rules) plan(ctx *fasthttp.RequestCtx, size int64, tag string, modified time.Time) (span, error) {
	if err := parseConditions(ctx).forRead(tag, modified, r.azure); err != nil {
		return span{}, err
	}
	if ctx.IsHead() {
		return span{0, size, false}, nil
	}
	return r.requestedRange(ctx, size, tag)
}

// askedMD5 returns what goes into Content-MD5: that of all bytes if they are sent,
// that of a range where it is asked for, otherwise zero.
func askedMD5(ctx *fasthttp.RequestCtx, o store.Object, body store.Blob, p span) (md5Sum, error) {
	asked := ctx.IsGet() && strings.EqualFold(string(ctx.Request.Header.Peek(msRangeMD5)), "true")
	switch {
	case asked && (!p.partial || p.end-p.start > maxRangeMD5):
		return md5Sum{}, fmt.Errorf("%w: %s", errHeader, msRangeMD5)
	case !p.partial:
		return o.MD5, nil
	case !asked:
		return md5Sum{}, nil
	}
	sum := md5.New()
	_, err := body.Seek(p.start, io.SeekStart)
	if err == nil {
		_, err = io.CopyN(sum, body, p.end-p.start)
	}
	return md5Sum(sum.Sum(nil)), err
}

// send makes [start, end) of body the response body, and sees to its closing where
// it returns nil. What is in memory goes out in one write with the headers.
func send(ctx *fasthttp.RequestCtx, body store.Blob, start, end int64) error {
	if ctx.IsHead() {
		ctx.Response.SkipBody = true
		ctx.Response.Header.SetContentLength(int(end))
		return body.Close()
	}
	data, err := body.Whole()
	if err != nil {
		return err
	}
	if data != nil {
		ctx.Response.SetBodyRaw(data[start:end])
		return body.Close()
	}
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		return err
	}
	ctx.SetBodyStream(&part{io.LimitReader(body, end-start), body}, int(end-start))
	return nil
}

// part is a body of which only the beginning is sent; fasthttp closes it.
type part struct {
	io.Reader
	io.Closer
}

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
