package store

import (
	"hash/maphash"
	"sync/atomic"
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
