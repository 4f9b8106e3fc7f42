package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"tintype/store"
)

// silent drops fasthttp's own messages: they quote requests, with their tokens.
type silent struct{}

func (silent) Printf(string, ...any) {}

// refusal is the context value under which refused leaves its reason for the log line.
const refusal = "refusal"

// refused notes why a request failed. What no table knows is our fault: it is
// logged in full and told to nobody else.
func (s *Server) refused(ctx *fasthttp.RequestCtx, err error, known bool) {
	if known {
		s.auditRefused(ctx, err)
		ctx.SetUserValue(refusal, err.Error())
		return
	}
	s.cfg.Log.Error("request failed", "method", string(ctx.Method()), "path", safePath(ctx), "err", err)
}

// logged writes one line per request, without the query: tokens are there. Reads
// that went well are of the debug level, as they are many.
func (s *Server) logged(ctx *fasthttp.RequestCtx) {
	status := ctx.Response.StatusCode()
	level := slog.LevelInfo
	if (ctx.IsGet() || ctx.IsHead()) && status < 400 && ctx.UserValue(refusal) == nil {
		level = slog.LevelDebug
	}
	if !s.cfg.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", string(ctx.Method())), slog.String("path", safePath(ctx)),
		slog.Int("status", status), slog.Int("bytes", sent(ctx)),
		slog.Duration("took", time.Since(ctx.Time())), slog.String("from", ctx.RemoteIP().String()),
	}
	if why, ok := ctx.UserValue(refusal).(string); ok {
		attrs = append(attrs, slog.String("refused", why))
	}
	s.cfg.Log.LogAttrs(ctx, level, "request", attrs...)
}

// safePath is the path up to where a query may have slipped into it: a "?" that
// was escaped, or an "&" in its place, would bring a token into the log.
func safePath(ctx *fasthttp.RequestCtx) string {
	path := string(ctx.Path())
	if i := strings.IndexAny(path, "?&=%"); i >= 0 {
		return path[:i] + "…"
	}
	return path
}

// sent is the length of the answer's body.
func sent(ctx *fasthttp.RequestCtx) int {
	if ctx.Response.SkipBody || ctx.Response.IsBodyStream() {
		return max(ctx.Response.Header.ContentLength(), 0)
	}
	return len(ctx.Response.Body())
}

// badRequest answers what fasthttp could not read as a request.
func (s *Server) badRequest(ctx *fasthttp.RequestCtx, err error) {
	status := fasthttp.StatusBadRequest
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		status = fasthttp.StatusRequestHeaderFieldsTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		status = fasthttp.StatusRequestTimeout
	}
	s.count("http", fmt.Sprint(status))
	ctx.Response.Reset()
	guard(ctx)
	ctx.SetStatusCode(status)
	ctx.SetConnectionClose()
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(fasthttp.StatusMessage(status) + "\n")
}

// count counts an answer by API and code.
func (s *Server) count(api, code string) {
	s.set.GetOrCreateCounter(fmt.Sprintf("tintype_requests_total{api=%q,code=%q}", api, code)).Inc()
}

// statusCounters count the answers of an API by status.
type statusCounters struct {
	api  string
	set  *metrics.Set
	each [600]atomic.Pointer[metrics.Counter]
}

func (c *statusCounters) count(ctx *fasthttp.RequestCtx) {
	at := &c.each[ctx.Response.StatusCode()%len(c.each)]
	n := at.Load()
	if n == nil {
		n = c.set.GetOrCreateCounter(fmt.Sprintf("tintype_requests_total{api=%q,code=\"%d\"}", c.api, ctx.Response.StatusCode()))
		at.Store(n)
	}
	n.Inc()
}

// measure registers what is read from elsewhere when the metrics are.
func (s *Server) measure() {
	for tier, st := range map[string]store.Store{"pictures": s.cfg.Pictures, "cache": s.cfg.Cache} {
		for name, value := range map[string]func(store.Stats) int64{
			"objects":    func(n store.Stats) int64 { return n.Objects },
			"blobs":      func(n store.Stats) int64 { return n.Blobs },
			"blob_bytes": func(n store.Stats) int64 { return n.BlobBytes },
		} {
			s.set.NewGauge(fmt.Sprintf("tintype_store_%s{tier=%q}", name, tier), func() float64 {
				n, err := st.Stats()
				if err != nil {
					return -1
				}
				return float64(value(n))
			})
		}
		s.set.NewGauge(fmt.Sprintf("tintype_damaged_blobs_total{tier=%q}", tier), func() float64 {
			blobs, _ := st.Damage()
			return float64(blobs)
		})
		s.set.NewGauge(fmt.Sprintf("tintype_damaged_index_total{tier=%q}", tier), func() float64 {
			_, index := st.Damage()
			return float64(index)
		})
		s.set.NewGauge(fmt.Sprintf("tintype_store_ready{tier=%q}", tier), func() float64 {
			if st.Ready() != nil {
				return 0
			}
			return 1
		})
	}
	s.set.NewGauge(fmt.Sprintf("tintype_info{version=%q,go=%q}", s.cfg.Version, runtime.Version()), func() float64 { return 1 })
}

// metrics answers GET /metrics in the text format of Prometheus.
func (s *Server) metrics(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	s.set.WritePrometheus(ctx)
	metrics.WriteProcessMetrics(ctx)
}

// healthz says that the process listens.
func (s *Server) healthz(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("ok\n")
}

// readyz says whether uploads are taken: not before Serve, nor while draining,
// nor while a store is read-only or does not answer.
func (s *Server) readyz(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain; charset=utf-8")
	if err := s.notReady(); err != nil {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		ctx.SetBodyString(err.Error() + "\n")
		return
	}
	ctx.SetBodyString("ok\n")
}

// notReady says why uploads are not taken; nil if they are.
func (s *Server) notReady() error {
	switch {
	case !s.ready.Load():
		return errors.New("draining")
	}
	switch err := errors.Join(s.cfg.Pictures.Ready(), s.cfg.Cache.Ready()); {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrRefused):
		return errors.New("the storage behind this server does not answer")
	case errors.Is(err, store.ErrClock):
		return store.ErrClock
	}
	return errors.New("read-only")
}
