package server

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

// at returns the URL of a blob, or with "" of the container, with a token for all
// of seedContainer.
func (s *testServer) at(name, permissions string) string {
	s.t.Helper()
	url := publicURL + "/" + seedContainer
	if name != "" {
		url += "/" + name
	}
	return url + "?" + s.sas("", permissions)
}

// sas signs a token for a blob of seedContainer, or with "" for the container.
func (s *testServer) sas(blob, permissions string) string {
	s.t.Helper()
	token, err := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: seedContainer, Blob: blob},
		sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(30 * 24 * time.Hour)), Permissions: permissions})
	if err != nil {
		s.t.Fatal(err)
	}
	return token.Query()
}

// putBlob stores text in one PUT.
func (s *testServer) putBlob(name, text string, headers ...string) answer {
	s.t.Helper()
	return s.do("PUT", s.at(name, "w"), strings.NewReader(text), append(headers, "x-ms-blob-type", "BlockBlob")...)
}

// read returns a blob's bytes, or the code of the error.
func (s *testServer) read(name string) string {
	s.t.Helper()
	a := s.do("GET", s.at(name, "r"), nil)
	if a.status != 200 {
		return a.header.Get("x-ms-error-code")
	}
	return a.body
}

func (a answer) code() string { return a.header.Get("x-ms-error-code") }

func blockList(ids ...string) *strings.Reader {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>")
	for _, id := range ids {
		b.WriteString("<Latest>" + blockID(id) + "</Latest>")
	}
	b.WriteString("</BlockList>")
	return strings.NewReader(b.String())
}

func blockID(id string) string { return base64.StdEncoding.EncodeToString([]byte(id)) }

// stage puts a block.
func (s *testServer) stage(name, id, text string, headers ...string) answer {
	s.t.Helper()
	return s.do("PUT", s.at(name, "w")+"&comp=block&blockid="+strings.NewReplacer("=", "%3D", "+", "%2B").Replace(blockID(id)), strings.NewReader(text), headers...)
}

func (s *testServer) commit(name string, ids ...string) answer {
	s.t.Helper()
	return s.do("PUT", s.at(name, "w")+"&comp=blocklist", blockList(ids...))
}

