package server

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

var (
	errOverwrite = errors.New("token permits to create and not to overwrite")
	errMD5       = errors.New("MD5 differs from that of the body")
	errBodyInput = errors.New("body breaks off")
	errBlockID   = errors.New("blockid is not the base64 of 1 to 64 bytes")
)

const (
	// blockTTL is how long a staged block waits for its block list, as with Azure.
	blockTTL   = 7 * 24 * time.Hour
	maxBlockID = 64 // bytes, decoded
	// maxInspected is how much of a blob is looked at to tell what picture it is:
	// all of most, and of the others the part with the headers.
	maxInspected = 4 << 20
)

// incoming is the body of a request on its way into the store, which reads it as it
// arrives. Every error of Read is the client's.
type incoming struct {
	body    io.Reader
	left    int64 // bytes that are still allowed
	want    int64 // bytes that are still announced; 0 where it comes in chunks
	chunked bool
	md5     hash.Hash
}

// newIncoming refuses at once what says that it is larger than limit.
func newIncoming(ctx *fasthttp.RequestCtx, limit int64) (*incoming, error) {
	length := int64(ctx.Request.Header.ContentLength()) // -1: in chunks
	if length > limit {
		return nil, errTooLarge
	}
	return &incoming{body: body(ctx), left: limit, want: max(length, 0), chunked: length == -1, md5: md5.New()}, nil
}

func (u *incoming) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.md5.Write(p[:n])
	u.left -= int64(n)
	if !u.chunked {
		u.want -= int64(n)
	}
	switch {
	case u.left < 0:
		return n, errTooLarge
	case err == io.EOF && (u.want > 0 || u.chunked && !sawLastChunk(u.body)):
		return n, fmt.Errorf("%w: the connection ended before it", errBodyInput)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("%w: %v", errBodyInput, err)
	}
	return n, err
}

// sawLastChunk tells the end of a chunked body from that of its connection, which
// fasthttp returns as io.EOF too: only its unexported field does.
func sawLastChunk(body io.Reader) bool {
	if p, ok := body.(*paced); ok {
		body = p.r
	}
	eof := reflect.Indirect(reflect.ValueOf(body)).FieldByName("eof")
	return eof.IsValid() && eof.Bool()
}

// sum returns the MD5 of what was read; errMD5 if it is not what the client said.
func (u *incoming) sum(ctx *fasthttp.RequestCtx, names ...string) (sum md5Sum, err error) {
	u.md5.Sum(sum[:0])
	for _, name := range names {
		said, err := md5Header(ctx, name)
		if err != nil {
			return md5Sum{}, err
		}
		if said != (md5Sum{}) && said != sum {
			return md5Sum{}, fmt.Errorf("%w: %s", errMD5, name)
		}
	}
	return sum, nil
}

// newObject is the object that a PUT would make, with what its headers say.
func (s *Server) newObject(ctx *fasthttp.RequestCtx, r blobRequest) (store.Object, error) {
	o := store.Object{Name: r.name(), Owner: r.app.Key}
	return o, errors.Join(checkName(r.blob), refuseUnsupported(ctx), setObjectProperties(ctx, &o), setObjectMetadata(ctx, &o))
}

// checkName refuses names that some clients resolve and others do not.
func checkName(blob string) error {
	for segment := range strings.SplitSeq(blob, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("%w: dot segment", errURI)
		}
	}
	return nil
}

// putBlob stores the body: Put Blob.
func (s *Server) putBlob(ctx *fasthttp.RequestCtx, r blobRequest) error {
	o, err := s.newObject(ctx, r)
	if err != nil {
		return err
	}
	switch kind, err := header(ctx, "x-ms-blob-type"); {
	case kind == "" && err == nil:
		return fmt.Errorf("%w: x-ms-blob-type", errNoHeader)
	case kind != "BlockBlob":
		return fmt.Errorf("%w: x-ms-blob-type", errHeader)
	}
	if o.MediaType == defaultType { // the x-ms header wins
		if given := string(ctx.Request.Header.ContentType()); given != "" && len(given) <= maxMediaType && isPlain(given) {
			o.MediaType = given
		}
	}
	in, err := newIncoming(ctx, s.cfg.MaxUpload)
	if err != nil {
		return err
	}
	stored, err := s.create(ctx, r, store.Item{Object: o, Body: in, Inspect: func(o *store.Object, bytes io.ReadSeeker) (err error) {
		if o.MD5, err = in.sum(ctx, contentMD5, msContentMD5); err != nil {
			return err
		}
		return s.inspect(o, bytes)
	}})
	if err == nil {
		ctx.Response.Header.Set(contentMD5, formatMD5(stored.MD5))
	}
	return err
}

