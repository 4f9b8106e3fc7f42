package server

import (
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
// with a body.
func serveObject(ctx *fasthttp.RequestCtx, o store.Object, body store.Blob, r rules, modified time.Time, headers func()) error {
	h := &ctx.Response.Header
	tag, changed := etag(o), httpTime(modified)
	p, err := r.plan(ctx, o.Size, tag, changed)
	if err == nil || errors.Is(err, errNotModified) {
		h.Set(fasthttp.HeaderETag, tag)
		h.Set(fasthttp.HeaderLastModified, changed)
	}
	if errors.Is(err, errRange) {
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes */%d", o.Size))
	}
	if err != nil {
		body.Close()
		return err
	}
	h.Set(fasthttp.HeaderAcceptRanges, "bytes")
	headers()
	if p.partial {
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		h.Set(fasthttp.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", p.start, p.end-1, o.Size))
	}
	return send(ctx, body, p.start, p.end)
}

// span is what a request is answered with: the bytes [start, end).
type span struct {
	start, end int64
	partial    bool
}

// plan evaluates conditions, then the range. A HEAD has no range.
func (r rules) plan(ctx *fasthttp.RequestCtx, size int64, tag, modified string) (span, error) {
	if err := r.conditions(ctx, tag, modified); err != nil {
		return span{}, err
	}
	if ctx.IsHead() {
		return span{0, size, false}, nil
	}
	return r.requestedRange(ctx, size, tag)
}

// send makes [start, end) of body the response body. What is in memory goes out
// in one write with the headers.
func send(ctx *fasthttp.RequestCtx, body store.Blob, start, end int64) error {
	if ctx.IsHead() {
		ctx.Response.SkipBody = true
		ctx.Response.Header.SetContentLength(int(end))
		return body.Close()
	}
	data, err := body.Whole()
	if data != nil || err != nil {
		ctx.Response.SetBodyRaw(data[start:min(end, int64(len(data)))])
		return errors.Join(err, body.Close())
	}
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		body.Close()
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

// conditions evaluates the conditional headers of a read: blob.md section 7. The
// first two failing is errCondition; of the other two, either passing is enough.
func (r rules) conditions(ctx *fasthttp.RequestCtx, tag, modified string) error {
	h := &ctx.Request.Header
	ifMatch, ifNone := string(h.Peek(fasthttp.HeaderIfMatch)), string(h.Peek(fasthttp.HeaderIfNoneMatch))
	since, unmodified := string(h.Peek(fasthttp.HeaderIfModifiedSince)), string(h.Peek(fasthttp.HeaderIfUnmodifiedSince))
	if ifMatch != "" && !matches(ifMatch, tag) {
		return errCondition
	}
	if t, ok := parseHTTPTime(unmodified); ok && modifiedAfter(modified, t) {
		return errCondition
	}
	if ifNone == "*" && r.azure {
		return errUnsatisfiable
	}
	t, hasSince := parseHTTPTime(since)
	if ifNone == "" && !hasSince {
		return nil
	}
	if ifNone != "" && !matches(ifNone, tag) || hasSince && modifiedAfter(modified, t) {
		return nil
	}
	return errNotModified
}

// matches says whether a list of entity tags, quoted or not, has tag or is "*".
func matches(list, tag string) bool {
	for t := range strings.SplitSeq(list, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		if t == "*" || strings.Trim(t, `"`) == strings.Trim(tag, `"`) {
			return true
		}
	}
	return false
}

func parseHTTPTime(s string) (time.Time, bool) {
	t, err := fasthttp.ParseHTTPDate([]byte(s))
	return t, err == nil
}

// modifiedAfter compares to the second, which is what Last-Modified has.
func modifiedAfter(modified string, t time.Time) bool {
	m, ok := parseHTTPTime(modified)
	return ok && m.After(t)
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