// blob.md section 4, each operation with every permission there is.
func TestEveryOperationNeedsItsPermission(t *testing.T) {
	const mismatch, overwrite = "AuthorizationPermissionMismatch", "UnauthorizedBlobOverwrite"
	block := "&comp=block&blockid=" + blockID("1")[:2] + "%3D%3D"
	for _, op := range []struct {
		name, method, blob, query, body string
		need                            string
		status                          int
	}{
		{"Get Blob", "GET", "there", "", "", "r", 200},
		{"Get Properties", "HEAD", "there", "", "", "r", 200},
		{"Put Blob", "PUT", "new", "", "x", "wc", 201},
		{"Put Blob over one", "PUT", "there", "", "x", "w", 201},
		{"Put Block", "PUT", "new", block, "x", "w", 201},
		{"Put Block List", "PUT", "new", "&comp=blocklist", "<BlockList/>", "w", 201},
		{"Set Metadata", "PUT", "there", "&comp=metadata", "", "w", 200},
		{"Set Properties", "PUT", "there", "&comp=properties", "", "w", 200},
		{"Delete Blob", "DELETE", "there", "", "", "d", 202},
		{"List Blobs", "GET", "", "&restype=container&comp=list", "", "l", 200},
		{"Get Container Properties", "GET", "", "&restype=container", "", "", 0},
		{"Head Container", "HEAD", "", "&restype=container", "", "", 0},
		{"Create Container", "PUT", "", "&restype=container", "", "", 0},
		{"Delete Container", "DELETE", "", "&restype=container", "", "", 0},
		{"Get ACL", "GET", "", "&restype=container&comp=acl", "", "", 0},
		{"a container without restype", "GET", "", "", "", "", 0},
		{"a blob with restype", "GET", "there", "&restype=container", "", "", 0},
	} {
		s := newTestServer(t)
		for _, letter := range "racwdxyltmeopif" {
			for _, name := range []string{"there", "new"} {
				s.do("DELETE", s.at(name, "d"), nil)
			}
			s.seed("there", "x")
			a := s.do(op.method, s.at(op.blob, string(letter))+op.query, strings.NewReader(op.body), "x-ms-blob-type", "BlockBlob")
			want, code := 403, mismatch
			switch {
			case strings.ContainsRune(op.need, letter):
				want, code = op.status, ""
			case op.name == "Put Blob over one" && letter == 'c':
				code = overwrite
			}
			if a.status != want || a.code() != code {
				t.Errorf("%s with %c: %d %q, want %d %q", op.name, letter, a.status, a.code(), want, code)
			}
		}
	}
	s := newTestServer(t)
	if a := s.do("GET", publicURL+"/"+seedContainer+"?restype=container&comp=list&"+s.sas("there", "l"), nil); a.code() != "AuthenticationFailed" {
		t.Errorf("a list with a token for one blob: %d %s", a.status, a.code())
	}
	nameless := sign.Token{Version: sign.QStorageVersion, Kind: "b", Permissions: "l", Expiry: "2030-01-01T00:00:00Z"}
	nameless.Signature = nameless.Sign([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: seedContainer})
	if a := s.do("GET", publicURL+"/"+seedContainer+"?restype=container&comp=list&"+nameless.Query(), nil); a.code() != "AuthenticationFailed" {
		t.Errorf("a list with a token for a blob without a name: %d %s", a.status, a.code())
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE"} {
		if a := s.do(method, publicURL+"/?restype=service&comp=properties&"+s.sas("", "racwdl"), nil); a.status != 403 || a.code() != "AuthorizationPermissionMismatch" || a.header.Get("x-ms-request-id") == "" {
			t.Errorf("%s of the account: %d %s", method, a.status, a.code())
		}
	}
	for _, query := range []string{"&comp=lease", "&comp=tier", "&comp=snapshot", "&comp=BLOCK", "&comp=page"} {
		if a := s.do("PUT", s.at("there", "racwdl")+query, nil); a.status != 405 || a.code() != "UnsupportedHttpVerb" {
			t.Errorf("%s: %d %s", query, a.status, a.code())
		}
	}
}

func TestABlobComesBackAsItWasPut(t *testing.T) {
	s := newTestServer(t)
	sum := md5.Sum([]byte("0123456789"))
	a := s.putBlob("a.txt", "0123456789", "Content-Type", "application/octet-stream", "x-ms-blob-content-type", "text/plain",
		"x-ms-blob-cache-control", "max-age=60", "x-ms-blob-content-language", "de", "x-ms-blob-content-encoding", "identity",
		"x-ms-blob-content-disposition", `inline; filename="a.txt"`, "X-Ms-Meta-Colour", "blue <&>", "x-ms-meta-n_1", "1",
		"Content-MD5", formatMD5(sum))
	if a.status != 201 || a.body != "" || a.header.Get("Content-MD5") != formatMD5(sum) || a.header.Get("Content-Type") != "" ||
		a.header.Get("ETag") == "" || a.header.Get("Last-Modified") != "Wed, 14 Mar 2018 07:50:33 GMT" {
		t.Errorf("PUT: %d %v %q", a.status, a.header, a.body)
	}
	for _, method := range []string{"GET", "HEAD"} {
		got := s.do(method, s.at("a.txt", "r"), nil)
		for name, want := range map[string]string{
			"Content-Type": "text/plain", "Cache-Control": "max-age=60", "Content-Language": "de", "Content-Encoding": "identity",
			// not a picture, so that a browser must not show it
			"Content-Disposition": `attachment; filename="a.txt"`, "Content-MD5": formatMD5(sum), "ETag": a.header.Get("ETag"),
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got.header.Get(name), want)
			}
		}
	}
	// Azure's Python SDK needs these to the letter
	raw := s.raw("GET " + strings.TrimPrefix(s.at("a.txt", "r"), publicURL) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	for _, line := range []string{"\r\nx-ms-meta-colour: blue <&>\r\n", "\r\nx-ms-meta-n_1: 1\r\n"} {
		if !strings.Contains(raw, line) {
			t.Errorf("no %q in %q", line, raw)
		}
	}
}

