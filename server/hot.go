package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"tintype/store"
)

// hot keeps the pictures that are read most, by name: as bytes or as open files, checked
// when they come. What is kept is only served while the store says that nothing has
// changed under its name, so that no answer is older than a change that was acknowledged.
// It may forget anything at any time.
type hot struct {
	seed   maphash.Seed
	memory *ristretto.Cache[uint64, *picture] // nil: nothing is kept
	files  *ristretto.Cache[uint64, *picture] // nil: none are

	// What is sent from an open file, in bytes, and not from memory: the system's own copy
	// costs more per call and less per byte, up to where it gets in its own way. From there
	// on the file is mapped, and sent as memory is. Measured against each other over loopback.
	fileFrom, mapFrom int64

	maxOpen int64        // an eighth of it is for those whose turn comes
	open    atomic.Int64 // files: what is kept, and what is being sent though it is not any more
	mu      sync.Mutex
	kept    map[*picture]bool // what is in files
}

// picture is an object as it is served. It is not changed once it is kept.
type picture struct {
	store.Object
	hot     *hot
	tier    store.Store
	version uint64 // of its name, from before it was opened
	key     uint64
	tag     string // ETag
	header  []byte // of answers that have bytes of it: rules.header

	data   []byte     // nil: in blob
	blob   store.Blob // nil: in data
	file   *os.File   // of blob, where the system is to send it
	mapped []byte     // all of file, for the system alone: who touches it dies of a bad disk; nil: it is not

	users atomic.Int32 // who sends blob, and the cache: the last one closes it
	used  atomic.Bool  // since the last prune
}

// newHot returns a cache of so many bytes and open files; of none where that is 0.
func newHot(bytes, files int64) (*hot, error) {
	h := &hot{maxOpen: files, seed: maphash.MakeSeed(), fileFrom: 24 << 10, mapFrom: 512 << 10, kept: make(map[*picture]bool)}
	var err1, err2 error
	if bytes > 0 {
		h.memory, err1 = newPictureCache(bytes, bytes>>15, nil)
		if kept := h.maxKept(); kept > 0 {
			h.files, err2 = newPictureCache(kept, kept, h.drop)
		}
	}
	return h, errors.Join(err1, err2)
}

func (h *hot) maxKept() int64 { return h.maxOpen / 8 * 7 }

// newPictureCache returns a cache that is good at choosing among ten times as many
// pictures as it is expected to hold.
func newPictureCache(cost, expected int64, drop func(*picture)) (*ristretto.Cache[uint64, *picture], error) {
	c, err := ristretto.NewCache(&ristretto.Config[uint64, *picture]{
		NumCounters: max(10*expected, 1000),
		MaxCost:     cost,
		BufferItems: 64, // ristretto's advice
		OnExit:      drop,
		// the cost is what is counted here, and nothing else
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cache of pictures: %w", err)
	}
	return c, nil
}

// get returns what is under name, to be released.
func (h *hot) get(tier store.Store, name string, r rules, now time.Time) (*picture, error) {
	version, key := tier.Version(name), maphash.String(h.seed, name)
	for _, c := range [...]*ristretto.Cache[uint64, *picture]{h.memory, h.files} {
		p, ok := c.Get(key)
		if ok && p.Name == name && p.version == version && !p.Expired(now) && p.retain() {
			if !p.used.Load() {
				p.used.Store(true)
			}
			return p, nil
		}
	}
	o, blob, err := tier.Open(name)
	if err != nil {
		return nil, err
	}
	p := &picture{Object: o, hot: h, tier: tier, version: version, key: key, tag: etag(o), blob: blob}
	p.header = r.header(&o, p.tag)
	p.users.Store(1)
	return p, nil
}

// rivalEvery is how many times a picture goes to the memory, when as many files are kept
// open as may be, before one is to be kept in the place of another.
const rivalEvery = 8

// load makes a picture ready to be sent, and keeps it for the next who asks. One that is
// too large to be kept stays as it is.
func (h *hot) load(p *picture) error {
	if p.data != nil || p.file != nil {
		return nil
	}
	data, err := p.blob.Whole()
	if err != nil || data == nil {
		return err
	}
	f := p.blob.File()
	if f == nil || h.files == nil || p.Size < h.fileFrom || !h.mayOpen() {
		err = p.blob.Close()
		p.blob, p.data = nil, data
		h.memory.Set(p.key, p, int64(len(p.data)+2*len(p.header)+len(p.Name))+1<<10)
		return err
	}
	p.file = f
	if p.Size >= h.mapFrom {
		p.mapped = mapFile(f, p.Size)
	}
	p.users.Add(1)
	p.used.Store(true)
	h.mu.Lock()
	h.kept[p] = true
	h.mu.Unlock()
	if !h.files.Set(p.key, p, 1) {
		h.drop(p)
	}
	return nil
}

// mayOpen says whether one file more may be kept open, and counts it.
func (h *hot) mayOpen() bool {
	h.mu.Lock()
	full := int64(len(h.kept)) >= h.maxKept()
	h.mu.Unlock()
	if full && rand.IntN(rivalEvery) > 0 {
		return false
	}
	if h.open.Add(1) <= h.maxOpen {
		return true
	}
	h.open.Add(-1)
	return false
}

// bytes returns all of a picture, not to be changed.
func (h *hot) bytes(p *picture) ([]byte, error) {
	if err := h.load(p); err != nil || p.data != nil {
		return p.data, err
	}
	from, err := p.reader(0, p.Size)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

// prune forgets open files of what is gone: until they are closed, the disk has no room
// from it. Where no more may be open it forgets those that nobody has read since the last
// time as well, which makes room at once for what is read now: the cache would take minutes
// to learn that.
func (h *hot) prune(now time.Time) {
	h.mu.Lock()
	var gone []*picture
	full := int64(len(h.kept)) >= h.maxKept()
	for p := range h.kept {
		idle := !p.used.Swap(false) && full
		if idle || p.version != p.tier.Version(p.Name) || p.Expired(now) {
			gone = append(gone, p)
		}
	}
	h.mu.Unlock()
	for _, p := range gone {
		if in, ok := h.files.Get(p.key); ok && in == p {
			h.files.Del(p.key)
		}
	}
}

// drop is told by the cache of open files that it has let go of one.
func (h *hot) drop(p *picture) {
	if p == nil {
		return
	}
	h.mu.Lock()
	had := h.kept[p]
	delete(h.kept, p)
	h.mu.Unlock()
	if had {
		p.release()
	}
}

// retain keeps the blob open until release. false: it is closed.
func (p *picture) retain() bool {
	if p.blob == nil {
		return true
	}
	for n := p.users.Load(); n > 0; n = p.users.Load() {
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (p *picture) release() error {
	if p.blob == nil || p.users.Add(-1) > 0 {
		return nil
	}
	if p.file != nil {
		p.hot.open.Add(-1)
		unmap(p.mapped)
	}
	return p.blob.Close()
}

// etag returns an object's strong entity tag. It changes with the bytes and with
// every replacement, so that a download in parts never mixes two versions.
func etag(o store.Object) string {
	return fmt.Sprintf(`"0x%016X"`, binary.BigEndian.Uint64(o.Digest[:])^uint64(o.LastModified().UnixMicro()))
}
