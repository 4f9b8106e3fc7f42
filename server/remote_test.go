package server

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store"
	"tintype/store/s3test"
)

// remoteServer is a server over an S3 in memory.
type remoteServer struct {
	*testServer
	s3    *s3test.Server
	url   string
	node  string
	photo []byte
	now   func() time.Time
	less  map[string]int // calls that are another row's
}

// newRemoteServer starts one. What it asks and tells S3 by itself from time to time is not counted:
// whether it is there, and what it has counted.
func newRemoteServer(t *testing.T) *remoteServer {
	s3, _ := s3test.New(t)
	s3.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !(r.Method == "HEAD" && strings.HasSuffix(r.URL.Path, "/_layout")) && !(r.Method == "PUT" && strings.Contains(r.URL.Path, "/n/")) {
			return false
		}
		w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
		w.Header().Set("ETag", `"e"`)
		return true
	}
	return newServerOver(t, s3, "n1")
}

// newServerOver starts one of several servers over an S3.
func newServerOver(t *testing.T, s3 *s3test.Server, node string) *remoteServer {
	s := &remoteServer{s3: s3, url: s3.Endpoint(t), node: node, photo: testPicture(t, "landscape_1.jpg"), less: make(map[string]int)}
	s.testServer = newTestServer(t, func(c *Config) {
		s.now = c.Now
		c.Pictures, c.Cache, c.Data = s.openTier(t, "pictures"), s.openTier(t, "cache"), nil
		c.SweepEvery = 100 * 365 * 24 * time.Hour // when the test says so
	})
	return s
}

func (s *remoteServer) openTier(t testing.TB, tier string) store.Tier {
	t.Helper()
	b, err := store.OpenBucket(store.BucketOptions{
		Options: store.Options{Now: s.now}, Endpoints: []string{s.url}, AccessKey: "key", SecretKey: "secret",
		Bucket: "tintype", Tier: tier, Node: s.node, Temp: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Of two servers that are told to put what is to be new under one name, one is refused, though
// neither has seen anything there.
func TestOneOfTwoServersCreates(t *testing.T) {
	for _, test := range []struct {
		name, permissions string
		headers           []string
		status            int
		code              string
	}{
		{"by a condition", "w", []string{"If-None-Match", "*"}, 409, "BlobAlreadyExists"},
		{"by a token that may create alone", "c", nil, 403, "UnauthorizedBlobOverwrite"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s3, _ := s3test.New(t)
			var between atomic.Bool
			var other *remoteServer
			s3.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == "PUT" && strings.Contains(r.URL.Path, "/o/") && !between.Swap(true) {
					other.wantStatus(201, other.putBlob("a.txt", "theirs"))
				}
				return false
			}
			s := newServerOver(t, s3, "n1")
			other = newServerOver(t, s3, "n2")
			a := s.do("PUT", s.at("a.txt", test.permissions), strings.NewReader("ours"), append(test.headers, "x-ms-blob-type", "BlockBlob")...)
			if a.status != test.status || a.code() != test.code {
				t.Errorf("%d %s, want %d %s", a.status, a.code(), test.status, test.code)
			}
			s.wantRead("a.txt", "theirs")
		})
	}
}

func TestANameThatS3CannotHaveIsRefused(t *testing.T) {
	s := newRemoteServer(t)
	if a := s.putBlob(strings.Repeat("A", 300), "a"); a.status != 400 || a.code() != "InvalidUri" {
		t.Errorf("%d %s", a.status, a.code())
	}
	s.wantStatus(404, s.do("GET", s.at(strings.Repeat("A", 300), "r"), nil))
}