func TestMetadataAndPropertiesAreReplaced(t *testing.T) {
	s := newTestServer(t)
	tags := map[string]bool{s.putBlob("a", "x", "x-ms-blob-cache-control", "no-store", "x-ms-meta-a", "1").header.Get("ETag"): true}
	s.clock.add(time.Second)
	a := s.do("PUT", s.at("a", "w")+"&comp=metadata", nil, "x-ms-meta-B", "2")
	tags[a.header.Get("ETag")] = true
	if a.status != 200 || a.header.Get("Last-Modified") != "Wed, 14 Mar 2018 07:50:34 GMT" {
		t.Errorf("metadata: %d %v", a.status, a.header)
	}
	s.clock.add(time.Second)
	a = s.do("PUT", s.at("a", "w")+"&comp=properties", nil, "x-ms-blob-content-type", "image/png")
	tags[a.header.Get("ETag")] = true
	got := s.do("HEAD", s.at("a", "r"), nil)
	if len(tags) != 3 || got.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("entity tags %v, now %s", tags, got.header.Get("ETag"))
	}
	for name, want := range map[string]string{
		"X-Ms-Meta-A": "", "X-Ms-Meta-B": "2", "Cache-Control": "", "Content-Type": "image/png", "Content-Md5": formatMD5(md5.Sum([]byte("x"))),
		"Last-Modified": "Wed, 14 Mar 2018 07:50:35 GMT", "X-Ms-Creation-Time": "Wed, 14 Mar 2018 07:50:33 GMT",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	s.do("PUT", s.at("a", "w")+"&comp=properties", nil)
	if got := s.do("HEAD", s.at("a", "r"), nil).header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("a type that was cleared is %q", got)
	}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("x-ms-meta-k%d", i), "")
	}
	if a := s.do("PUT", s.at("a", "w")+"&comp=metadata", nil, many...); a.status != 200 || len(s.do("HEAD", s.at("a", "r"), nil).header) < 500 {
		t.Errorf("500 names: %d %s", a.status, a.code())
	}
	s.clock.add(-time.Second) // as another server's may be
	a = s.do("PUT", s.at("a", "w")+"&comp=metadata", nil, "x-ms-meta-B", "3")
	if now := s.do("HEAD", s.at("a", "r"), nil).header.Get("ETag"); a.header.Get("ETag") != now || tags[now] {
		t.Errorf("with a clock that is behind: entity tag %s, now %s", a.header.Get("ETag"), now)
	}
}

