package store

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/ristretto/v2"
)

// maxCached is the size in bytes up to which a blob is read whole, checked and
// kept in memory: the largest picture that the upload APIs take by default.
const maxCached = 8 << 20

// Cache keeps hot blobs in memory by digest. Names are not in it: each read asks
// the index first, so that a deleted, expired or replaced object is never served
// from here. It may forget anything at any time. A nil Cache keeps nothing.
type Cache struct {
	r *ristretto.Cache[uint64, cached]
}

type cached struct {
	digest Digest
	data   []byte
}

// NewCache returns a cache of at most so many bytes; nil for none.
func NewCache(bytes int64) (*Cache, error) {
	if bytes <= 0 {
		return nil, nil
	}
	r, err := ristretto.NewCache(&ristretto.Config[uint64, cached]{
		// ten counters for each of the pictures that fit, at 32 KiB apiece
		NumCounters: max(bytes>>15*10, 1000),
		MaxCost:     bytes,
		BufferItems: 64, // ristretto's advice
	})
	if err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	return &Cache{r}, nil
}

func (c *Cache) get(d Digest) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	v, ok := c.r.Get(cacheKey(d))
	return v.data, ok && v.digest == d
}

func (c *Cache) add(d Digest, data []byte) {
	if c != nil {
		c.r.Set(cacheKey(d), cached{d, data}, int64(len(data)))
	}
}

func (c *Cache) remove(d Digest) {
	if c != nil {
		c.r.Del(cacheKey(d))
	}
}

// cacheKey is half of ristretto's work done: a digest is already a hash.
func cacheKey(d Digest) uint64 { return binary.BigEndian.Uint64(d[:8]) }
