package server

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

const seedContainer = "appqforumdev-picture-13-76f99fb4f1a24d29"

// newVectorServer has the account key and the blobs that the SAS vectors ask for.
func newVectorServer(t *testing.T, keyBase64 string, at time.Time) *testServer {
	key, err := base64.StdEncoding.DecodeString(keyBase64)
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, func(c *Config) { c.Secrets = withKeys(key) })
	s.clock.set(at)
	s.seedVectors()
	return s
}

func (s *testServer) seedVectors() {
	for _, name := range []string{"5aa8d448cc978/5aa8d448cc978_full.jpg", "5aa8d448cc978/5aa8d448cc978_1024.jpg", "up/three.jpg", "up/four.jpg", "相册/图 片.jpg"} {
		s.seed(name, "seed")
	}
}

func (s *testServer) seed(name, bytes string) {
	s.t.Helper()
	s.put(store.Item{Object: store.Object{Name: seedContainer + "/" + name, MediaType: "image/jpeg"}, Body: strings.NewReader(bytes)})
}

const devKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

func TestSASVectorsOverTheWire(t *testing.T) {
	data, err := os.ReadFile("../testdata/vectors/sas_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			ID, Query     string
			QueryQStorage string    `json:"query_qstorage_style"`
			Key           string    `json:"account_key_base64"`
			At            time.Time `json:"evaluate_at"`
			Requests      []struct {
				Method, Target string
				Path           string `json:"path_style_path"`
				Headers        map[string]string
				Expect         struct {
					Status  int
					Code    string
					Headers map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Vectors) != 25 {
		t.Fatal(len(file.Vectors), err)
	}
	servers := make(map[string]*testServer)
	for _, v := range file.Vectors {
		s := servers[v.Key]
		if s == nil {
			s = newVectorServer(t, v.Key, v.At)
			servers[v.Key] = s
		}
		for _, query := range []string{v.Query, v.QueryQStorage} {
			if query == "" {
				continue
			}
			s.seedVectors() // requests of others may have deleted them
			for _, r := range v.Requests {
				want := r.Expect
				if v.ID == "m23-2016-c-si" {
					// the vector assumes a stored access policy; there are none here
					want.Status, want.Code = 403, "AuthenticationFailed"
				}
				url, headers := publicURL+r.Path+"?"+query, []string(nil)
				if r.Target == "list" {
					url += "&restype=container&comp=list"
				}
				for name, value := range r.Headers {
					headers = append(headers, name, value)
				}
				a := s.do(r.Method, url, strings.NewReader("seed"), headers...)
				if a.status != want.Status || a.header.Get("x-ms-error-code") != want.Code {
					t.Errorf("%s %s: %d %q, want %d %q", v.ID, r.Method, a.status, a.header.Get("x-ms-error-code"), want.Status, want.Code)
				}
				for name, value := range want.Headers {
					if a.header.Get(name) != value {
						t.Errorf("%s: %s is %q, want %q", v.ID, name, a.header.Get(name), value)
					}
				}
			}
		}
	}
}

func TestSASNegativeVectorsOverTheWire(t *testing.T) {
	data, err := os.ReadFile("../testdata/vectors/sas_negative.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		At    time.Time `json:"evaluate_at"`
		Cases []struct {
			ID, Query, Method, Path string
			Expect                  struct {
				Status int
				Code   string
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Cases) != 43 {
		t.Fatal(len(file.Cases), err)
	}
	s := newVectorServer(t, devKey, file.At)
	for _, c := range file.Cases {
		a := s.do(c.Method, publicURL+c.Path+"?"+c.Query, nil)
		if a.status != c.Expect.Status || a.header.Get("x-ms-error-code") != c.Expect.Code {
			t.Errorf("%s: %d %q, want %+v", c.ID, a.status, a.header.Get("x-ms-error-code"), c.Expect)
		}
		if c.Method == "HEAD" && a.body != "" {
			t.Errorf("%s: a HEAD has a body", c.ID)
		}
	}
}

// What token explain says is what the server does.
func TestExplanationsAgreeWithTheAnswers(t *testing.T) {
	s := newTestServer(t)
	s.seed("a.jpg", "x")
	good, key := s.sas("", "r"), [][]byte{[]byte(accountKey)}
	sign1 := func(change func(*sign.Token)) string {
		token, err := sign.ParseToken(good)
		if err != nil {
			t.Fatal(err)
		}
		change(&token)
		token.Signature = token.Sign(key[0], sign.Resource{Account: "devstoreaccount1", Container: seedContainer, Blob: "a.jpg"})
		return token.Query()
	}
	codes := make(map[string]bool)
	for name, link := range map[string]string{
		"good":                  "/" + seedContainer + "/a.jpg?" + good,
		"no token":              "/" + seedContainer + "/a.jpg",
		"a parameter twice":     "/" + seedContainer + "/a.jpg?sp=r&" + good,
		"a broken path":         "/" + seedContainer + "/%ff?" + good,
		"a bad container":       "/Capitals/a.jpg?" + good,
		"a short container":     "/ab/a.jpg?" + good,
		"another container":     "/" + seedContainer + "-2/a.jpg?" + good,
		"a word of a route":     "/picture/a.jpg?" + good,
		"no signature":          "/" + seedContainer + "/a.jpg?" + strings.Replace(good, "sig=", "sig=A", 1),
		"no version":            "/" + seedContainer + "/a.jpg?" + strings.Replace(good, "sv=", "x=", 1),
		"a later end":           "/" + seedContainer + "/a.jpg?" + strings.Replace(good, "se=2018", "se=2019", 1),
		"over":                  "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Expiry = "2018-03-14T07:50:32Z" }),
		"not yet":               "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Start = "2018-03-14T08:50:32Z" }),
		"no time":               "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Expiry = "tomorrow" }),
		"a policy":              "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Policy = "p" }),
		"letters out of order":  "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Permissions = "wr" }),
		"no permission to read": "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Permissions = "w" }),
		"another address":       "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Addresses = "10.0.0.1" }),
		"only over TLS":         "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.Protocol = "https" }),
		"a line in a header":    "/" + seedContainer + "/a.jpg?" + sign1(func(k *sign.Token) { k.ContentType = "a\nb" }),
	} {
		e := Keys{Account: "devstoreaccount1", SAS: key, Apps: s.data.Registry}.Explain("http://h"+link, s.clock.Now(), netip.MustParseAddr("127.0.0.1"))
		raw := s.raw("GET " + link + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		status, _, _ := strings.Cut(strings.TrimPrefix(raw, "HTTP/1.1 "), " ")
		_, code, _ := strings.Cut(raw, "<Code>")
		code, _, _ = strings.Cut(code, "</Code>")
		if want := answerTo("sas", e.Err); status+" "+code != want && want != "200 OK" || (status == "200") != e.Valid {
			t.Errorf("%s: explained as %s, answered %s %s", name, want, status, code)
		}
		if e.Valid != (e.Err == nil) || !e.Valid && !slices.ContainsFunc(e.Findings, func(f sign.Finding) bool { return !f.OK && f.Text != "" }) {
			t.Errorf("%s: %+v", name, e)
		}
		codes[code] = true
	}
	for _, row := range blobCodes {
		about := row.status == 403 || errors.Is(row.err, sign.ErrDuplicate) || errors.Is(row.err, errURI)
		if about && !slices.Contains([]error{errOrigin, errOverwrite, errQuota, errDisabled}, row.err) && !codes[row.code] {
			t.Errorf("no link was answered %s", row.code)
		}
	}
}

// token returns a query that opens the container of seed for a day.
func (s *testServer) token() string {
	s.t.Helper()
	return content(s.t, s.sastoken("container", fmt.Sprintf("start=%s&expiry=%s&sp=r",
		s.clock.Now().Format(time.RFC3339), s.clock.Now().Add(24*time.Hour).Format(time.RFC3339)), "target", seedContainer)).SASToken
}

func TestBlobErrorsHaveAzuresForm(t *testing.T) {
	s := newTestServer(t)
	token := s.token()
	a := s.do("GET", publicURL+"/"+seedContainer+"/none?"+token, nil)
	if a.status != 404 || a.header.Get("Content-Type") != "application/xml" || !strings.HasPrefix(a.body,
		`<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code><Message>The specified blob does not exist.`+"\nRequestId:"+a.header.Get("x-ms-request-id")+"\nTime:2018-03-14T07:50:33.0000000Z</Message></Error>") {
		t.Errorf("%d %v\n%s", a.status, a.header, a.body)
	}
	s.clock.add(25 * time.Hour)
	a = s.do("GET", publicURL+"/"+seedContainer+"/none?"+token, nil)
	want := "<AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [Wed, 14 Mar 2018 07:50:33 GMT] - Expiry [Thu, 15 Mar 2018 07:50:33 GMT] - Current [Thu, 15 Mar 2018 08:50:33 GMT]</AuthenticationErrorDetail>"
	if a.status != 403 || !strings.Contains(a.body, want) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBlobReadsHaveTheHeadersOfTheSDKs(t *testing.T) {
	s := newTestServer(t)
	s.seed("f/a.jpg", "0123456789")
	url := publicURL + "/" + seedContainer + "/f/a.jpg?" + s.token()
	for _, method := range []string{"GET", "HEAD"} {
		a := s.do(method, url, nil, "x-ms-version", "2026-04-06", "x-ms-client-request-id", "My-Own-ID")
		for name, want := range map[string]string{
			"Content-Length": "10", "Content-Type": "image/jpeg", "Last-Modified": "Wed, 14 Mar 2018 07:50:33 GMT", "Accept-Ranges": "bytes",
			"X-Ms-Blob-Type": "BlockBlob", "X-Ms-Creation-Time": "Wed, 14 Mar 2018 07:50:33 GMT", "X-Ms-Lease-State": "available",
			"X-Ms-Lease-Status": "unlocked", "X-Ms-Server-Encrypted": "false", "X-Ms-Version": "2026-04-06", "X-Ms-Client-Request-Id": "My-Own-ID",
		} {
			if a.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", method, name, a.header.Get(name), want)
			}
		}
		if tag := a.header.Get("ETag"); len(tag) != 20 || !strings.HasPrefix(tag, `"0x`) {
			t.Errorf("%s: ETag %q", method, tag)
		}
	}
	if a := s.do("GET", url, nil, "x-ms-version", "<script>"); a.header.Get("X-Ms-Version") != "2016-05-31" {
		t.Errorf("version without a date: %q", a.header.Get("X-Ms-Version"))
	}
}

func TestMD5OfReads(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.MaxUpload = 10 << 20 })
	big := strings.Repeat("0123456789", 1<<20)
	s.putBlob("small", "0123456789")
	s.putBlob("big", big)
	s.seed("unknown", "0123456789")
	sum := func(text string) string { return formatMD5(md5.Sum([]byte(text))) }
	for _, test := range []struct {
		name, ask, byteRange string
		status               int
		md5, whole           string
	}{
		{"small", "", "", 200, sum("0123456789"), ""},
		{"small", "", "bytes=1-2", 206, "", sum("0123456789")},
		{"small", "true", "bytes=1-2", 206, sum("12"), sum("0123456789")},
		{"small", "false", "bytes=1-2", 206, "", sum("0123456789")},
		{"small", "true", "", 400, "", ""},
		{"small", "true", "bytes=2-1", 400, "", ""},
		{"big", "True", "bytes=0-4194303", 206, sum(big[:4<<20]), sum(big)},
		{"big", "true", "bytes=10-4194313", 206, sum(big[10 : 10+4<<20]), sum(big)},
		{"big", "true", "bytes=0-4194304", 400, "", ""},
		{"big", "true", "bytes=99999999-", 416, "", ""},
		{"unknown", "", "", 200, "", ""},
		{"unknown", "true", "bytes=0-", 206, sum("0123456789"), ""},
	} {
		a := s.do("GET", s.at(test.name, "r"), nil, "x-ms-range", test.byteRange, "x-ms-range-get-content-md5", test.ask)
		if a.status != test.status || a.header.Get("Content-MD5") != test.md5 || a.header.Get("x-ms-blob-content-md5") != test.whole {
			t.Errorf("%+v: %d, %q, %q", test, a.status, a.header.Get("Content-MD5"), a.header.Get("x-ms-blob-content-md5"))
		}
		if a.status == 206 && test.md5 != "" && sum(a.body) != test.md5 {
			t.Errorf("%+v: the body is another", test)
		}
	}
	if a := s.do("HEAD", s.at("small", "r"), nil, "x-ms-range-get-content-md5", "true"); a.status != 200 || a.header.Get("Content-MD5") != sum("0123456789") {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
}

// testRanges holds section 6 of blob.md; big bodies are streamed, small ones
// come from memory.
func TestRanges(t *testing.T) {
	for name, size := range map[string]int{"in memory": 1000, "streamed": 9 << 20} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t)
			body := strings.Repeat("0123456789", size/10+1)[:size]
			s.seed("a.jpg", body)
			url := publicURL + "/" + seedContainer + "/a.jpg?" + s.token()
			for _, test := range []struct {
				header, value string
				status        int
				start, end    int // of what is sent
			}{
				{"x-ms-range", "bytes=0-9", 206, 0, 10},
				{"Range", "bytes=990-", 206, 990, size},
				{"Range", "bytes=0-", 206, 0, size},
				{"Range", fmt.Sprintf("bytes=10-%d", size), 206, 10, size},
				{"Range", "bytes=0-99999999999999999999999", 206, 0, size},
				{"Range", fmt.Sprintf("bytes=%d-", size-1), 206, size - 1, size},
				{"Range", fmt.Sprintf("bytes=%d-", size), 416, 0, 0},
				{"x-ms-range", "bytes=99999999999999999999999-", 416, 0, 0},
				{"Range", "bytes=-5", 200, 0, size},
				{"Range", "bytes=5-2", 200, 0, size},
				{"Range", "bytes=0-1,5-6", 200, 0, size},
				{"Range", "items=0-1", 200, 0, size},
				{"Range", "bytes=a-b", 200, 0, size},
				{"Range", "bytes=-", 200, 0, size},
			} {
				a := s.do("GET", url, nil, test.header, test.value)
				want, contentRange := "", ""
				switch test.status {
				case 206:
					want, contentRange = body[test.start:test.end], fmt.Sprintf("bytes %d-%d/%d", test.start, test.end-1, size)
				case 200:
					want = body
				case 416:
					contentRange = fmt.Sprintf("bytes */%d", size)
				}
				if a.status != test.status || a.header.Get("Content-Range") != contentRange || test.status != 416 && a.body != want {
					t.Errorf("%s: %s: %d, %d bytes, %q", test.header, test.value, a.status, len(a.body), a.header.Get("Content-Range"))
				}
			}
			if a := s.do("GET", url, nil, "Range", "bytes=0-1", "x-ms-range", "bytes=2-3"); a.body != "23" {
				t.Errorf("both: %q", a.body)
			}
			if a := s.do("HEAD", url, nil, "Range", "bytes=0-1"); a.status != 200 || a.header.Get("Content-Length") != fmt.Sprint(size) {
				t.Errorf("HEAD: %d, %s", a.status, a.header.Get("Content-Length"))
			}
		})
	}
}

