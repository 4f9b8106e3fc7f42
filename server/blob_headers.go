package server

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

var (
	errHeader       = errors.New("header has a wrong value")
	errNoHeader     = errors.New("header is missing")
	errUnsupported  = errors.New("header asks for what is not supported")
	errMetadata     = errors.New("metadata is malformed")
	errMetadataSize = errors.New("metadata is larger than 8 KiB")
	errMD5Format    = errors.New("MD5 is not the base64 of 16 bytes")
)

const (
	metaPrefix      = "x-ms-meta-"
	maxMetadata     = 8 << 10 // names and values together: Azure's limit
	defaultType     = "application/octet-stream"
	maxMediaType    = 256 // what the store takes
	contentMD5      = "Content-MD5"
	msContentMD5    = "x-ms-blob-content-md5"
	msRangeMD5      = "x-ms-range-get-content-md5"
	maxRangeMD5     = 4 << 20 // of a range whose MD5 is asked for: blob.md section 6
	maxPropertySize = 1 << 10
)

// properties are the headers that are kept with a blob and given back with it, by
// the header that sets them. In an object they are attributes under their own name,
// beside the metadata as x-ms-meta-{name}; media type and MD5 have fields.
var properties = map[string]string{
	"x-ms-blob-cache-control":       fasthttp.HeaderCacheControl,
	"x-ms-blob-content-disposition": fasthttp.HeaderContentDisposition,
	"x-ms-blob-content-encoding":    fasthttp.HeaderContentEncoding,
	"x-ms-blob-content-language":    fasthttp.HeaderContentLanguage,
}

// unsupported are headers without which a write would mean something else: who
// sends one must not be told that it has been done. x-ms-structured-body frames
// the bytes.
var unsupported = []string{
	"x-ms-structured-body", "x-ms-copy-source", "x-ms-encryption-key", "x-ms-encryption-scope", "x-ms-if-tags", "x-ms-tags",
	"x-ms-lease-id", "x-ms-legal-hold", "x-ms-immutability-policy-until-date",
}

func refuseUnsupported(ctx *fasthttp.RequestCtx) error {
	for _, name := range unsupported {
		if len(ctx.Request.Header.Peek(name)) > 0 {
			return fmt.Errorf("%w: %s", errUnsupported, name)
		}
	}
	return nil
}

// setObjectProperties takes the x-ms-blob-* headers over into o. What is not sent
// is cleared.
func setObjectProperties(ctx *fasthttp.RequestCtx, o *store.Object) error {
	for from, name := range properties {
		value, err := plainHeader(ctx, from, maxPropertySize)
		if err != nil {
			return err
		}
		delete(o.Attributes, name)
		if value != "" {
			setAttribute(o, name, value)
		}
	}
	mediaType, err1 := plainHeader(ctx, "x-ms-blob-content-type", maxMediaType)
	o.MediaType = cmp.Or(mediaType, defaultType)
	sum, err2 := md5Header(ctx, msContentMD5)
	if sum != (md5Sum{}) {
		o.MD5 = sum
	}
	return errors.Join(err1, err2)
}

func setAttribute(o *store.Object, name, value string) {
	if o.Attributes == nil {
		o.Attributes = make(map[string]string)
	}
	o.Attributes[name] = value
}

// plainHeader returns a header's value, which is to be given back as it came.
func plainHeader(ctx *fasthttp.RequestCtx, name string, limit int) (string, error) {
	value, err := header(ctx, name)
	if err != nil || len(value) > limit || !isPlain(value) {
		return "", fmt.Errorf("%w: %s", errHeader, name)
	}
	return value, nil
}

// isPlain says whether both a header and XML can carry s.
func isPlain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r > 0xfffd && r < 0x10000 })
}

type md5Sum = [md5.Size]byte

// md5Header reads an MD5 as base64; zero if there is none.
func md5Header(ctx *fasthttp.RequestCtx, name string) (sum md5Sum, err error) {
	value, err := header(ctx, name)
	if err != nil {
		return md5Sum{}, fmt.Errorf("%w: %s", errHeader, name)
	}
	if value == "" {
		return md5Sum{}, nil
	}
	got, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(got) != len(sum) {
		return md5Sum{}, fmt.Errorf("%w: %s", errMD5Format, name)
	}
	return md5Sum(got), nil
}

func formatMD5(sum md5Sum) string { return base64.StdEncoding.EncodeToString(sum[:]) }

// setObjectMetadata takes the x-ms-meta-* headers over into o, in place of what it
// had. Names become lower case; Azure wants C# identifiers, which headers and XML
// can both carry.
func setObjectMetadata(ctx *fasthttp.RequestCtx, o *store.Object) error {
	for name := range o.Attributes {
		if strings.HasPrefix(name, metaPrefix) {
			delete(o.Attributes, name)
		}
	}
	size := 0
	for k, v := range ctx.Request.Header.All() {
		name, value := strings.ToLower(string(k)), string(v)
		key, isMeta := strings.CutPrefix(name, metaPrefix)
		if !isMeta {
			continue
		}
		if _, twice := o.Attributes[name]; twice || !isIdentifier(key) || !isPlain(value) {
			return errMetadata
		}
		if size += len(key) + len(value); size > maxMetadata {
			return errMetadataSize
		}
		setAttribute(o, name, value)
	}
	return nil
}

func isIdentifier(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// blobHeader returns what Azure's SDKs look for in the answer to a read besides what
// every picture tells: blob.md section 4.
func blobHeader(o *store.Object) []headerLine {
	lines := []headerLine{
		{"x-ms-blob-type", "BlockBlob"},
		{"x-ms-creation-time", httpTime(o.Created)},
		{"x-ms-lease-state", "available"},
		{"x-ms-lease-status", "unlocked"},
		{"x-ms-server-encrypted", "false"},
	}
	for name, value := range o.Attributes {
		if name != fasthttp.HeaderContentDisposition || isShown(o) {
			lines = append(lines, headerLine{name, value})
		}
	}
	if !isShown(o) {
		lines = append(lines, headerLine{fasthttp.HeaderContentDisposition, asAttachment(o.Attributes[fasthttp.HeaderContentDisposition])})
	}
	return lines
}

// tokenHeader returns a token's own reply headers.
func tokenHeader(t *sign.Token) (own []headerLine) {
	for _, l := range [...]headerLine{
		{fasthttp.HeaderCacheControl, t.CacheControl},
		{fasthttp.HeaderContentDisposition, t.ContentDisposition},
		{fasthttp.HeaderContentEncoding, t.ContentEncoding},
		{fasthttp.HeaderContentLanguage, t.ContentLanguage},
		{fasthttp.HeaderContentType, t.ContentType},
	} {
		if l.value != "" {
			own = append(own, l)
		}
	}
	return own
}

// isShown says whether a browser may show a blob: one that is a picture and is
// told to be one. Anything else is only handed out as a download.
func isShown(o *store.Object) bool {
	switch o.MediaType {
	case "image/jpeg", "image/png", "image/gif", "image/bmp", "image/webp", defaultType:
		return o.Width > 0
	}
	return false
}

// asAttachment makes a download of a Content-Disposition and keeps its parameters.
func asAttachment(disposition string) string {
	_, parameters, ok := strings.Cut(disposition, ";")
	if !ok {
		return "attachment"
	}
	return "attachment;" + parameters
}
