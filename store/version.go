package store

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// versions count changes of names, many names to a counter: one that goes on for another
// name costs who remembers an object one more look, and nothing else.
type versions struct {
	seed   maphash.Seed
	all    atomic.Uint32 // goes on where any name may have changed
	counts [1 << 14]atomic.Uint32
}

func (v *versions) of(name string) *atomic.Uint32 {
	return &v.counts[maphash.String(v.seed, name)%uint64(len(v.counts))]
}

// Version implements Store.
func (d *Disk) Version(name string) uint64 {
	return uint64(d.versions.all.Load())<<32 | uint64(d.versions.of(name).Load())
}

// RememberFor is how long a server may serve from memory what another server that shares the
// store has deleted or replaced, at most.
const RememberFor = 30 * time.Second

// remembered is the version of a name that others may change: it goes on with every change of
// this process, and every RememberFor besides, not for all names at the same time.
func (v *versions) remembered(name string, now time.Time) uint64 {
	at := v.of(name)
	offset := int64(maphash.String(v.seed, name) % uint64(RememberFor))
	return uint64(now.UnixNano()+offset)/uint64(RememberFor)<<32 | uint64(at.Load())
}
