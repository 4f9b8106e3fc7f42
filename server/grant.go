package server

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/valyala/fasthttp"
)

// grants are links that were checked and hold for whoever sends them, until they end:
// what of a read depends on the URL alone is worked out once. A link that fails is never
// one.
type grants struct {
	seed  maphash.Seed
	links *ristretto.Cache[uint64, *grant] // nil: none is kept
}

type grant struct {
	uri, host string    // as they were sent
	secrets   *Secrets  // it was checked with
	until     time.Time // the last moment; zero: for good
	read      func(*fasthttp.RequestCtx) error
}

// maxGrants is what all grants may take, in bytes; some 12,000 links.
const maxGrants = 16 << 20

func newGrants(bytes int64) (*grants, error) {
	g := &grants{seed: maphash.MakeSeed()}
	if bytes == 0 {
		return g, nil
	}
	var err error
	g.links, err = ristretto.NewCache(&ristretto.Config[uint64, *grant]{
		NumCounters: max(bytes>>10*10, 1000), MaxCost: bytes, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cache of links: %w", err)
	}
	return g, nil
}

func (g *grants) key(ctx *fasthttp.RequestCtx) uint64 {
	return maphash.Bytes(g.seed, ctx.Request.Header.RequestURI())
}

// find returns what reads for a GET or HEAD; nil if its link has to be checked, with secrets.
func (g *grants) find(ctx *fasthttp.RequestCtx, secrets *Secrets, now time.Time) func(*fasthttp.RequestCtx) error {
	if !ctx.IsGet() && !ctx.IsHead() {
		return nil
	}
	l, ok := g.links.Get(g.key(ctx))
	if !ok || l.secrets != secrets || l.uri != string(ctx.Request.Header.RequestURI()) || l.host != string(ctx.Host()) || !l.until.IsZero() && now.After(l.until) {
		return nil
	}
	return l.read
}

// add keeps what reads for the link of ctx, which was checked with secrets.
func (g *grants) add(ctx *fasthttp.RequestCtx, secrets *Secrets, until time.Time, read func(*fasthttp.RequestCtx) error) {
	l := &grant{string(ctx.Request.Header.RequestURI()), string(ctx.Host()), secrets, until, read}
	g.links.Set(g.key(ctx), l, int64(2*len(l.uri)+len(l.host)+700))
}
