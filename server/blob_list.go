package server

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

var (
	errMarker     = errors.New("marker is none of ours")
	errMaxResults = errors.New("maxresults is not a number from 1 on")
)

// An answer ends with the blob that takes it over maxListText bytes; maxListed is
// Azure's limit.
const (
	maxListed   = 5000
	maxListText = 8 << 20
)

// listRequest is a parsed query of List Blobs.
type listRequest struct {
	prefix, marker, delimiter, maxResults string // as sent

	from     string
	limit    int
	metadata bool
}

func parseList(ctx *fasthttp.RequestCtx) (listRequest, error) {
	values := make(map[string]string)
	for _, name := range []string{"prefix", "delimiter", "marker", "maxresults", "include"} {
		var err error
		if values[name], err = query(ctx, name); err != nil {
			return listRequest{}, err
		}
	}
	req := listRequest{
		prefix: values["prefix"], marker: values["marker"], delimiter: values["delimiter"], maxResults: values["maxresults"],
		limit: maxListed,
	}
	for part := range strings.SplitSeq(values["include"], ",") {
		req.metadata = req.metadata || part == "metadata"
	}
	if req.maxResults != "" {
		n, err := strconv.Atoi(req.maxResults)
		if err != nil && !errors.Is(err, strconv.ErrRange) || n < 1 {
			return listRequest{}, errMaxResults
		}
		req.limit = min(n, maxListed)
	}
	from, err := base64.RawURLEncoding.DecodeString(req.marker)
	if err != nil {
		return listRequest{}, errMarker
	}
	req.from = string(from)
	return req, nil
}

// listBlobs lists a container: List Blobs. The marker of the next page is the name
// that it begins with.
func (s *Server) listBlobs(ctx *fasthttp.RequestCtx, r blobRequest) error {
	req, err := parseList(ctx)
	if err != nil {
		return err
	}
	prefix := r.container + "/"
	objs, err := s.cfg.Pictures.List(prefix+req.prefix, prefix+req.from, req.delimiter, req.limit+1)
	if err != nil {
		return err
	}
	next := ""
	if len(objs) > req.limit {
		next = base64.RawURLEncoding.EncodeToString([]byte(objs[req.limit].Name[len(prefix):]))
		objs = objs[:req.limit]
	}
	var b xmlText
	b.raw(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="`, escapeXML(s.cfg.PublicURL+"/"), `" ContainerName="`, r.container, `">`)
	// Azure's Python SDK asks for the next page with what the answer says of this one
	for _, e := range [][2]string{{"Prefix", req.prefix}, {"Marker", req.marker}, {"MaxResults", req.maxResults}, {"Delimiter", req.delimiter}} {
		if isPlain(e[1]) {
			b.element(e[0], e[1])
		}
	}
	b.raw("<Blobs>")
	for _, o := range objs {
		if b.Len() > maxListText {
			next = base64.RawURLEncoding.EncodeToString([]byte(o.Name[len(prefix):]))
			break
		}
		b.object(o, o.Name[len(prefix):], req.metadata)
	}
	// without the last, empty one rclone asks for ever
	b.raw("</Blobs><NextMarker>", next, "</NextMarker></EnumerationResults>")
	ctx.SetContentType("application/xml")
	ctx.SetBodyString(b.String())
	return nil
}

// xmlText is XML in the making.
type xmlText struct{ strings.Builder }

func (b *xmlText) raw(parts ...string) {
	for _, p := range parts {
		b.WriteString(p)
	}
}

// element writes nothing for an empty value: a doubtful one breaks clients.
func (b *xmlText) element(name, value string) {
	if value != "" {
		b.raw("<", name, ">", escapeXML(value), "</", name, ">")
	}
}

// object writes a blob, or what several have in common: blob.md section 4.
func (b *xmlText) object(o store.Object, name string, metadata bool) {
	if o.Created.IsZero() {
		b.raw("<BlobPrefix>")
		b.name(name)
		b.raw("</BlobPrefix>")
		return
	}
	b.raw("<Blob>")
	b.name(name)
	b.raw("<Properties>")
	b.element("Creation-Time", httpTime(o.Created))
	b.element("Last-Modified", httpTime(o.LastModified()))
	b.element("Etag", strings.Trim(etag(o), `"`))
	b.element("Content-Length", strconv.FormatInt(o.Size, 10))
	b.element("Content-Type", o.MediaType)
	for _, name := range []string{fasthttp.HeaderContentEncoding, fasthttp.HeaderContentLanguage, fasthttp.HeaderCacheControl, fasthttp.HeaderContentDisposition} {
		b.element(name, o.Attributes[name])
	}
	if o.MD5 != (md5Sum{}) {
		b.element("Content-MD5", formatMD5(o.MD5))
	}
	b.raw("<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>")
	if metadata {
		b.raw("<Metadata>")
		for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
			if key, ok := strings.CutPrefix(name, metaPrefix); ok {
				b.raw("<", key, ">", escapeXML(o.Attributes[name]), "</", key, ">")
			}
		}
		b.raw("</Metadata>")
	}
	b.raw("</Blob>")
}

// name writes a blob's name. One with characters that XML has not, or changes, is
// percent-encoded and says so, as with Azure.
func (b *xmlText) name(name string) {
	if isPlain(name) {
		b.element("Name", name)
		return
	}
	b.raw(`<Name Encoded="true">`, url.PathEscape(name), "</Name>")
}