// blob.md section 5, and what else a write can have wrong.
func TestBadWritesChangeNothing(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.MaxUpload = 1000 })
	s.seed("there", "old")
	long := strings.Repeat("x", 1001)
	blob := []string{"x-ms-blob-type", "BlockBlob"}
	for _, test := range []struct {
		name, url, body string
		headers         []string
		status          int
		code            string
	}{
		{"no blob type", "", "x", []string{}, 400, "MissingRequiredHeader"},
		{"a page blob", "", "x", []string{"x-ms-blob-type", "PageBlob"}, 400, "InvalidHeaderValue"},
		{"two blob types", "", "x", []string{"x-ms-blob-type", "BlockBlob", "x-ms-blob-type", "BlockBlob"}, 400, "InvalidHeaderValue"},
		{"too large", "", long, blob, 413, "RequestBodyTooLarge"},
		{"wrong MD5", "", "x", append(blob, "Content-MD5", formatMD5(md5Sum{1})), 400, "Md5Mismatch"},
		{"wrong MD5 of the blob", "", "x", append(blob, "x-ms-blob-content-md5", formatMD5(md5Sum{1})), 400, "Md5Mismatch"},
		{"MD5 that is none", "", "x", append(blob, "Content-MD5", "eA=="), 400, "InvalidMd5"},
		{"MD5 without padding", "", "x", append(blob, "Content-MD5", "ndTkYSaMgDT1yFZOFVxnpg"), 400, "InvalidMd5"},
		{"framed body", "", "x", append(blob, "x-ms-structured-body", "XSM/1.0; properties=crc64"), 400, "UnsupportedHeader"},
		{"a copy", "", "", append(blob, "x-ms-copy-source", "http://a.example/b"), 400, "UnsupportedHeader"},
		{"tags", "", "", append(blob, "x-ms-tags", "a=b"), 400, "UnsupportedHeader"},
		{"metadata with a hyphen", "", "x", append(blob, "x-ms-meta-a-b", "1"), 400, "InvalidMetadata"},
		{"metadata with a digit first", "", "x", append(blob, "x-ms-meta-1", "1"), 400, "InvalidMetadata"},
		{"metadata without a name", "", "x", append(blob, "x-ms-meta-", "1"), 400, "InvalidMetadata"},
		{"metadata twice", "", "x", append(blob, "x-ms-meta-a", "1", "X-Ms-Meta-A", "2"), 400, "InvalidMetadata"},
		{"metadata that is no text", "", "x", append(blob, "x-ms-meta-a", "\xff"), 400, "InvalidMetadata"},
		{"too much metadata", "", "x", append(blob, "x-ms-meta-a", strings.Repeat("x", 8<<10)), 400, "MetadataTooLarge"},
		{"a type too long", "", "x", append(blob, "x-ms-blob-content-type", strings.Repeat("x", 300)), 400, "InvalidHeaderValue"},
		{"a block without an ID", "&comp=block", "x", nil, 400, "InvalidQueryParameterValue"},
		{"an ID that is not base64", "&comp=block&blockid=a", "x", nil, 400, "InvalidQueryParameterValue"},
		{"an ID of 65 bytes", "&comp=block&blockid=" + strings.TrimRight(blockID(strings.Repeat("x", 65)), "=") + "%3D", "x", nil, 400, "InvalidQueryParameterValue"},
		{"two IDs", "&comp=block&blockid=YQ%3D%3D&blockid=YQ%3D%3D", "x", nil, 400, "InvalidQueryParameterValue"},
		{"a block too large", "&comp=block&blockid=YQ%3D%3D", long, nil, 413, "RequestBodyTooLarge"},
		{"a block with a wrong MD5", "&comp=block&blockid=YQ%3D%3D", "x", []string{"Content-MD5", formatMD5(md5Sum{1})}, 400, "Md5Mismatch"},
		{"an unknown block", "&comp=blocklist", "<BlockList><Latest>YQ==</Latest></BlockList>", nil, 400, "InvalidBlockList"},
		{"a block list that is none", "&comp=blocklist", "<BlockList>", nil, 400, "InvalidXmlDocument"},
		{"a block list with a wrong MD5", "&comp=blocklist", "<BlockList/>", []string{"Content-MD5", formatMD5(md5Sum{1})}, 400, "Md5Mismatch"},
		{"comp twice", "&comp=block&comp=metadata", "x", nil, 400, "InvalidQueryParameterValue"},
	} {
		a := s.do("PUT", s.at("there", "w")+test.url, strings.NewReader(test.body), test.headers...)
		if a.status != test.status || a.code() != test.code || !strings.Contains(a.body, "<Code>"+test.code+"</Code>") {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.status, a.code(), test.status, test.code)
		}
		if got := s.read("there"); got != "old" {
			t.Fatalf("%s: the blob is %q now", test.name, got)
		}
	}
	for _, name := range []string{"a/../b", ".", "..", "a/.", `a%5C..%5Cb`, "%2e%2e/a"} {
		raw := s.raw("PUT /" + seedContainer + "/" + name + "?" + s.sas("", "w") + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 1\r\n\r\nx")
		if !strings.HasPrefix(raw, "HTTP/1.1 400") || !strings.Contains(raw, "InvalidUri") {
			t.Errorf("%s: %.80q", name, raw)
		}
	}
	if objs, _ := s.data.Pictures.List("", "", "", 10); len(objs) != 1 {
		t.Errorf("%d objects, want that one", len(objs))
	}
	for comp, want := range map[string]int{"metadata": 404, "properties": 404} {
		if a := s.do("PUT", s.at("none", "w")+"&comp="+comp, nil); a.status != want || a.code() != "BlobNotFound" {
			t.Errorf("%s of nothing: %d %s", comp, a.status, a.code())
		}
	}
	if a := s.do("DELETE", s.at("none", "d"), nil); a.status != 404 || a.code() != "BlobNotFound" {
		t.Errorf("deletion of nothing: %d %s", a.status, a.code())
	}
}

// chunks hides the length of a body.
type chunks struct{ io.Reader }

