package server

import (
	"sync"
	"sync/atomic"
)

// historyLength is how many samples are kept: an hour of them.
const historyLength = 360

// activity counts what the server does.
type activity struct{ requests, errors, uploads, bytes atomic.Int64 }

// history is activity of the last hour, in samples of sampleEvery.
type history struct {
	activity
	mu      sync.Mutex // guards what follows
	last    [4]int64
	samples [][4]int64
}

// answered counts an answer.
func (a *activity) answered(status, bytes int) {
	a.requests.Add(1)
	a.bytes.Add(int64(bytes))
	if status >= 500 {
		a.errors.Add(1)
	}
}

// sample notes what was done since the last one.
func (h *history) sample() {
	now := [4]int64{h.requests.Load(), h.errors.Load(), h.uploads.Load(), h.bytes.Load()}
	h.mu.Lock()
	defer h.mu.Unlock()
	var since [4]int64
	for i := range now {
		since[i] = now[i] - h.last[i]
	}
	h.last = now
	h.samples = append(h.samples, since)
	if len(h.samples) > historyLength {
		h.samples = append(h.samples[:0], h.samples[len(h.samples)-historyLength:]...)
	}
}

// series returns the samples as one list for each count, the oldest first.
func (h *history) series() (all [4][]int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range all {
		all[i] = make([]int64, len(h.samples))
		for j, s := range h.samples {
			all[i][j] = s[i]
		}
	}
	return all
}
