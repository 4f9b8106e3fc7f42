package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"tintype/thumb"
)

// Deadlines. A body has time for 8 KiB/s, the slowest link that is waited for, either way.
const (
	headerTimeout = 10 * time.Second // with the first bytes of a body
	idleTimeout   = 75 * time.Second
	bodyGrace     = 10 * time.Second
	bodyRate      = 8 << 10          // bytes per second
	writeTimeout  = 2 * time.Minute  // more than a connection may idle: fasthttp has the last answer's deadline count until the next
	decodeWait    = 10 * time.Second // for a free decoder, and for its memory
)

// readAhead is how much of a body is read before its handler, in bytes.
const readAhead = 64 << 10

// sampleEvery is how often the server looks at what it did.
const sampleEvery = 10 * time.Second

var (
	errPanic = errors.New("panic")
	errBusy  = errors.New("all decoders are busy, or the memory for pictures is")
)

// handler does the work of one API call. What it returns goes into the API's
// envelope, the error through its table of codes.
type handler func(*fasthttp.RequestCtx) (any, error)

// Server answers every URL of routes.go.
type Server struct {
	cfg      Config
	http     *fasthttp.Server
	router   fasthttp.RequestHandler
	pictures fasthttp.RequestHandler
	decoders chan struct{}       // one for each core
	memory   *semaphore.Weighted // bytes that pictures being decoded may take
	uploads  *uploads
	// as many, each for a few milliseconds and megabytes: a blob that was put must
	// not wait until thumbnails are made
	inspectors          chan struct{}
	folders             folders
	making              singleflight.Group // variants, by name without extension
	hot                 *hot
	addresses           *buckets[netip.Addr]
	callers             *buckets[string]
	grants              *grants
	set                 *metrics.Set
	blobs, links, gains statusCounters
	ready               atomic.Bool
	restoring           atomic.Bool
	sessions            sessions
	thumbs              *thumbnails
	history             history
	forged              *rate.Limiter // failed signatures that are kept
	started             time.Time
	starting            sync.Mutex // held to begin a sweep or to end them all
	sweeping            sync.WaitGroup
	stopped             context.Context // ends with Shutdown
	stop                context.CancelFunc
}

// New returns a server for cfg, or what is wrong with it.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	switch {
	case err != nil:
		return nil, err
	case cfg.Apps == nil || cfg.Secrets == nil || cfg.Pictures == nil || cfg.Cache == nil:
		return nil, errors.New("applications, secrets and both stores are required")
	}
	if keys := cfg.Secrets().AccountKeys; len(keys) == 0 || slices.ContainsFunc(keys, func(k []byte) bool { return len(k) == 0 }) {
		return nil, errors.New("an account key is empty")
	}
	s := &Server{
		cfg:        cfg,
		decoders:   make(chan struct{}, runtime.NumCPU()),
		memory:     semaphore.NewWeighted(cfg.DecodeMemory),
		uploads:    newUploads(cfg.UploadMemory, cfg.MaxUpload, cfg.TempDir),
		inspectors: make(chan struct{}, runtime.NumCPU()),
		set:        metrics.NewSet(),
		forged:     rate.NewLimiter(refusedEvents, 10*refusedEvents),
		started:    cfg.Now(),
	}
	for api, c := range map[string]*statusCounters{"blob": &s.blobs, "link": &s.links, "gain": &s.gains} {
		c.api, c.set = api, s.set
	}
	files := filesToKeep(int64(maxConnections()))
	var err1, err2, err3 error
	s.hot, err1 = newHot(cfg.CacheSize, files)
	s.grants, err2 = newGrants(min(cfg.CacheSize/4, maxGrants))
	s.thumbs, err3 = newThumbnails(min(cfg.CacheSize/8, thumbnailMemory))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	s.addresses, s.callers = newBuckets[netip.Addr](cfg.AddressRate), newBuckets[string](cfg.AppRate)
	s.cfg.Limits.Admit = s.admit
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Name:    "tintype",
		Handler: s.handle,
		// Bodies are read by the handlers, under their own limits and in the form
		// of their own API; fasthttp would answer a large or broken one itself.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		MaxRequestBodySize:           readAhead,
		ReadBufferSize:               16 << 10, // the longest header
		ReadTimeout:                  headerTimeout,
		IdleTimeout:                  idleTimeout,
		WriteTimeout:                 writeTimeout,
		Concurrency:                  int(max(int64(maxConnections())-files, 2) / 2), // each may have a file besides
		CloseOnShutdown:              true,
		NoDefaultContentType:         true,
		ErrorHandler:                 s.badRequest,
		Logger:                       silent{},
	}
	pictures := s.cors(s.picture)
	s.router, s.pictures = s.routes(), func(ctx *fasthttp.RequestCtx) {
		sdkHeaders(ctx)
		pictures(ctx)
	}
	s.measure()
	return s, nil
}

