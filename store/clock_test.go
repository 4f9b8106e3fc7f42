package store

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const second = time.Second
	start := time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name  string
		ahead []time.Duration // of S3's clock, at answers of which there are three a second
		want  time.Duration   // give or take what is between two seconds
	}{
		{"no answer", nil, 0},
		{"the right time", []time.Duration{0, 0, 0}, 0},
		{"ten minutes behind S3's", []time.Duration{600 * second, 600 * second, 600 * second, 600 * second, 600 * second}, 600 * second},
		{"ten minutes ahead of it", []time.Duration{-600 * second, -600 * second, -600 * second, -600 * second}, -600 * second},
		{"an answer that lay in a halted process", append(make([]time.Duration, 9), -20*second, -20*second), 0},
		{"a clock that is put right", append([]time.Duration{90 * second, 90 * second, 90 * second}, make([]time.Duration, 60)...), 0},
	} {
		now := start
		c := NewClock(func() time.Time { return now })
		for _, ahead := range test.ahead {
			sent := now
			now = now.Add(second / 3)
			c.hear(sent, now, now.Add(ahead).Truncate(time.Second))
		}
		if got := c.Now().Sub(now); (got-test.want).Abs() > 6*second/10 || test.want == 0 && got != 0 {
			t.Errorf("%s: corrected by %v, want %v", test.name, got, test.want)
		}
	}
}
