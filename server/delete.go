package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"tintype/store"

	"github.com/valyala/fasthttp"
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
	var moves []store.Rename
	taken := make(map[string]bool)
	for _, u := range urls {
		names, err := s.namedBy(c, u)
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return taken[name] })
		for _, name := range names {
			taken[name] = true
		}
		renames, err := s.toTrash(names)
		if err != nil {
			return nil, err
		}
		moves = append(moves, renames...)
	}
	err = s.cfg.Pictures.Move(moves...)
	if errors.Is(err, store.ErrNotFound) { // another call was faster
		err = errNoPicture
	}
	return "", err
}

// toTrash returns the moves that delete the variants of one picture, softly:
// container/folder/file becomes delete-container/folder/file. Where an earlier
// picture of that name lies in the trash, the folder gets a suffix of its own.
func (s *Server) toTrash(names []string) ([]store.Rename, error) {
	now, suffix := s.cfg.Now(), ""
	for _, name := range names {
		_, err := s.cfg.Pictures.Stat(trashPrefix + name)
		if err == nil {
			suffix = "." + s.folders.next(now)
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	renames := make([]store.Rename, len(names))
	for i, name := range names {
		slash := strings.LastIndexByte(name, '/')
		renames[i] = store.Rename{From: name, To: trashPrefix + name[:slash] + suffix + name[slash:], Deleted: now}
	}
	return renames, nil
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

// namedBy returns the names of all variants of the picture that a URL names by
// its last three segments; host and scheme may be those of an earlier server. No
// error quotes it: clients pass URLs with their tokens.
func (s *Server) namedBy(c call, rawURL string) ([]string, error) {
	path, _, _ := strings.Cut(rawURL, "?")
	path, _, _ = strings.Cut(path, "#")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) < 3 {
		return nil, fmt.Errorf("%w: too short", errNoPicture)
	}
	segments = segments[len(segments)-3:]
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return nil, fmt.Errorf("%w: broken escape", errNoPicture)
		}
	}
	if s.owner(segments[0]) != c.app.Key {
		return nil, errAuthority
	}
	name := strings.Join(segments, "/")
	if _, err := s.cfg.Pictures.Stat(name); errors.Is(err, store.ErrNotFound) {
		return nil, errNoPicture
	} else if err != nil {
		return nil, err
	}
	return s.variants(name)
}

// variants returns the names of the picture that name is a variant of: itself,
// and what differs from it by the suffix _full or _{size} alone.
func (s *Server) variants(name string) ([]string, error) {
	stem, ok := variantStem(name)
	if !ok {
		return []string{name}, nil
	}
	var names []string
	objs, err := s.cfg.Pictures.List(stem+"_", "", 1000)
	for _, o := range objs {
		if other, ok := variantStem(o.Name); ok && other == stem {
			names = append(names, o.Name)
		}
	}
	return names, err
}

// variantStem cuts _full.ext or _{size}.ext from a name.
func variantStem(name string) (string, bool) {
	slash, line, dot := strings.LastIndexByte(name, '/'), strings.LastIndexByte(name, '_'), strings.LastIndexByte(name, '.')
	if line <= slash || dot < line {
		return "", false
	}
	suffix := name[line+1 : dot]
	return name[:line], suffix == "full" || suffix != "" && strings.Trim(suffix, "0123456789") == ""
}
