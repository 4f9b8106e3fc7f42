package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// Failures of conditional requests: blob.md section 7.
var (
	errCondition     = errors.New("condition is not met")
	errNotModified   = errors.New("not modified")
	errUnsatisfiable = errors.New("condition can never be met")
	errConditions    = errors.New("conditions that do not go together")
	errBlobExists    = errors.New("blob exists")
)

// conditions are the conditional headers of a request.
type conditions struct {
	match, noneMatch  string    // lists of entity tags, or "*"
	since, unmodified time.Time // zero: not asked for, or not a time
}

func parseConditions(ctx *fasthttp.RequestCtx) conditions {
	h := &ctx.Request.Header
	when := func(name string) time.Time {
		text := h.Peek(name)
		if len(text) == 0 {
			return time.Time{}
		}
		t, _ := fasthttp.ParseHTTPDate(text)
		return t
	}
	return conditions{
		match: string(h.Peek(fasthttp.HeaderIfMatch)), noneMatch: string(h.Peek(fasthttp.HeaderIfNoneMatch)),
		since: when(fasthttp.HeaderIfModifiedSince), unmodified: when(fasthttp.HeaderIfUnmodifiedSince),
	}
}

// forRead evaluates the conditions of a GET or HEAD. The first two failing is
// errCondition; of the other two, either passing is enough.
func (c conditions) forRead(tag string, modified time.Time, azure bool) error {
	modified = modified.Truncate(time.Second) // which is what Last-Modified has
	switch {
	case c.match != "" && !matches(c.match, tag), !c.unmodified.IsZero() && modified.After(c.unmodified):
		return errCondition
	case c.noneMatch == "*" && azure:
		return errUnsatisfiable
	case c.noneMatch == "" && c.since.IsZero():
		return nil
	case c.noneMatch != "" && !matches(c.noneMatch, tag), !c.since.IsZero() && modified.After(c.since):
		return nil
	}
	return errNotModified
}

// parseWriteConditions is parseConditions for a change. There may be one, or one
// by tag and one by time of the same sense, of which the tag decides. One that
// cannot be read is an error: to ignore it could lose what it protects.
func parseWriteConditions(ctx *fasthttp.RequestCtx) (conditions, error) {
	c := parseConditions(ctx)
	h := &ctx.Request.Header
	given := func(name string) int { return len(h.PeekAll(name)) }
	none, since := given(fasthttp.HeaderIfNoneMatch), given(fasthttp.HeaderIfModifiedSince)
	match, unmodified := given(fasthttp.HeaderIfMatch), given(fasthttp.HeaderIfUnmodifiedSince)
	switch {
	case max(none, since, match, unmodified) > 1, none+since > 0 && match+unmodified > 0, strings.Contains(c.match+c.noneMatch, ","):
		return conditions{}, errConditions
	case since > 0 && c.since.IsZero(), unmodified > 0 && c.unmodified.IsZero(), none > 0 && c.noneMatch == "", match > 0 && c.match == "":
		return conditions{}, fmt.Errorf("%w: a condition", errHeader)
	}
	return c, nil
}

// forWrite evaluates the conditions of a change to old, which is nil where there
// is nothing yet. errBlobExists: it was to be new.
func (c conditions) forWrite(old *store.Object) error {
	if old == nil {
		if c.match != "" {
			return errCondition
		}
		return nil
	}
	tag, modified := etag(*old), old.LastModified().Truncate(time.Second)
	failed := false
	switch {
	case c.noneMatch == "*":
		return errBlobExists
	case c.noneMatch != "":
		failed = matches(c.noneMatch, tag)
	case c.match != "":
		failed = !matches(c.match, tag)
	case !c.since.IsZero():
		failed = !modified.After(c.since)
	case !c.unmodified.IsZero():
		failed = modified.After(c.unmodified)
	}
	if failed {
		return errCondition
	}
	return nil
}

// forEdit is forWrite for what needs a blob, so that there is no sense in its
// being new.
func (c conditions) forEdit(old store.Object) error {
	err := c.forWrite(&old)
	if errors.Is(err, errBlobExists) {
		return errCondition
	}
	return err
}

// missing is the error of a read of what is not there: with If-Match that is a
// condition that is not met.
func missing(ctx *fasthttp.RequestCtx, err error) error {
	if errors.Is(err, store.ErrNotFound) && len(ctx.Request.Header.Peek(fasthttp.HeaderIfMatch)) > 0 {
		return errCondition
	}
	return err
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
