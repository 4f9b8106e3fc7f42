package store

import (
	"net/http"
	"sync"
	"time"
)

// Clock tells the time by S3's clock where this machine's is seen to differ from it. Servers that share a bucket have S3's clock in
// common: by their own, one that is wrong would remove pictures before their time, or serve them after it.
//
// S3 tells the second in each answer: a Clock is wrong by a second at most, by half of one when it has heard some answers, and a
// difference that may be none counts as none.
type Clock struct {
	own func() time.Time
	mu  sync.Mutex // guards what follows

	known    bool
	from, to time.Duration // by between these S3's clock is ahead
	last     time.Time     // answer that agrees with that
}

const (
	// dateSpan is how long one Date is told: a second, and another where an engine works out
	// the text once a second.
	dateSpan = 2 * time.Second
	// doubtFor is how long all answers have to tell another time before it counts: one may
	// have lain in a halted process.
	doubtFor = 10 * time.Second
	// drift is by how much clocks may move apart, as a part of the time that goes by.
	drift = 1000
)

// NewClock returns a Clock that is own's until S3 has answered.
func NewClock(own func() time.Time) *Clock { return &Clock{own: own} }

// Now tells the time.
func (c *Clock) Now() time.Time { return c.own().Add(c.Skew()) }

// Skew returns by how much S3's clock is ahead of this machine's.
func (c *Clock) Skew() time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || c.from <= 0 && c.to >= 0 {
		return 0
	}
	return (c.from + c.to) / 2
}

// hear learns from an answer of S3, by the own clock sent for and received, that had a date.
func (c *Clock) hear(sent, received, date time.Time) {
	from, to := date.Sub(received), date.Add(dateSpan).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	apart := received.Sub(c.last).Abs() / drift
	switch f, t := max(from, c.from-apart), min(to, c.to+apart); {
	case c.known && f <= t:
		from, to = f, t
	case c.known && received.Sub(c.last).Abs() < doubtFor:
		return
	}
	c.known, c.from, c.to, c.last = true, from, to, received
}

// clocked lets a Clock hear the answers.
type clocked struct {
	http.RoundTripper
	clock *Clock // nil: nobody hears
}

func (c *clocked) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.clock == nil {
		return c.RoundTripper.RoundTrip(req)
	}
	sent := c.clock.own()
	resp, err := c.RoundTripper.RoundTrip(req)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.clock.hear(sent, c.clock.own(), date)
		}
	}
	return resp, err
}