func TestBodiesOfUnknownOrWrongLength(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.MaxUpload = 100_000 })
	want := strings.Repeat("0123456789", 10_000)
	put := func(body string) answer {
		return s.do("PUT", s.at("a", "w"), chunks{strings.NewReader(body)}, "x-ms-blob-type", "BlockBlob")
	}
	if a := put(want); a.status != 201 || s.read("a") != want {
		t.Errorf("in chunks: %d", a.status)
	}
	if a := put(want + "x"); a.status != http.StatusRequestEntityTooLarge || s.read("a") != want {
		t.Errorf("too many chunks: %d", a.status)
	}
	// fasthttp takes the end of the connection for the end of the body
	chunk := "8000\r\n" + want[:0x8000]
	for _, start := range []string{"Content-Length: 90000\r\n\r\n" + chunk, "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n" + chunk,
		"Transfer-Encoding: chunked\r\n\r\n" + chunk + "\r\n", "Transfer-Encoding: chunked\r\n\r\n" + chunk + "\r\n80"} {
		for _, url := range []string{s.at("cut", "w"), s.at("cut", "w") + "&comp=block&blockid=YQ%3D%3D"} {
			conn, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: h\r\nx-ms-blob-type: BlockBlob\r\n%s", strings.TrimPrefix(url, publicURL), start)
			conn.Close()
		}
	}
	time.Sleep(100 * time.Millisecond) // nobody tells when the server has noticed
	s.putBlob("later", "x")
	if objs, _ := s.data.Pictures.List("", "", "", 10); len(objs) != 2 {
		t.Errorf("half a body was stored: %+v", objs)
	}
}

