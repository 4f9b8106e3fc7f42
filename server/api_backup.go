package server

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// getBackup sends everything that is stored as a tar file: GET /backup. One that breaks off
// has no end, and is refused by a restore.
func (s *Server) getBackup(ctx *fasthttp.RequestCtx) (any, error) {
	if s.cfg.Data == nil {
		return nil, errNoData
	}
	from, to := io.Pipe()
	go func() {
		_, err := s.cfg.Data.Backup(to, func(int64, int64) {})
		if err != nil {
			s.cfg.Log.Error("backup", "err", err)
		}
		to.CloseWithError(err)
	}()
	conn := ctx.Conn()
	ctx.SetContentType("application/x-tar")
	ctx.Response.Header.Set(fasthttp.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="tintype-%s.tar"`, s.cfg.Now().UTC().Format("20060102-150405")))
	ctx.SetBodyStream(&patientBody{from, func() error { return conn.SetWriteDeadline(time.Now().Add(writeTimeout)) }}, -1)
	return sentAlready{}, nil
}

// patientBody is a body whose deadline is that of its next piece.
type patientBody struct {
	*io.PipeReader
	extend func() error
}

func (b *patientBody) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err == nil {
		err = b.extend()
	}
	return n, err
}

// postRestore puts a backup in the place of what a server has that holds no picture:
// POST /restore. The server starts again on it when the answer is out, and the session
// goes on.
func (s *Server) postRestore(ctx *fasthttp.RequestCtx) (any, error) {
	if s.cfg.Data == nil || s.cfg.Restart == nil {
		return nil, errNoData
	}
	if empty, err := s.cfg.Data.Empty(); err != nil || !empty {
		return nil, errors.Join(err, errNotEmpty)
	}
	if !s.restoring.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("%w: a backup is being restored", errBusy)
	}
	defer s.restoring.Store(false)
	b, err := store.RestoreBeside(s.cfg.Data.Dir, body(ctx), func(int64, int64) {})
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "restore", Name: "backup", Bytes: b.Pictures.BlobBytes})
	ctx.SetConnectionClose()
	s.cfg.Restart()
	return map[string]store.Stats{"pictures": b.Pictures, "cache": b.Cache}, nil
}
