package command

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"tintype/server"
)

// The parts of the memory that this process may have, its container's or else the
// machine's: the collector's limit, and the most that the defaults of --cache-size and
// --decode-memory may take. What is left over is for buffers and the kernel's.
const (
	gcPercent  = 400 // what is alive is a few megabytes: the collector would run all the time
	heapPart   = 0.7
	cachePart  = 5
	decodePart = 5
)

// fitMemory sets the collector's limit, unless GOMEMLIMIT has, and makes the defaults
// smaller where there is little memory. It comes before load: what is set stays.
func (s *settings) fitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	from := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)
	limit, err := from()
	if err != nil {
		return // a system that does not tell: the defaults are for some gigabytes
	}
	memlimit.Set(memlimit.WithProvider(memlimit.Limit(limit)), memlimit.WithRatio(heapPart))
	if !s.all.Lookup("cache-size").Changed {
		s.cacheSize = min(s.cacheSize, size(limit/cachePart))
	}
	if !s.all.Lookup("decode-memory").Changed {
		s.decodeMemory = min(s.decodeMemory, max(size(limit/decodePart), server.MinDecodeMemory))
	}
}