// blob.md section 7, for writes.
func TestConditionsOfWrites(t *testing.T) {
	const before, at, after = "Wed, 14 Mar 2018 07:50:32 GMT", "Wed, 14 Mar 2018 07:50:33 GMT", "Wed, 14 Mar 2018 07:50:34 GMT"
	const ok, notMet = "", "412 ConditionNotMet"
	const exists, several, invalid = "409 BlobAlreadyExists", "400 MultipleConditionHeadersNotSupported", "400 InvalidHeaderValue"
	s := newTestServer(t)
	for n, test := range []struct {
		headers                   string // "name: value" by "; "; TAG is that of the blob
		create, createNone, other string // for Put Blob and Put Block List, the same where there is no blob, for the rest
	}{
		{"If-Match: TAG", ok, notMet, ok},
		{`If-Match: "x"`, notMet, notMet, notMet},
		{"If-Match: *", ok, notMet, ok},
		{"If-None-Match: *", exists, ok, notMet},
		{"If-None-Match: TAG", notMet, ok, notMet},
		{`If-None-Match: "x"`, ok, ok, ok},
		{"If-Modified-Since: " + before, ok, ok, ok},
		{"If-Modified-Since: " + at, notMet, ok, notMet},
		{"If-Unmodified-Since: " + at, ok, ok, ok},
		{"If-Unmodified-Since: " + before, notMet, ok, notMet},
		{`If-None-Match: "x"; If-Modified-Since: ` + after, ok, ok, ok},
		{"If-None-Match: TAG; If-Modified-Since: " + before, notMet, ok, notMet},
		{"If-Match: TAG; If-Unmodified-Since: " + before, ok, notMet, ok},
		{`If-Match: "x"; If-Unmodified-Since: ` + after, notMet, notMet, notMet},
		{`If-Match: TAG; If-None-Match: "x"`, several, several, several},
		{"If-Match: TAG; If-Modified-Since: " + before, several, several, several},
		{`If-None-Match: "x"; If-Unmodified-Since: ` + after, several, several, several},
		{"If-Modified-Since: " + before + "; If-Unmodified-Since: " + after, several, several, several},
		{`If-Match: TAG; If-None-Match: "x"; If-Modified-Since: ` + before, several, several, several},
		{`If-Match: TAG, "x"`, several, several, several},
		{`If-None-Match: "x"; If-None-Match: "y"`, several, several, several},
		{"If-Unmodified-Since: tomorrow", invalid, invalid, invalid},
	} {
		for i, op := range []struct{ method, query, need, want string }{
			{"PUT", "", "w", test.create},
			{"PUT", "&comp=blocklist", "w", test.create},
			{"PUT", "&comp=metadata", "w", test.other},
			{"PUT", "&comp=properties", "w", test.other},
			{"DELETE", "", "d", test.other},
			{"none PUT", "", "w", test.createNone},
			{"none PUT", "&comp=blocklist", "w", test.createNone},
		} {
			there, name := fmt.Sprintf("%d-%d", n, i), fmt.Sprintf("%d-%d", n, i)
			method, onNone := strings.CutPrefix(op.method, "none ")
			if onNone {
				name += "-none"
			}
			tag := s.putBlob(there, "x").header.Get("ETag")
			s.stage(name, "1", "y")
			headers := []string{"x-ms-blob-type", "BlockBlob"}
			for h := range strings.SplitSeq(test.headers, "; ") {
				key, value, _ := strings.Cut(h, ": ")
				headers = append(headers, key, strings.ReplaceAll(value, "TAG", tag))
			}
			a := s.do(method, s.at(name, op.need)+op.query, blockList("1"), headers...)
			got := ""
			if a.status >= 300 {
				got = fmt.Sprintf("%d %s", a.status, a.code())
			}
			if got != op.want {
				t.Errorf("%s%s with %s: %q, want %q", op.method, op.query, test.headers, got, op.want)
			}
			if unchanged := s.do("HEAD", s.at(there, "r"), nil).header.Get("ETag") == tag; op.want != "" && !unchanged {
				t.Errorf("%s%s with %s: refused, and changed", op.method, op.query, test.headers)
			}
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		if a := s.do(method, s.at("none", "r"), nil, "If-Match", "*"); a.status != 412 {
			t.Errorf("%s of nothing with If-Match: %d", method, a.status)
		}
	}
}

func TestSnapshotsAreNotTheBlob(t *testing.T) {
	s := newTestServer(t)
	s.seed("a", "x")
	for _, query := range []string{"&versionid=1", "&snapshot=2018-03-14T07:50:33.0000000Z"} {
		for method, need := range map[string]string{"GET": "r", "HEAD": "r", "DELETE": "d"} {
			if a := s.do(method, s.at("a", need)+query, nil); a.status < 400 || a.status >= 500 {
				t.Errorf("%s %s: %d", method, query, a.status)
			}
		}
	}
	if got := s.read("a"); got != "x" {
		t.Errorf("the blob is %q", got)
	}
}

func TestDeletingABlobIsSoft(t *testing.T) {
	s := newTestServer(t)
	for _, name := range []string{"f/f_full.jpg", "f/f_1024.jpg", "f/f_x.jpg", "photo_1.jpg", "photo_2.jpg", "g/g_1.jpg", "g/g_2.jpg", "deep/h/h_full.png", "deep/h/h_7.png"} {
		s.seed(name, name)
	}
	s.stage("photo_1.jpg", "1", "y")
	for _, name := range []string{"f/f_1024.jpg", "photo_1.jpg", "g/g_1.jpg", "deep/h/h_full.png"} {
		if a := s.do("DELETE", s.at(name, "d"), nil); a.status != 202 || a.body != "" {
			t.Errorf("DELETE %s: %d %s", name, a.status, a.code())
		}
	}
	var left []string
	objs, err := s.data.Pictures.List("", "", "", 100)
	for _, o := range objs {
		left = append(left, strings.Replace(o.Name, seedContainer+"/", "", 1))
	}
	const want = "f/f_x.jpg g/g_2.jpg photo_2.jpg delete-deep/h/h_7.png delete-deep/h/h_full.png delete-f/f_1024.jpg delete-f/f_full.jpg delete-g/g_1.jpg delete-photo_1.jpg"
	if got := strings.Join(left, " "); err != nil || got != want {
		t.Errorf("left %q, %v\nwant %q", got, err, want)
	}
	// a second one of the name does not replace the first in the trash
	s.seed("photo_1.jpg", "again")
	s.do("DELETE", s.at("photo_1.jpg", "d"), nil)
	if objs, _ := s.data.Pictures.List(trashPrefix, "", "", 100); len(objs) != 7 {
		t.Errorf("%d in the trash", len(objs))
	}
	s.seed("root.txt", "1")
	s.do("DELETE", s.at("root.txt", "d"), nil)
	s.seed("root.txt", "2")
	s.do("DELETE", s.at("root.txt", "d"), nil)
	objs, _ = s.data.Pictures.List(trashPrefix, "", "", 100)
	for _, o := range objs {
		if container, _, _ := strings.Cut(o.Name, "/"); container != trashPrefix+seedContainer || len(objs) != 9 {
			t.Errorf("in the trash: %s, one of %d", o.Name, len(objs))
		}
	}
	for _, request := range []string{"PUT", "DELETE"} {
		token, _ := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: trashPrefix + seedContainer},
			sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(time.Hour)), Permissions: "rwd"})
		a := s.do(request, publicURL+"/"+trashPrefix+seedContainer+"/photo_1.jpg?"+token.Query(), nil, "x-ms-blob-type", "BlockBlob")
		if a.status != 403 || a.code() != "AuthorizationPermissionMismatch" {
			t.Errorf("%s in the trash: %d %s", request, a.status, a.code())
		}
	}
}

