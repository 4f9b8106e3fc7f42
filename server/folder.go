package server

import (
	"fmt"
	"sync/atomic"
	"time"
)

// folders makes folder names: 13 lower-case hex digits, eight of seconds and five
// of microseconds, as PHP's uniqid. Each is later than the one before.
type folders struct{ last atomic.Int64 } // microseconds since 1970

func (f *folders) next(now time.Time) string {
	for {
		last := f.last.Load()
		us := max(now.UnixMicro(), last+1)
		if f.last.CompareAndSwap(last, us) {
			return fmt.Sprintf("%08x%05x", us/1e6, us%1e6)
		}
	}
}