func TestAnEmptyBlobHasNoRange(t *testing.T) {
	s := newTestServer(t)
	s.seed("a.jpg", "")
	url := publicURL + "/" + seedContainer + "/a.jpg?" + s.token()
	if a := s.do("GET", url, nil, "x-ms-range", "bytes=0-33554431"); a.status != 416 || a.header.Get("x-ms-error-code") != "InvalidRange" {
		t.Errorf("range: %d %s", a.status, a.header.Get("x-ms-error-code"))
	}
	if a := s.do("GET", url, nil); a.status != 200 || a.header.Get("Content-Length") != "0" {
		t.Errorf("whole: %d %v", a.status, a.header)
	}
}

func TestConditionsOfReads(t *testing.T) {
	s := newTestServer(t)
	s.seed("a.jpg", "0123456789")
	url := publicURL + "/" + seedContainer + "/a.jpg?" + s.token()
	tag := s.do("HEAD", url, nil).header.Get("ETag")
	const before, at, after = "Wed, 14 Mar 2018 07:50:32 GMT", "Wed, 14 Mar 2018 07:50:33 GMT", "Wed, 14 Mar 2018 07:50:34 GMT"
	for _, test := range []struct {
		headers string // "name: value" by "; "
		status  int
	}{
		{"If-Match: " + tag, 200},
		{"If-Match: " + strings.Trim(tag, `"`), 200},
		{`If-Match: "x", ` + tag, 200},
		{"If-Match: *", 200},
		{`If-Match: "x"`, 412},
		{"If-Unmodified-Since: " + at, 200},
		{"If-Unmodified-Since: " + before, 412},
		{"If-None-Match: " + tag, 304},
		{`If-None-Match: "x"`, 200},
		{"If-None-Match: *", 400},
		{"If-Modified-Since: " + at, 304},
		{"If-Modified-Since: " + after, 304},
		{"If-Modified-Since: " + before, 200},
		{"If-Modified-Since: nonsense", 200},
		{"If-None-Match: " + tag + "; If-Modified-Since: " + before, 200},
		{`If-None-Match: "x"; If-Modified-Since: ` + at, 200},
		{"If-None-Match: " + tag + "; If-Modified-Since: " + at, 304},
		{`If-Match: "x"; If-None-Match: ` + tag, 412},
		{"If-Match: " + tag + "; If-None-Match: " + tag, 304},
		{"If-Range: " + tag + "; Range: bytes=0-1", 206},
		{`If-Range: "x"; Range: bytes=0-1`, 200},
	} {
		var headers []string
		for h := range strings.SplitSeq(test.headers, "; ") {
			name, value, _ := strings.Cut(h, ": ")
			headers = append(headers, name, value)
		}
		a := s.do("GET", url, nil, headers...)
		if a.status != test.status {
			t.Errorf("%s: %d, want %d", test.headers, a.status, test.status)
		}
		if a.status >= 400 && (a.header.Get("ETag") != "" || a.header.Get("Accept-Ranges") != "") {
			t.Errorf("%s: an error with %v", test.headers, a.header)
		}
		if a.status == 304 && (a.body != "" || a.header.Get("ETag") != tag || a.header.Get("x-ms-error-code") != "ConditionNotMet") {
			t.Errorf("%s: 304 with %v, %q", test.headers, a.header, a.body)
		}
	}
	s.clock.add(time.Second)
	s.seed("a.jpg", "0123456789")
	if again := s.do("HEAD", url, nil).header.Get("ETag"); again == tag {
		t.Error("the ETag has not changed with the replacement")
	}
}

