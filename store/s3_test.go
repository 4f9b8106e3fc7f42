package store

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// Answers that begin and do not go on are given up, whatever they answer.
func TestS3GivesUpAnswersThatHang(t *testing.T) {
	for name, call := range map[string]func(*Bucket) error{
		"list": func(b *Bucket) error { _, err := b.List("", "", "", 10); return err },
		"head": func(b *Bucket) error { _, err := b.Stat("a"); return err },
		"get":  func(b *Bucket) error { return readAll(b, "a") },
		"none": func(b *Bucket) error {
			if _, _, err := b.Open("missing"); !errors.Is(err, ErrNotFound) {
				return err
			}
			return nil
		},
		"delete": func(b *Bucket) error { return del(b, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			c, m := newClock(), newInMemory(t)
			m.attempt = 300 * time.Millisecond
			b := m.open(t, c, "n1")
			put(t, b, item("a", "some bytes"))
			release := make(chan struct{})
			defer b.Close()
			defer close(release)
			var hung atomic.Int64
			m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				if "http://"+r.Host != m.endpoints[0] {
					return false
				}
				hung.Add(1)
				rec := httptest.NewRecorder()
				m.Do(rec, r)
				for name, values := range rec.Header() {
					w.Header()[name] = values
				}
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(rec.Code)
				w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
				w.(http.Flusher).Flush()
				<-release
				return true
			}
			if err := call(b); err != nil || hung.Load() == 0 {
				t.Errorf("%v, with %d answers that hang", err, hung.Load())
			}
		})
	}
}

func readAll(s Store, name string) error {
	_, err := verify(s, name)
	return err
}

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

// What is large is not copied at once.
func TestS3HasTimeToCopyWhatIsLarge(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	m.attempt = 300 * time.Millisecond
	b := m.open(t, c, "n1")
	defer b.Close()
	put(t, b, item("a", string(make([]byte, 4*slowest))))
	m.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			time.Sleep(2 * m.attempt)
		}
		return false
	}
	if err := move(b, rename{"a", "b", time.Time{}}); err != nil {
		t.Error(err)
	}
}

// Over TLS each call has a connection of its own while it lasts, so that none hangs with another.
func TestS3UsesAConnectionForEachCall(t *testing.T) {
	in := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Proto)) }))
	in.EnableHTTP2 = true
	in.StartTLS()
	defer in.Close()
	transport := (&s3{attempt: attemptTime}).newTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: in.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	resp, err := (&http.Client{Transport: transport}).Get(in.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "HTTP/1.1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Media types are what clients say, and are kept however S3 would take them.
func TestS3IsToldOfPlainMediaTypesAlone(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	for mediaType, want := range map[string]string{
		"image/png": "image/png", "text/plain; charset=utf-8": "text/plain; charset=utf-8",
		"": octets, "image/照": octets, "a\r\nb: c": octets, " a": octets, "application/x-directory": octets,
	} {
		var told []string
		m.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == "PUT" {
				told = append(told, r.Header.Get("Content-Type"))
			}
			return false
		}
		in := item("a", "x")
		in.MediaType = mediaType
		put(t, b, in)
		move(b, rename{"a", "b", time.Time{}})
		if o, err := b.Stat("b"); err != nil || o.MediaType != mediaType || !slices.Equal(told, []string{want, want}) {
			t.Errorf("%q: S3 is told %q; it is %q, %v", mediaType, told, o.MediaType, err)
		}
		del(b, "b")
	}
}

// Bytes are not read any more when the put is over, although S3 has answered before it had them.
func TestS3ReadsNothingLater(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "PUT" {
			return false
		}
		w.WriteHeader(http.StatusForbidden) // and leaves the body
		return true
	}
	for range 20 {
		data := make([]byte, maxInMemory)
		in := item("a", "")
		in.Body = bytes.NewReader(data)
		if _, err := tryPut(b, in); !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		clear(data) // which the race detector would see
	}
}
