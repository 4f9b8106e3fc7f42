package store

import (
	"net/http"
	"testing"
)

// S3 begins its answer to a copy before it has made one: what says 200 may be an error.
func TestS3KnowsACopyThatFailed(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	put(t, b, item("a", "x"))
	failed := 0
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Amz-Copy-Source") == "" || failed > 0 {
			return false
		}
		failed++
		w.Write([]byte("<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>"))
		return true
	}
	if err := move(b, rename{"a", "delete-a", c.Now()}); err != nil || failed != 1 {
		t.Fatalf("Move: %v, %d failures", err, failed)
	}
	if got := read(t, b, "delete-a"); got != "x" {
		t.Errorf("read %q", got)
	}
}