func TestAddresses(t *testing.T) {
	const account = "devstoreaccount1"
	for _, test := range []struct {
		path, host string
		want       address
		err        error
	}{
		{"/cont/f/a.jpg", "127.0.0.1:80", address{"cont", "f/a.jpg"}, nil},
		{"/devstoreaccount1/cont/f/a.jpg", "127.0.0.1:80", address{"cont", "f/a.jpg"}, nil},
		{"/cont/f/a.jpg", "devstoreaccount1.blob.example", address{"cont", "f/a.jpg"}, nil},
		{"/devstoreaccount1/cont/f", "devstoreaccount1.blob.example", address{}, errResource},
		{"/devstoreaccount1/cont/f", "devstoreaccount1", address{"cont", "f"}, nil},
		{"/cont/f%2Fa.jpg", "h", address{"cont", "f/a.jpg"}, nil},
		{"/cont/pct%252Fx", "h", address{"cont", "pct%2Fx"}, nil},
		{"/cont/a+b%20c%2B", "h", address{"cont", "a+b c+"}, nil},
		{"/cont//a//b/", "h", address{"cont", "/a//b/"}, nil},
		{"/cont/%E7%9B%B8", "h", address{"cont", "相"}, nil},
		{"/cont/../x", "h", address{"cont", "../x"}, nil},
		{"/", "h", address{}, nil},
		{"/cont", "h", address{"cont", ""}, nil},
		{"/cont/%zz", "h", address{}, errURI},
		{"/cont/%ff", "h", address{}, errURI},
		{"/cont/%00", "h", address{}, errURI},
		{"/cont/" + strings.Repeat("x", 1025), "h", address{}, errURI},
		{"/co/x", "h", address{}, errContainerLength},
		{"/" + strings.Repeat("x", 64) + "/x", "h", address{}, errContainerLength},
		{"/Cont/x", "h", address{}, errContainerName},
		{"/co--nt/x", "h", address{}, errContainerName},
		{"/-cont/x", "h", address{}, errContainerName},
		{"/picture/x", "h", address{}, errResource},
		{"/group1/x", "h", address{}, errResource},
		{"/delete-" + strings.Repeat("x", 63) + "/x", "h", address{"delete-" + strings.Repeat("x", 63), "x"}, nil},
	} {
		got, err := parseAddress(test.path, test.host, account)
		if fmt.Sprint(err) != fmt.Sprint(test.err) && (test.err == nil || !strings.Contains(fmt.Sprint(err), test.err.Error())) || test.err == nil && got != test.want {
			t.Errorf("%q at %s: %+v, %v; want %+v, %v", test.path, test.host, got, err, test.want, test.err)
		}
	}
}

