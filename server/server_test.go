package server

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"tintype/sign"
	"tintype/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	testApp    = "appqforumdev" // the application of the QStorage document
	testSecret = "a secret for tests"
	dfsApp     = "1111111111" // that of the dfsapi document
	dfsSecret  = "another secret for tests"
	publicURL  = "http://pictures.example"
	accountKey = "account key for tests"
)

// testServer is a Server on an in-memory listener, with a clock that tests move.
type testServer struct {
	*http.Client
	t     testing.TB
	dir   string
	data  *store.Data
	srv   *Server
	dial  func() (net.Conn, error)
	clock *testClock
	log   *lockedBuffer
}

// loopback gives in-memory connections the address that they stand for.
type loopback struct{ net.Listener }

func (l loopback) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return loopbackConn{conn}, err
}

type loopbackConn struct{ net.Conn }

func (loopbackConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *testClock) add(d time.Duration) { c.set(c.Now().Add(d)) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// readBy is how servers of tests send what is read: see TestEveryWayOfReading.
var readBy = "memory"

// listen makes a listener, and dial for it.
func (s *testServer) listen() net.Listener {
	if readBy == "copies" {
		ln := fasthttputil.NewInmemoryListener()
		s.dial = ln.Dial
		return loopback{ln}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.dial = func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	return ln
}

// newTestServer starts a server with two applications on an empty directory.
// change may alter its configuration.
func newTestServer(t testing.TB, change ...func(*Config)) *testServer {
	t.Helper()
	s := &testServer{
		t: t, dir: t.TempDir(), log: &lockedBuffer{},
		clock: &testClock{t: time.Date(2018, 3, 14, 7, 50, 33, 0, time.UTC)},
	}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if overS3 {
		s.data, err = s.openOverS3(store.Options{Now: s.clock.Now, Log: log})
	} else {
		s.data, err = store.OpenData(s.dir, store.Options{Now: s.clock.Now, Log: log})
	}
	if err != nil {
		t.Fatal(err)
	}
	for key, secret := range map[string]string{testApp: testSecret, dfsApp: dfsSecret} {
		if _, err := s.data.Registry.AddApp(key, secret, s.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{
		Apps: s.data.Registry, Pictures: s.data.Pictures, Cache: s.data.Cache,
		PublicURL: publicURL, Account: "devstoreaccount1", Secrets: withKeys([]byte(accountKey)),
		CORS: []string{"*"}, CacheSize: 1 << 20, Now: s.clock.Now, Log: log,
		Data: s.data, Audit: s.data.Audit,
	}
	if overS3 {
		cfg.Data = nil
	}
	if readBy == "nothing kept" {
		cfg.CacheSize = 0
	}
	if _, timed := t.(*testing.B); timed {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, f := range change {
		f(&cfg)
	}
	srv, err := New(cfg)
	s.srv = srv
	if err != nil {
		t.Fatal(err)
	}
	ln := s.listen()
	switch readBy {
	case "files":
		srv.hot.fileFrom, srv.hot.mapFrom = 0, store.MaxWhole+1
	case "mapped files":
		srv.hot.fileFrom, srv.hot.mapFrom = 0, 1
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	s.Client = &http.Client{
		Transport:     &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dial() }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		s.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.data.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// withKeys returns secrets with these account keys.
func withKeys(keys ...[]byte) func() *Secrets {
	return Secrets{AccountKeys: keys, AdminKeys: [][]byte{[]byte(adminKey)}}.Fixed()
}

// withLinkSecret makes FastDFS-style links need a token.
func withLinkSecret(c *Config) {
	secrets := *c.Secrets()
	secrets.TokenSecret = "link secret"
	c.Secrets = secrets.Fixed()
}

// put stores items without a request.
func (s *testServer) put(items ...store.Item) {
	s.t.Helper()
	if _, err := s.data.Pictures.Apply(store.Change{Put: items}); err != nil {
		s.t.Fatal(err)
	}
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. headers are pairs.
func (s *testServer) do(method, url string, body io.Reader, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, strings.Replace(url, publicURL, "http://server", 1), body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := s.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// raw sends bytes as they are and returns all that comes back until the server
// closes or is silent.
func (s *testServer) raw(request string) string {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, request)
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	var got bytes.Buffer
	io.Copy(&got, conn) // ends at the deadline where the connection is kept
	return got.String()
}

// testPicture returns a file of testdata/pictures.
func testPicture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// part is one part of a form; a file where fileName is set.
type formPart struct {
	name, fileName, value string
}

// makeForm returns a multipart body and its content type.
func makeForm(parts ...formPart) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q", p.name))
		if p.fileName != "" {
			h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.fileName))
			h.Set("Content-Type", "application/octet-stream")
		}
		part, _ := w.CreatePart(h)
		io.WriteString(part, p.value)
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// saveParts are the parts of a correct saveImage call; more come before the file.
func saveParts(data []byte, more ...sign.Field) []formPart {
	fields := append([]sign.Field{{Name: "appKey", Value: dfsApp}, {Name: "length", Value: strconv.Itoa(len(data))}}, more...)
	fields = append(fields, sign.Field{Name: "sign", Value: sign.DFSAPISign(dfsSecret, fields)})
	var parts []formPart
	for _, f := range fields {
		parts = append(parts, formPart{name: f.Name, value: f.Value})
	}
	return append(parts, formPart{"mmfile", "1.jpg", string(data)})
}

func (s *testServer) save(parts ...formPart) answer {
	s.t.Helper()
	body, contentType := makeForm(parts...)
	return s.do("POST", publicURL+"/dfsapi/v2/saveImage", bytes.NewReader(body), "Content-Type", contentType)
}

// qheaders are the headers of a correct QStorage call, as pairs.
func (s *testServer) qheaders(more ...string) []string {
	now := strconv.FormatInt(s.clock.Now().Unix(), 10)
	return append([]string{
		"app-key", testApp, "signature-time", now, "signature", sign.QStorageSignature(testSecret, now), "account", "1607279",
	}, more...)
}

const qquery = "?lang=en-us&uuid=1517bfd3f7a87ab988"

// upload stores a picture by QStorage under a resource-id.
func (s *testServer) upload(data []byte, headers ...string) answer {
	s.t.Helper()
	body, contentType := makeForm(formPart{"files", "picture.jpg", string(data)})
	return s.do("POST", publicURL+"/picture/upload"+qquery, bytes.NewReader(body),
		s.qheaders(append([]string{"Content-Type", contentType, "resource-id", "13/76f99fb4f1a24d29"}, headers...)...)...)
}

// golden compares got with a golden file, byte for byte.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("../testdata/golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s: got\n%s\nwant\n%s (%v)", name, got, want, err)
	}
}

func TestTwoRequestsOnOneConnectionKeepTheirOwnValues(t *testing.T) {
	s := newTestServer(t)
	photo, other := testPicture(t, "landscape_1.jpg"), testPicture(t, "opaque.png")
	first := field0(t, s.save(saveParts(photo, sign.Field{Name: "isStorage", Value: "true"})...), "url")
	second := field0(t, s.save(saveParts(other, sign.Field{Name: "isStorage", Value: "true"})...), "url")
	// the first is read back after the second has reused every buffer
	if got := s.do("GET", first, nil); got.body != string(photo) || got.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("first: %d, %d bytes", got.status, len(got.body))
	}
	if got := s.do("GET", second, nil); got.body != string(other) || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("second: %d, %d bytes", got.status, len(got.body))
	}
}

func TestSlashesAloneAreAnswered(t *testing.T) {
	s := newTestServer(t)
	for _, request := range []string{"POST /", "POST //", "GET //?a=b", "GET ///", "PUT ////", "OPTIONS //"} {
		if got := s.raw(request + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 3") {
			t.Errorf("%s: %.100q", request, got)
		}
	}
}

// fasthttp has the deadline of one answer count for what it writes before the next has its own.
func TestADeadlineOutlastsAnIdleConnection(t *testing.T) {
	if writeTimeout <= idleTimeout+headerTimeout {
		t.Errorf("%v to write, %v idle, %v for the next header", writeTimeout, idleTimeout, headerTimeout)
	}
}

func TestEveryAnswerKeepsBrowsersFromGuessing(t *testing.T) {
	s := newTestServer(t)
	content := s.uploaded(testPicture(t, "landscape_1.jpg"))
	url := content.OriginalURL + "?" + content.SASToken
	for name, a := range map[string]answer{
		"picture":     s.do("GET", url, nil),
		"part":        s.do("GET", url, nil, "Range", "bytes=1-2"),
		"unchanged":   s.do("GET", url, nil, "If-None-Match", s.do("HEAD", url, nil).header.Get("ETag")),
		"no token":    s.do("GET", content.OriginalURL, nil),
		"link":        s.do("GET", publicURL+"/group1/x", nil),
		"saveImage":   s.do("POST", publicURL+"/dfsapi/v2/saveImage", nil),
		"gainImage":   s.do("GET", publicURL+"/dfsapi/v2/gainImage", nil),
		"upload":      s.do("POST", publicURL+"/picture/upload", nil),
		"health":      s.do("GET", publicURL+"/healthz", nil),
		"metrics":     s.do("GET", publicURL+"/metrics", nil),
		"console":     s.do("GET", publicURL+"/console/", nil),
		"large":       s.save(formPart{"mmfile", "1.jpg", strings.Repeat("x", 20<<20)}),
		"preflight":   s.do("OPTIONS", url, nil, "Origin", "http://a.example"),
		"not allowed": s.do("PUT", publicURL+"/dfsapi/v2/saveImage", nil),
	} {
		if a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s (%d): headers %v", name, a.status, a.header)
		}
	}
}

func TestSecretsAndSignaturesAreNotLogged(t *testing.T) {
	s := newTestServer(t, withLinkSecret)
	content := s.uploaded(testPicture(t, "landscape_1.jpg"))
	s.do("GET", content.OriginalURL+"?"+content.SASToken, nil)
	s.do("GET", content.OriginalURL+"?"+content.SASToken+"x", nil)
	link := field0(t, s.save(saveParts(testPicture(t, "landscape_1.jpg"))...), "url")
	s.do("GET", link, nil)
	s.do("GET", link+"0", nil)
	// as clients join a token wrongly, and pass it on
	s.do("GET", content.OriginalURL+"%3F"+content.SASToken, nil)
	s.do("GET", content.OriginalURL+"&"+content.SASToken, nil)
	s.delete("http://h/x?" + content.SASToken)
	s.delete(content.OriginalURL + "&" + content.SASToken)
	s.do("POST", publicURL+"/dfsapi/v2/saveImage", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"sign\"\r\nSIGN-WITHOUT-A-BLANK-LINE\r\n\r\n--x--"),
		"Content-Type", "multipart/form-data; boundary=x")
	log := s.log.String()
	_, sig, _ := strings.Cut(content.SASToken, "sig=")
	_, token, _ := strings.Cut(link, "token=")
	raw, err := url.QueryUnescape(sig)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{testSecret, dfsSecret, "link secret", sig, raw, token[:32], "WITHOUT-A-BLANK"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(log, content.OriginalURL[len(publicURL):]) {
		t.Errorf("the log lacks the requests:\n%s", log)
	}
}

func TestReadinessEndsWhenTheServerDrains(t *testing.T) {
	s := newTestServer(t)
	if a := s.do("GET", publicURL+"/readyz", nil); a.status != 200 {
		t.Errorf("readyz = %d", a.status)
	}
	srv, err := New(Config{
		Apps: s.data.Registry, Pictures: s.data.Pictures, Cache: s.data.Cache,
		PublicURL: publicURL, Account: "tintype", Secrets: withKeys([]byte{1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	defer ln.Close()
	go srv.http.Serve(ln) // not Serve: not ready yet
	s.Client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}}
	if a := s.do("GET", publicURL+"/readyz", nil); a.status != 503 {
		t.Errorf("readyz before Serve = %d", a.status)
	}
	if a := s.do("GET", publicURL+"/healthz", nil); a.status != 200 {
		t.Errorf("healthz before Serve = %d", a.status)
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	s := newTestServer(t)
	good := Config{
		Apps: s.data.Registry, Pictures: s.data.Pictures, Cache: s.data.Cache,
		PublicURL: "https://h:1/path/", Account: "tintype", Secrets: withKeys([]byte{1}),
	}
	if _, err := New(good); err != nil {
		t.Errorf("good: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no public URL":          func(c *Config) { c.PublicURL = "" },
		"a URL without a scheme": func(c *Config) { c.PublicURL = "pictures.example" },
		"a URL with a query":     func(c *Config) { c.PublicURL = "http://h/?a" },
		"no key":                 func(c *Config) { c.Secrets = Secrets{}.Fixed() },
		"an empty key":           func(c *Config) { c.Secrets = withKeys([]byte{1}, nil) },
		"an account in capitals": func(c *Config) { c.Account = "Tintype" },
		"an account of a route":  func(c *Config) { c.Account = "picture" },
		"an account of a group":  func(c *Config) { c.Account = "group1" },
		"a thumbnail of nothing": func(c *Config) { c.Thumbs = []int{0} },
		"no applications":        func(c *Config) { c.Apps = nil },
		"a user in the URL":      func(c *Config) { c.PublicURL = "http://u:p@h" },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTheConsoleIsServed(t *testing.T) {
	s := newTestServer(t)
	if a := s.do("GET", publicURL+"/", nil); a.status != 302 || a.header.Get("Location") != "/console/" {
		t.Errorf("GET / = %d, %v", a.status, a.header)
	}
	a := s.do("GET", publicURL+"/console/", nil)
	if a.status != 200 || !strings.Contains(a.body, "<title>tintype") || a.header.Get("Content-Security-Policy") != consolePolicy {
		t.Errorf("console = %d, %v", a.status, a.header)
	}
	if a := s.do("GET", publicURL+"/console/", nil, "If-None-Match", a.header.Get("ETag")); a.status != 304 {
		t.Errorf("console, again = %d", a.status)
	}
	for _, path := range []string{"none.js", "web.go", "../web.go", "%2e%2e/web.go"} {
		if a := s.do("GET", publicURL+"/console/"+path, nil); a.status != 404 {
			t.Errorf("%s = %d", path, a.status)
		}
	}
}