func TestATokenForOneBlobDeletesThatOne(t *testing.T) {
	s := newTestServer(t)
	for _, name := range []string{"f/f_full.jpg", "f/f_1024.jpg", "f/f_300.jpg"} {
		s.seed(name, name)
	}
	url := publicURL + "/" + seedContainer + "/f/f_1024.jpg?" + s.sas("f/f_1024.jpg", "d")
	if a := s.do("DELETE", url, nil, "x-ms-delete-snapshots", "only"); a.code() != "UnsupportedHeader" || s.read("f/f_1024.jpg") != "f/f_1024.jpg" {
		t.Errorf("its snapshots only: %d %s", a.status, a.code())
	}
	if a := s.do("DELETE", url, nil, "x-ms-delete-snapshots", "include"); a.status != 202 {
		t.Errorf("%d %s", a.status, a.code())
	}
	for name, want := range map[string]string{"f/f_full.jpg": "f/f_full.jpg", "f/f_1024.jpg": "BlobNotFound", "f/f_300.jpg": "f/f_300.jpg"} {
		if got := s.read(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestABlobIsOfWhenItWasComplete(t *testing.T) {
	s := newTestServer(t)
	r, w := io.Pipe()
	done := make(chan answer)
	go func() {
		done <- s.do("PUT", s.at("a", "w"), r, "x-ms-blob-type", "BlockBlob")
	}()
	io.WriteString(w, "slow ") // the handler is there: it reads
	s.clock.add(time.Minute)
	fast := s.putBlob("a", "fast")
	s.clock.add(time.Minute)
	io.WriteString(w, "body")
	w.Close()
	slow := <-done
	if fast.header.Get("Last-Modified") != "Wed, 14 Mar 2018 07:51:33 GMT" || slow.header.Get("Last-Modified") != "Wed, 14 Mar 2018 07:52:33 GMT" {
		t.Errorf("fast %s, slow %s", fast.header.Get("Last-Modified"), slow.header.Get("Last-Modified"))
	}
	if a := s.do("GET", s.at("a", "r"), nil, "If-Modified-Since", fast.header.Get("Last-Modified")); a.body != "slow body" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestTokensOfBothAccountKeysVerify(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.Secrets = withKeys([]byte("a new key"), []byte(accountKey)) })
	s.seed("a", "x")
	if got := s.read("a"); got != "x" {
		t.Errorf("a token of the previous key: %q", got)
	}
	token, err := sign.ParseToken(s.token())
	if err != nil || token.Verify(sign.Check{
		Keys: [][]byte{[]byte("a new key")}, Now: s.clock.Now(), Need: "r",
		Resource: sign.Resource{Account: "devstoreaccount1", Container: seedContainer, Blob: "a"},
	}) != nil {
		t.Errorf("a new token is not of the new key: %v", err)
	}
	s = newTestServer(t, func(c *Config) { c.Secrets = withKeys([]byte("a new key")) })
	s.put(store.Item{Object: store.Object{Name: seedContainer + "/a"}, Body: strings.NewReader("x")})
	if got := s.read("a"); got != "AuthenticationFailed" {
		t.Errorf("a token of a key that is gone: %q", got)
	}
}
