package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tintype/sign"
)

// selfSigned makes a certificate for a name, and returns it with who trusts it.
func selfSigned(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// newTLSServer starts a server that speaks TLS, and has its client do so as well.
func newTLSServer(t *testing.T, change ...func(*Config)) (*testServer, *tls.Config) {
	cert, pool := selfSigned(t, "pictures.example")
	s := newTestServer(t, append(change, func(c *Config) { c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}} })...)
	client := &tls.Config{RootCAs: pool, ServerName: "pictures.example"}
	s.Client.Transport.(*http.Transport).TLSClientConfig = client
	return s, client
}

// signIn opens the console.
func (s *testServer) signIn(url string, headers ...string) answer {
	s.t.Helper()
	_, token, _ := strings.Cut(s.srv.SetupLink(), "#setup=")
	return s.do("POST", url+"/api/v1/session", strings.NewReader(fmt.Sprintf(`{"token":%q}`, token)), headers...)
}

const secureURL = "https://pictures.example"

func TestTLS(t *testing.T) {
	s, _ := newTLSServer(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 6<<20/16) // more than is kept in memory
	for name, data := range map[string]string{"small.txt": "text", "large.bin": string(big)} {
		url := strings.Replace(s.at(name, "rcw"), publicURL, secureURL, 1)
		if a := s.do("PUT", url, strings.NewReader(data), "x-ms-blob-type", "BlockBlob"); a.status != 201 {
			t.Fatalf("PUT %s: %d %s", name, a.status, a.body)
		}
		for range 3 {
			if a := s.do("GET", url, nil); a.status != 200 || a.body != data {
				t.Errorf("GET %s: %d, %d bytes", name, a.status, len(a.body))
			}
			s.srv.hot.memory.Wait()
		}
		if a := s.do("GET", url, nil, "Range", "bytes=1-2"); a.status != 206 || a.body != data[1:3] {
			t.Errorf("range of %s: %d %q", name, a.status, a.body)
		}
		if a := s.do("HEAD", url, nil); a.status != 200 || a.header.Get("ETag") == "" {
			t.Errorf("HEAD %s: %d %v", name, a.status, a.header)
		}
	}
	token, err := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: seedContainer},
		sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(time.Hour)), Permissions: "r", Protocol: "https"})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.do("GET", secureURL+"/"+seedContainer+"/small.txt?"+token.Query(), nil); a.status != 200 || a.body != "text" {
		t.Errorf("with a token for TLS alone: %d %s", a.status, a.body)
	}
	a := s.signIn(secureURL)
	if a.status != 204 || !strings.Contains(strings.ToLower(a.header.Get("Set-Cookie")), "; secure") {
		t.Errorf("session: %d %v", a.status, a.header)
	}
}

func TestWhatIsNegotiated(t *testing.T) {
	s, trusting := newTLSServer(t, func(c *Config) {})
	for _, test := range []struct {
		name     string
		change   func(*tls.Config)
		protocol string // "": refused
	}{
		{"what browsers offer", func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, "http/1.1"},
		{"TLS 1.2", func(c *tls.Config) { c.NextProtos, c.MaxVersion = []string{"http/1.1"}, tls.VersionTLS12 }, "http/1.1"},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, ""},
		{"HTTP/2 alone", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, ""},
		{"a challenge of a CA, of whom none is asked", func(c *tls.Config) { c.NextProtos = []string{"acme-tls/1"} }, ""},
	} {
		raw, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		c := trusting.Clone()
		test.change(c)
		conn := tls.Client(raw, c)
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		err = conn.Handshake()
		if got := conn.ConnectionState().NegotiatedProtocol; got != test.protocol || (err == nil) != (test.protocol != "") {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
		conn.Close()
	}
}

func TestWhoSpeaksPlainHTTPToTLSIsToldSo(t *testing.T) {
	s, _ := newTLSServer(t)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
		if got := s.raw(method + " / HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.Contains(got, " 400 ") || !strings.Contains(got, "https://") {
			t.Errorf("%s: %q", method, got)
		}
	}
	if got := s.raw("\x00\x01garbage"); strings.Contains(got, "HTTP") {
		t.Errorf("garbage: %q", got)
	}
}

// TestSlowHandshakesAreCutOff leaves handshakes half done; the server ends them.
func TestSlowHandshakesAreCutOff(t *testing.T) {
	s, trusting := newTLSServer(t)
	srv, err := New(s.srv.cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv.http.ReadTimeout = 50 * time.Millisecond // in place of headerTimeout
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		return conn
	}
	for name, begin := range map[string]func(net.Conn) io.Reader{
		"nothing is sent":       func(c net.Conn) io.Reader { return c },
		"a record without end":  func(c net.Conn) io.Reader { c.Write([]byte{22, 3, 1, 1, 0, 1}); return c },
		"nothing is asked then": func(c net.Conn) io.Reader { return tls.Client(c, trusting) },
	} {
		conn := dial()
		if _, err := io.Copy(io.Discard, begin(conn)); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	<-ended
}