func TestNamesArriveAsTheyWereSent(t *testing.T) {
	s := newTestServer(t)
	token := s.token()
	for path, name := range map[string]string{
		"f%2Fa.jpg": "f/a.jpg", "a//b": "a//b", "%E5%9B%BE%20%E7%89%87.jpg": "图 片.jpg", "a+b": "a+b", "pct%252Fx": "pct%2Fx", "end/": "end/", "x/../y": "x/../y",
	} {
		s.seed(name, name)
		// net/http would clean the path
		raw := s.raw("GET /" + seedContainer + "/" + path + "?" + token + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(raw, "HTTP/1.1 200") || !strings.HasSuffix(raw, "\r\n\r\n"+name) {
			t.Errorf("%s: %.60q", path, raw)
		}
	}
}

func TestPreflights(t *testing.T) {
	s := newTestServer(t)
	paths := []string{"/dfsapi/v2/saveImage", "/picture/upload", "/picture/delete", "/sastoken/container", "/portrait", "/v101/picture/upload", "/" + seedContainer + "/f/a.jpg", "/group1/M00/00/00/x.jpg"}
	for _, path := range paths {
		a := s.do("OPTIONS", publicURL+path, nil, "Origin", "http://a.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "app-key")
		if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "http://a.example" || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "App-Key") {
			t.Errorf("%s: %d, %v", path, a.status, a.header)
		}
	}
	asked := "x-ms-meta-colour,x-ms-blob-type,content-type"
	if a := s.do("OPTIONS", publicURL+"/"+seedContainer+"/a", nil, "Origin", "http://a.example", "Access-Control-Request-Headers", asked); !strings.HasSuffix(a.header.Get("Access-Control-Allow-Headers"), ", "+asked) ||
		a.header.Get("x-ms-request-id") == "" {
		t.Errorf("headers of an SDK: %v", a.header)
	}
	if a := s.do("POST", publicURL+"/picture/upload", nil, "Origin", "http://a.example"); a.header.Get("Access-Control-Allow-Origin") != "http://a.example" {
		t.Errorf("call: %v", a.header)
	}
	for _, path := range []string{"/console/", "/api/v1/stats"} {
		if a := s.do("GET", publicURL+path, nil, "Origin", "http://a.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s allows other origins", path)
		}
	}
	s = newTestServer(t, func(c *Config) { c.CORS = []string{"http://b.example"} })
	for origin, status := range map[string]int{"http://a.example": 403, "http://b.example": 204} {
		if a := s.do("OPTIONS", publicURL+paths[1], nil, "Origin", origin); a.status != status || (status == 204) != (a.header.Get("Access-Control-Allow-Origin") == origin) {
			t.Errorf("%s: %d, %v", origin, a.status, a.header)
		}
	}
}

func TestMethodsThatNobodyServes(t *testing.T) {
	s := newTestServer(t)
	for _, method := range []string{"TRACE", "CONNECT", "PATCH", "PROPFIND"} {
		for _, path := range []string{"/" + seedContainer + "/a.jpg?" + s.token(), "/group1/M00/00/00/x.jpg", "/picture/upload"} {
			raw := s.raw(method + " " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(raw, "HTTP/1.1 405") {
				t.Errorf("%s %s: %.40q", method, path, raw)
			}
		}
	}
}