// filesToKeep is how many of the descriptors there are may be pictures' files that are kept
// open: a quarter, and more where connections have enough.
func filesToKeep(descriptors int64) int64 {
	const enough = 6 << 10
	return min(maxFiles, max(descriptors/4, descriptors-enough))
}

// Serve answers connections of ln until Shutdown, and closes it.
func (s *Server) Serve(ln net.Listener) error {
	patient := newPatientListener(ln, secured(s.cfg.TLS))
	// fasthttp forgets a Shutdown that comes before its Serve
	forget := context.AfterFunc(s.stopped, func() { patient.Close() })
	defer forget()
	s.starting.Lock()
	if s.stopped.Err() == nil {
		s.sweeping.Go(s.sweep)
	}
	s.starting.Unlock()
	s.ready.Store(s.stopped.Err() == nil)
	err := s.http.Serve(patient)
	if s.stopped.Err() != nil {
		return nil
	}
	return err
}

// Shutdown stops accepting and waits for requests in flight, as long as ctx
// lasts. Readiness is taken back first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ready.Store(false)
	s.starting.Lock()
	s.stop()
	s.starting.Unlock()
	s.sweeping.Wait()
	return s.http.ShutdownWithContext(ctx)
}

// sweep removes from both tiers what nobody can see any more.
func (s *Server) sweep() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for swept := s.cfg.Now(); ; {
		select {
		case <-s.stopped.Done():
			return
		case <-tick.C:
		}
		now := s.cfg.Now()
		s.history.sample()
		s.hot.prune(now)
		if now.Sub(swept) < s.cfg.SweepEvery-sampleEvery/2 { // which ticks are not exact
			continue
		}
		swept = now
		_, err1 := s.cfg.Cache.Sweep(time.Time{})
		_, err2 := s.cfg.Pictures.Sweep(now.Add(-s.cfg.TrashTTL))
		if err := errors.Join(err1, err2); err != nil {
			s.cfg.Log.Error("sweep", "err", err)
		}
	}
}

// call runs h and makes a panic an error, so that its API answers in its own form.
func (s *Server) call(ctx *fasthttp.RequestCtx, h handler) (res any, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.set.GetOrCreateCounter("tintype_panics_total").Inc()
			s.cfg.Log.Error("panic", "path", safePath(ctx), "panic", p, "stack", string(debug.Stack()))
			res, err = nil, errPanic
		}
	}()
	return h(ctx)
}

// admit waits until there is memory for a decode of so many bytes; see thumb.Limits.
func (s *Server) admit(bytes int64) (done func(), err error) {
	if bytes > s.cfg.DecodeMemory {
		return nil, fmt.Errorf("%w: decoding takes %d bytes, there may be %d", thumb.ErrTooLarge, bytes, s.cfg.DecodeMemory)
	}
	ctx, cancel := context.WithTimeout(context.Background(), decodeWait)
	defer cancel()
	if s.memory.Acquire(ctx, bytes) != nil {
		return nil, errBusy
	}
	return func() { s.memory.Release(bytes) }, nil
}

// decoding runs f while it holds one of the decoders.
func (s *Server) decoding(f func() error) error {
	wait := time.NewTimer(decodeWait)
	defer wait.Stop()
	select {
	case s.decoders <- struct{}{}:
	case <-wait.C:
		return errBusy
	}
	defer func() { <-s.decoders }()
	return f()
}
