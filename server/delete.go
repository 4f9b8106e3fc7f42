package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// maxJSON bounds the body of a delete call: some 5,000 URLs.
const maxJSON = 1 << 20

// deletePicture moves pictures to the trash: /picture/delete.
func (s *Server) deletePicture(ctx *fasthttp.RequestCtx) (any, error) {
	c, err := s.qcall(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	urls, err := fileURLs(ctx)
	if err != nil {
		return nil, err
	}
	var taken map[string]bool
	var pictures []string
	_, err = s.cfg.Pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		taken, pictures = make(map[string]bool), nil
		for _, u := range urls {
			name, err := s.namedBy(c, u)
			if err != nil {
				return err
			}
			if taken[name] {
				continue
			}
			names, err := variants(now, name)
			if err := errors.Join(err, s.toTrash(now, ch, names)); err != nil {
				return err
			}
			for _, member := range names {
				taken[member] = true
				if v, ok := parseVariant(member); ok && v.suffix == original {
					name = member
				}
			}
			pictures = append(pictures, name)
		}
		return nil
	}})
	if errors.Is(err, store.ErrNotFound) {
		err = errNoPicture
	}
	if err != nil {
		return nil, err
	}
	for _, name := range pictures {
		s.audit(ctx, Event{Event: "delete", App: c.app.Key, Name: name})
	}
	return "", nil
}

// toTrash adds to ch what deletes the variants of one picture softly:
// container/folder/file becomes delete-container/folder/file. Where an earlier
// picture of that name lies in the trash, the folder gets a suffix of its own, and one
// that looks as if it had one gets another, which a restore takes away.
func (s *Server) toTrash(now store.View, ch *store.Change, names []string) error {
	at, suffix := s.cfg.Now(), ""
	for _, name := range names {
		dir, _, _ := cutLast(name, "/")
		there, err := now.Stat(trashPrefix + name)
		if err == nil && isHalfTrashed(now, name, there) {
			continue
		}
		if err == nil || again.MatchString(dir) {
			suffix = "." + s.folders.next(at)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	for _, name := range names {
		if err := dropBlocks(now, ch, name); err != nil {
			return err
		}
		dir, file, _ := cutLast(name, "/")
		if suffix != "" && (!strings.Contains(dir, "/") || strings.HasSuffix(dir, "/")) { // no folder, and a container has no dots
			dir += "/"
		}
		ch.Edit = append(ch.Edit, store.Edit{Name: name, Do: func(o *store.Object) error {
			o.Name, o.Deleted = trashPrefix+dir+suffix+"/"+file, at
			return nil
		}})
	}
	return nil
}

// isHalfTrashed says whether what lies in the trash for name is the very same object, as a
// deletion leaves it that was broken off between S3's copy and its delete: it is to be gone
// through with.
func isHalfTrashed(now store.View, name string, trashed store.Object) bool {
	o, err := now.Stat(name)
	return err == nil && o.Digest == trashed.Digest && o.Created.Equal(trashed.Created) && o.ID == trashed.ID && o.Owner == trashed.Owner
}

// fileURLs reads the list of a delete call: {"fileUrls":[...]}, or the query
// where a client cannot send a body with its method.
func fileURLs(ctx *fasthttp.RequestCtx) ([]string, error) {
	var list []string
	for _, v := range ctx.QueryArgs().PeekMulti("fileUrls") {
		for u := range strings.SplitSeq(string(v), ",") {
			if u != "" {
				list = append(list, u)
			}
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	data, err := io.ReadAll(io.LimitReader(body(ctx), maxJSON+1))
	if err != nil || len(data) > maxJSON {
		return nil, fmt.Errorf("%w: %v", errBody, err)
	}
	var req struct {
		FileURLs []string `json:"fileUrls"`
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark, as .NET writes
	if err := json.Unmarshal(data, &req); err != nil || len(req.FileURLs) == 0 {
		return nil, fmt.Errorf("%w: %v", errBody, err)
	}
	return req.FileURLs, nil
}

// namedBy returns the name of the object that a URL means by its last three
// segments; host and scheme may be those of an earlier server. No error quotes
// it: clients pass URLs with their tokens.
func (s *Server) namedBy(c call, rawURL string) (string, error) {
	path, _, _ := strings.Cut(rawURL, "?")
	path, _, _ = strings.Cut(path, "#")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) < 3 {
		return "", fmt.Errorf("%w: too short", errNoPicture)
	}
	segments = segments[len(segments)-3:]
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return "", fmt.Errorf("%w: broken escape", errNoPicture)
		}
	}
	if s.owner(segments[0]) != c.app.Key {
		return "", errAuthority
	}
	return strings.Join(segments, "/"), nil
}