// create stores a whole blob, and with it what else belongs to it, under the
// request's conditions. They are looked at before a body that is not there yet too, so that
// nobody sends one in vain.
func (s *Server) create(ctx *fasthttp.RequestCtx, r blobRequest, blob store.Item, more ...store.Item) (store.Object, error) {
	c, err := parseWriteConditions(ctx)
	if err != nil {
		return store.Object{}, err
	}
	mayWrite := strings.Contains(r.token.Permissions, "w")
	mayCreate := func(now store.View) error {
		if mayWrite && c == (conditions{}) {
			return nil
		}
		old, err := now.Stat(blob.Name)
		if errors.Is(err, store.ErrNotFound) {
			return c.forWrite(nil)
		}
		if err == nil && !mayWrite {
			return errOverwrite
		}
		return errors.Join(err, c.forWrite(&old))
	}
	if n := ctx.Request.Header.ContentLength(); n < 0 || n > readAhead {
		if err := mayCreate(s.cfg.Pictures); err != nil {
			return store.Object{}, err
		}
	}
	blob.New = c.noneMatch == "*" || !mayWrite
	var size int64
	inspect := blob.Inspect
	blob.Inspect = func(o *store.Object, bytes io.ReadSeeker) error {
		size = o.Size
		return inspect(o, bytes)
	}
	objs, err := s.cfg.Pictures.Apply(store.Change{
		Put: append([]store.Item{blob}, more...),
		Decide: func(now store.View, ch *store.Change) error {
			if err := errors.Join(mayCreate(now), replace(now, ch, blob.Name)); err != nil {
				return err
			}
			return withinQuota(now, s.cfg.Cache, r.app, size, 1, append(slices.Clone(ch.Delete), blob.Name)...)
		},
	})
	switch {
	case errors.Is(err, store.ErrExists) && mayWrite:
		return store.Object{}, errBlobExists
	case errors.Is(err, store.ErrExists):
		return store.Object{}, errOverwrite
	case err != nil:
		return store.Object{}, err
	}
	s.audit(ctx, Event{Event: "upload", App: r.app.Key, Name: blob.Name, Bytes: size})
	written(ctx, objs[0])
	ctx.SetStatusCode(fasthttp.StatusCreated)
	return objs[0], nil
}

// inspected has buffers for the bytes that inspect looks at.
var inspected = sync.Pool{New: func() any { return new([]byte) }}

// inspect notes the sides of o if its bytes are a picture that can be decoded.
func (s *Server) inspect(o *store.Object, bytes io.ReadSeeker) error {
	s.inspectors <- struct{}{}
	defer func() { <-s.inspectors }()
	buf := inspected.Get().(*[]byte)
	defer inspected.Put(buf)
	*buf = slices.Grow((*buf)[:0], int(min(o.Size, maxInspected)))[:min(o.Size, maxInspected)]
	head := *buf
	if _, err := io.ReadFull(bytes, head); err != nil {
		return err
	}
	stat := thumb.Stat
	if o.Size > maxInspected {
		stat = thumb.StatHead
	}
	if pic, err := stat(head, s.cfg.Limits); err == nil {
		o.Width, o.Height = pic.Width, pic.Height
	}
	return nil
}

// written sets what an answer tells of the blob that it changed.
func written(ctx *fasthttp.RequestCtx, o store.Object) {
	ctx.Response.Header.Set(fasthttp.HeaderETag, etag(o))
	ctx.Response.Header.Set(fasthttp.HeaderLastModified, httpTime(o.LastModified()))
}

