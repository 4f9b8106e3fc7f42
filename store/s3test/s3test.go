// Package s3test has an S3 in memory for tests: the calls that package store makes, as every
// engine answers them, and faults on demand.
package s3test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is an S3 with buckets that are there when they are first named.
type Server struct {
	// Fault, if it is set, is asked before every call, and has answered it if it returns
	// true. It may call the ResponseRecorder's handler itself: Do. Not to be changed while
	// calls are made.
	Fault func(w http.ResponseWriter, r *http.Request) (answered bool)
	// NoConditions makes puts ignore If-None-Match.
	NoConditions bool
	// Now is the server's clock; nil: the machine's. It is set before the first call.
	Now func() time.Time

	mu      sync.Mutex // guards what follows
	objects map[string]object
	calls   map[string]int
}

type object struct {
	data   []byte
	header http.Header
	put    time.Time
}

// tag is the entity tag, which goes by the bytes alone.
func (o object) tag() string { return fmt.Sprintf(`"%x"`, md5.Sum(o.data)) }

// New returns a server, and a URL for it, until the test ends.
func New(t testing.TB) (*Server, string) {
	s := Unserved()
	return s, s.Endpoint(t)
}

// Unserved returns a server to which no URL leads.
func Unserved() *Server {
	return &Server{objects: make(map[string]object), calls: make(map[string]int)}
}

// Endpoint returns one more URL for the same buckets.
func (s *Server) Endpoint(t testing.TB) string {
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

// Calls returns how many calls of each method there were since the last time, a copy as COPY
// and a list as LIST.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = make(map[string]int)
	return calls
}

// Keys returns all keys, each behind its bucket and a slash, in order.
func (s *Server) Keys() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Change replaces the bytes under a key.
func (s *Server) Change(key string, change func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[key]
	o.data = change(bytes.Clone(o.data))
	s.objects[key] = o
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Now != nil {
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	}
	if s.Fault != nil && s.Fault(w, r) {
		return
	}
	s.Do(w, r)
}

// Do answers a call.
func (s *Server) Do(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == "GET" || r.Method == "HEAD" {
		s.get(w, r, key)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") == "":
		fail(w, http.StatusForbidden, "AccessDenied")
	case r.Method == "PUT" && r.Header.Get("X-Amz-Copy-Source") != "":
		s.calls["COPY"]++
		s.copy(w, r, key)
	case r.Method == "PUT":
		s.calls["PUT"]++
		s.put(w, r, key, body)
	default:
		s.calls["DELETE"]++
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	sum := sha256.Sum256(body)
	if _, taken := s.objects[key]; taken && r.Header.Get("If-None-Match") == "*" && !s.NoConditions {
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		fail(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	o := object{body, kept(r.Header), time.Now()}
	s.objects[key] = o
	w.Header().Set("ETag", o.tag())
}

// kept is what a put has beside the bytes.
func kept(from http.Header) http.Header {
	to := http.Header{"Content-Type": from["Content-Type"]}
	for name, values := range from {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			to[name] = values
		}
	}
	return to
}

func (s *Server) copy(w http.ResponseWriter, r *http.Request, key string) {
	from, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	o, ok := s.objects[strings.TrimPrefix(from, "/")]
	if err != nil || !ok {
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	if r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		o.header = kept(r.Header)
	}
	s.objects[key] = o
	fmt.Fprintf(w, `<CopyObjectResult><ETag>%s</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></CopyObjectResult>`, o.tag())
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	_, listing := r.URL.Query()["list-type"]
	o, ok := s.objects[key]
	if listing {
		s.calls["LIST"]++
		defer s.mu.Unlock()
		s.list(w, strings.Trim(key, "/"), r.URL.Query())
		return
	}
	s.calls[r.Method]++
	s.mu.Unlock() // before the answer, for which a client may not be ready
	switch {
	case r.Header.Get("Authorization") == "":
		fail(w, http.StatusForbidden, "AccessDenied")
		return
	case !ok:
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	for name, values := range o.header {
		w.Header()[name] = values
	}
	w.Header().Set("ETag", o.tag())
	http.ServeContent(w, r, "", o.put, bytes.NewReader(o.data))
}

func (s *Server) list(w http.ResponseWriter, bucket string, q url.Values) {
	type content struct {
		Key          string
		Size         int
		LastModified time.Time
	}
	var result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}
	result.EncodingType = "url"
	limit, _ := strconv.Atoi(q.Get("max-keys"))
	var keys []string
	for key := range s.objects {
		if rest, ok := strings.CutPrefix(key, bucket+"/"); ok && strings.HasPrefix(rest, q.Get("prefix")) && rest > q.Get("start-after") {
			keys = append(keys, rest)
		}
	}
	slices.Sort(keys)
	if len(keys) > limit {
		keys, result.IsTruncated, result.NextContinuationToken = keys[:limit], true, "t"
	}
	for _, key := range keys {
		o := s.objects[bucket+"/"+key]
		result.Contents = append(result.Contents, content{url.QueryEscape(key), len(o.data), o.put})
	}
	xml.NewEncoder(w).Encode(result)
}
