//go:build fire && linux

package server

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store/s3test"
)

// documentedBalancer is the configuration of nginx in scale.md without TLS, in the frame of
// startProxy.
func documentedBalancer(t *testing.T, one, two string) string {
	for _, block := range codeBlocks(parseDocsPage("scale")) {
		if !strings.HasPrefix(block, "upstream tintype {") {
			continue
		}
		block = regexp.MustCompile(`\n +ssl_.*`).ReplaceAllString(block, "")
		block = strings.NewReplacer("listen 443 ssl", "listen FRONT", "10.0.0.11:8080", one, "10.0.0.12:8080", two).Replace(block)
		frame, _, _ := strings.Cut(proxyConf, "  upstream ")
		return frame + block + "}\n"
	}
	t.Fatal("scale.md has no upstream")
	return ""
}

// TestBehindNginxAsDocumented has the balancer of scale.md before two servers over one S3, of
// which one fails: nobody notices but who uploads by a form, which is never sent twice.
func TestBehindNginxAsDocumented(t *testing.T) {
	s3, _ := s3test.New(t)
	s := newServerOver(t, s3, "n1")
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	good := conn.RemoteAddr().String()
	conn.Close()
	var failed atomic.Int64
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		failed.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(sick.Close)
	dead := httptest.NewServer(nil)
	dead.Close()
	for name, test := range map[string]struct {
		bad   string
		sends bool // it takes requests, and answers them with 503
	}{
		"dead": {dead.Listener.Addr().String(), false},
		"sick": {sick.Listener.Addr().String(), true},
	} {
		t.Run(name, func(t *testing.T) {
			failed.Store(0)
			_, front := startProxyWith(t, documentedBalancer(t, test.bad, good))
			direct := s.dial
			s.dial = func() (net.Conn, error) { return net.Dial("tcp", front) }
			defer func() { s.CloseIdleConnections(); s.dial = direct }()
			s.CloseIdleConnections()
			lost := 0
			for range 8 {
				body, contentType := makeForm(saveParts(s.photo, sign.Field{Name: "isStorage", Value: "true"})...)
				before := failed.Load()
				a := s.do("POST", publicURL+"/dfsapi/v2/saveImage", bytes.NewReader(body), "Content-Type", contentType)
				switch sent := failed.Load() > before; {
				case a.status == 200 && !sent:
					s.wantStatus(200, s.do("GET", field0(t, a, "url"), nil))
				case a.status == 503 && sent:
					lost++
				default:
					t.Errorf("POST: %d, sent to the other: %v", a.status, sent)
				}
				s.wantStatus(201, s.putBlob("a_b.txt", "text", "x-ms-meta-a_b", strings.Repeat("c", 7000)))
				if a := s.do("GET", s.at("a_b.txt", "r"), nil); a.status != 200 || len(a.header.Get("x-ms-meta-a_b")) != 7000 {
					t.Errorf("GET: %d, %d headers", a.status, len(a.header))
				}
				time.Sleep(time.Millisecond)
			}
			if test.sends != (lost > 0) || lost > 3 {
				t.Errorf("%d uploads of 8 were refused", lost)
			}
			s.wantStatus(404, s.do("GET", publicURL+"/metrics", nil))
		})
	}
}
