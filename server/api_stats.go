package server

import (
	"errors"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// getStats tells what is stored and what the server did: GET /stats.
func (s *Server) getStats(*fasthttp.RequestCtx) (any, error) {
	durable, err1 := s.cfg.Pictures.Stats()
	cache, err2 := s.cfg.Cache.Stats()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	var blobs, index int64
	for _, tier := range []store.Store{s.cfg.Pictures, s.cfg.Cache} {
		b, i := tier.Damage()
		blobs, index = blobs+b, index+i
	}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	stats := fields{
		{"now", s.cfg.Now().UTC()}, {"started", s.started.UTC()}, {"version", s.cfg.Version}, {"go", runtime.Version()},
		{"ready", s.notReady() == nil},
		{durableTier, durable}, {cacheTier, cache},
	}
	if s.cfg.Data != nil {
		if free, total, err := s.cfg.Data.Space(); err == nil {
			stats = append(stats, field{"disk", map[string]int64{"free": free, "total": total}})
		}
	}
	h := s.history.series()
	return append(stats, field{"damaged_blobs", blobs}, field{"damaged_index", index}, field{"memory", heap[0].Value.Uint64()},
		field{"history", fields{
			{"interval", int(sampleEvery / time.Second)}, {"requests", h[0]}, {"errors", h[1]}, {"uploads", h[2]}, {"bytes", h[3]},
		}}), nil
}
