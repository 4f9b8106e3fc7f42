package server

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"
)

// listTrash lists what can be restored: GET /trash.
func (s *Server) listTrash(ctx *fasthttp.RequestCtx) (any, error) {
	text, err1 := query(ctx, "cursor")
	from, err2 := parseCursor(text)
	limit, err3 := pageLimit(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var page struct {
		Pictures []Trashed `json:"pictures"`
		Cursor   string    `json:"cursor,omitempty"`
	}
	found, next, err := TrashPage(s.cfg.Pictures, from, limit)
	page.Pictures, page.Cursor = append([]Trashed{}, found...), formatCursor(next)
	return page, err
}

// pathResult is what came of one path.
type pathResult struct {
	Path  string `json:"path"`
	Error string `json:"error,omitempty"`
	Files int    `json:"files,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
}

// maxPaths is how many paths one call takes.
const maxPaths = 1000

// eachPath does something to each path of the body, and tells what came of it.
func (s *Server) eachPath(ctx *fasthttp.RequestCtx, event string, do func(path string) (files int, bytes int64, err error)) (any, error) {
	var req struct {
		Paths []string `json:"paths"`
	}
	if err := readJSON(ctx, &req, maxRequest); err != nil {
		return nil, err
	}
	if len(req.Paths) == 0 || len(req.Paths) > maxPaths {
		return nil, fmt.Errorf("%w: paths: want 1 to %d", errRequest, maxPaths)
	}
	results := make([]pathResult, len(req.Paths))
	for i, path := range req.Paths {
		r := pathResult{Path: path}
		var err error
		if r.Files, r.Bytes, err = do(path); err != nil {
			r = pathResult{Path: path, Error: err.Error()}
		} else {
			s.audit(ctx, Event{Event: event, Name: cleanTrashPath(path), Bytes: r.Bytes})
		}
		results[i] = r
	}
	return map[string][]pathResult{"results": results}, nil
}

// restoreTrash brings pictures back: POST /trash/restore.
func (s *Server) restoreTrash(ctx *fasthttp.RequestCtx) (any, error) {
	return s.eachPath(ctx, "restore", func(path string) (int, int64, error) {
		names, err := RestoreTrash(s.cfg.Pictures, path)
		return len(names), 0, err
	})
}

// purgeTrash removes pictures for good: POST /trash/purge.
func (s *Server) purgeTrash(ctx *fasthttp.RequestCtx) (any, error) {
	return s.eachPath(ctx, "purge", func(path string) (int, int64, error) { return PurgeTrash(s.cfg.Pictures, path) })
}