// putBlock stages the body under its block ID: Put Block. A staged block is an
// object that no path can name, and goes with its time like any other.
func (s *Server) putBlock(ctx *fasthttp.RequestCtx, r blobRequest) error {
	id, err := query(ctx, "blockid")
	if err != nil {
		return err
	}
	raw, err := parseBlockID(id)
	if err != nil {
		return err
	}
	if err := errors.Join(checkName(r.blob), refuseUnsupported(ctx)); err != nil {
		return err
	}
	in, err := newIncoming(ctx, s.cfg.MaxUpload)
	if err != nil {
		return err
	}
	var size int64
	name := blockName(r.name(), raw)
	objs, err := s.cfg.Pictures.Apply(store.Change{Decide: func(now store.View, _ *store.Change) error {
		return withinQuota(now, s.cfg.Cache, r.app, size, 1, name)
	}, Put: []store.Item{{
		Object: store.Object{Name: name, Owner: r.app.Key, Expires: s.cfg.Now().Add(blockTTL)},
		Body:   in,
		Inspect: func(o *store.Object, _ io.ReadSeeker) (err error) {
			size = o.Size
			o.MD5, err = in.sum(ctx, contentMD5)
			return err
		},
	}}})
	if err != nil {
		return err
	}
	ctx.Response.Header.Set(contentMD5, formatMD5(objs[0].MD5))
	ctx.SetStatusCode(fasthttp.StatusCreated)
	return nil
}

// parseBlockID decodes a block ID; errBlockID.
func parseBlockID(text string) ([]byte, error) {
	id, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(id) == 0 || len(id) > maxBlockID || strings.ContainsAny(text, "\r\n") {
		return nil, errBlockID
	}
	return id, nil
}

// setMetadata replaces a blob's metadata: Set Blob Metadata.
func (s *Server) setMetadata(ctx *fasthttp.RequestCtx, r blobRequest) error {
	return s.edit(ctx, r, setObjectMetadata)
}

// setProperties replaces a blob's properties: Set Blob Properties. The MD5 stays
// where none is sent, as the bytes do.
func (s *Server) setProperties(ctx *fasthttp.RequestCtx, r blobRequest) error {
	return s.edit(ctx, r, setObjectProperties)
}

func (s *Server) edit(ctx *fasthttp.RequestCtx, r blobRequest, set func(*fasthttp.RequestCtx, *store.Object) error) error {
	c, err := parseWriteConditions(ctx)
	if err := errors.Join(err, refuseUnsupported(ctx)); err != nil {
		return err
	}
	var edited store.Object
	_, err = s.cfg.Pictures.Apply(store.Change{Edit: []store.Edit{{Name: r.name(), Do: func(o *store.Object) error {
		if err := c.forEdit(*o); err != nil {
			return err
		}
		last := o.LastModified()
		if o.Modified = s.cfg.Now().Truncate(time.Microsecond); !o.Modified.After(last) { // of a clock that was ahead
			o.Modified = last.Add(time.Microsecond)
		}
		err := set(ctx, o)
		edited = *o
		return err
	}}}})
	if err != nil {
		return missing(ctx, err)
	}
	written(ctx, edited)
	return nil
}

// deleteBlob moves a picture to the trash: Delete Blob, which means what
// /picture/delete does, as far as the token reaches.
func (s *Server) deleteBlob(ctx *fasthttp.RequestCtx, r blobRequest) error {
	c, err := parseWriteConditions(ctx)
	if err := errors.Join(err, refuseUnsupported(ctx)); err != nil {
		return err
	}
	// "include" is a blob with its snapshots, "only" is these and not the blob
	if string(ctx.Request.Header.Peek("x-ms-delete-snapshots")) == "only" {
		return fmt.Errorf("%w: x-ms-delete-snapshots", errUnsupported)
	}
	_, err = s.cfg.Pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		old, err := now.Stat(r.name())
		if err != nil {
			return err
		}
		if err := c.forEdit(old); err != nil {
			return err
		}
		names := []string{r.name()}
		if r.token.Kind != "b" { // which is for no other blob
			names, err = variants(now, r.name())
		}
		return errors.Join(err, s.toTrash(now, ch, names))
	}})
	if err != nil {
		return missing(ctx, err)
	}
	s.audit(ctx, Event{Event: "delete", App: r.app.Key, Name: r.name()})
	ctx.SetStatusCode(fasthttp.StatusAccepted)
	return nil
}
