package store

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// weather is what happens to the calls that an S3 gets.
type weather struct {
	*inMemory
	clock *clock

	mu     sync.Mutex // guards what follows
	rand   *rand.Rand
	bad    int // one call in so many goes wrong; 0: none
	out    int // calls until none is answered any more; below 0: all are
	hang   int // how many calls may hang yet, until nobody waits for them any more
	late   []call
	active map[chan struct{}]bool // closed when a call is over
}

// call is one that a gateway has taken, and will make when it has been made elsewhere.
type call struct {
	*http.Request
	sent time.Time
}

// set changes the weather.
func (w *weather) set(bad, out int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad, w.out = bad, out
}

// fault is s3test.Server's.
func (w *weather) fault(out http.ResponseWriter, r *http.Request) bool {
	over := make(chan struct{})
	w.mu.Lock()
	w.active[over] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.active, over)
		close(over)
	}()
	w.settle(func(c call) bool { return !c.isFirst() && sharesKey(c.Request, r) })
	switch w.kind(r) {
	case "down":
		out.WriteHeader(http.StatusServiceUnavailable)
	case "reset":
		panic(http.ErrAbortHandler)
	case "lost": // done, but nobody knows
		w.Do(httptest.NewRecorder(), r)
		out.WriteHeader(http.StatusBadGateway)
	case "cut":
		cut(w.inMemory, out, r)
	case "late":
		w.keep(r)
		out.WriteHeader(http.StatusGatewayTimeout)
	case "hung":
		w.keep(r)
		time.Sleep(w.attempt * 3 / 2)
	case "200 and an error":
		io.WriteString(out, "<Error><Code>InternalError</Code></Error>")
	default:
		w.Do(out, r)
	}
	return true
}

// kind chooses what happens to a call.
func (w *weather) kind(r *http.Request) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out >= 0 {
		if w.out == 0 {
			return "down"
		}
		w.out--
	}
	if w.bad == 0 || w.rand.IntN(w.bad) > 0 {
		return ""
	}
	kinds := []string{"down", "reset", "lost", "late"}
	switch {
	case r.Method == "GET" || r.Method == "HEAD":
		kinds = []string{"down", "reset", "cut"}
	case r.Header.Get("X-Amz-Copy-Source") != "":
		kinds = append(kinds, "200 and an error")
	}
	if w.hang > 0 && w.rand.IntN(20) == 0 {
		w.hang--
		return "hung"
	}
	return kinds[w.rand.IntN(len(kinds))]
}

func again(r *http.Request, body []byte) *http.Request {
	r = r.Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// keep takes a call for later. A put that is to be the first may come at any time for which its
// signature holds. Nothing is promised of others that come after the next call for their keys.
func (w *weather) keep(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = append(w.late, call{again(r, body), w.clock.Now()})
}

// isFirst says whether it is a put that does nothing where there is something.
func (c call) isFirst() bool { return c.Header.Get("If-None-Match") != "" }

// sharesKey says whether two calls have to do with one key.
func sharesKey(a, b *http.Request) bool {
	for _, key := range keysOf(a) {
		if slices.Contains(keysOf(b), key) {
			return true
		}
	}
	return false
}

func keysOf(r *http.Request) (keys []string) {
	if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
		keys = append(keys, strings.TrimPrefix(from, "/"))
	}
	return append(keys, strings.TrimPrefix(r.URL.Path, "/"))
}

// calm has all calls made that are late, but for most of those that may come later still, unless
// all are to come.
func (w *weather) calm(all bool) {
	w.mu.Lock()
	active := slices.Collect(maps.Keys(w.active))
	w.mu.Unlock()
	for _, over := range active {
		<-over
	}
	w.settle(func(c call) bool { return all || !c.isFirst() || w.rand.IntN(4) == 0 })
}

// settle makes those of the calls that are late for which it is time.
func (w *weather) settle(now func(call) bool) {
	for _, c := range w.take(now) {
		if !c.isFirst() || w.clock.Now().Sub(c.sent) < 15*time.Minute { // for which its signature holds
			w.Do(httptest.NewRecorder(), c.Request)
		}
	}
}

// take takes away some of the calls that are late.
func (w *weather) take(which func(call) bool) (taken []call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = slices.DeleteFunc(w.late, func(c call) bool {
		is := which(c)
		if is {
			taken = append(taken, c)
		}
		return is
	})
	return taken
}
