package command

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"tintype/server"
)

// What the collector may leave: up to gcPercent of what is alive, which is a few megabytes
// where little is kept, and of much so many bytes, but for leastPercent.
const (
	gcPercent    = 400
	leastPercent = 25
	garbage      = 96 << 20
)

// The parts of the memory that this process may have, its container's or else the
// machine's: the collector's limit, and the most that the defaults of --cache-size,
// --decode-memory and --upload-memory may take. What is left over is for buffers and the kernel's.
const (
	heapPart   = 0.7
	cachePart  = 5
	decodePart = 5
	uploadPart = 8
)

// fitMemory sets the collector's limit, unless GOMEMLIMIT has, and makes the defaults
// smaller where there is little memory. It comes before load: what is set stays.
func (s *settings) fitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		s.collect = true
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
	if !s.all.Lookup("upload-memory").Changed {
		s.uploadMemory = min(s.uploadMemory, size(limit/uploadPart))
	}
	if !s.all.Lookup("decode-memory").Changed {
		s.decodeMemory = min(s.decodeMemory, max(size(limit/decodePart), server.MinDecodeMemory))
	}
}

// fitCollector fits the collector to what is alive, until ctx ends.
func (s *settings) fitCollector(ctx context.Context) {
	if !s.collect {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for now := gcPercent; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		percent := min(max(int(garbage*100/max(live[0].Value.Uint64(), 1)), leastPercent), gcPercent)
		if percent*10 < now*9 || percent*10 > now*11 { // each change stops everything for a moment
			now = percent
			debug.SetGCPercent(now)
		}
	}
}
