package server

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"
)

// errRate is returned to who asks more often than may be.
var errRate = errors.New("too many requests")

// burstSeconds is how long somebody who was quiet may ask at twice the rate.
const burstSeconds = 2

// maxRate is the most that a limit can be, in requests a second; it is none.
const maxRate = 1e6

// maxBuckets is how many keys are told apart. Where there are more, those that have been
// quiet are forgotten first, which takes nothing from anybody.
const maxBuckets = 50_000

// buckets limit how often each of many may ask: an address, an application.
type buckets[K comparable] struct {
	perSecond float64 // 0: no limit
	mu        sync.Mutex
	of        map[K]*rate.Limiter
	swept     time.Time
}

func newBuckets[K comparable](perSecond float64) *buckets[K] {
	return &buckets[K]{perSecond: perSecond, of: make(map[K]*rate.Limiter)}
}

// take returns errRate if key has asked too often.
func (b *buckets[K]) take(key K, now time.Time) error {
	if b.perSecond == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.of[key]
	if l == nil {
		if len(b.of) >= maxBuckets {
			b.forget(now)
		}
		l = rate.NewLimiter(rate.Limit(b.perSecond), max(int(b.perSecond*burstSeconds), 1))
		b.of[key] = l
	}
	if !l.AllowN(now, 1) {
		return errRate
	}
	return nil
}

// forget drops those whose bucket is full, and any one of the others where there is none
// or all were just looked at.
func (b *buckets[K]) forget(now time.Time) {
	if now.Sub(b.swept) >= time.Second {
		b.swept = now
		for key, l := range b.of {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(b.of, key)
			}
		}
	}
	for key := range b.of {
		if len(b.of) < maxBuckets {
			break
		}
		delete(b.of, key)
	}
}

// limited is call for who may ask so often.
func (s *Server) limited(ctx *fasthttp.RequestCtx, h handler) (any, error) {
	if err := s.addresses.take(network(remoteIP(ctx)), s.cfg.Now()); err != nil {
		return nil, err
	}
	return s.call(ctx, h)
}

// network is what counts as one address: of IPv6 the 64 bits that one subscriber has.
func network(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.Addr()
	}
	return ip
}

// tellBusy gives an answer the status that has the client come again, if that is why it fails.
func tellBusy(ctx *fasthttp.RequestCtx, err error) {
	switch {
	case errors.Is(err, errRate):
		retryLater(ctx, fasthttp.StatusTooManyRequests)
	case errors.Is(err, errBusy):
		retryLater(ctx, fasthttp.StatusServiceUnavailable)
	}
}

// retryLater tells who has asked too often, or when there was too much to do, when to come
// again.
func retryLater(ctx *fasthttp.RequestCtx, status int) {
	ctx.SetStatusCode(status)
	ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
}
