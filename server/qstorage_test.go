package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

// uploadReply is the Content of an upload's answer.
type uploadReply struct {
	Type            string
	OriginalWidth   int    `json:"original_width"`
	OriginalHeight  int    `json:"original_height"`
	OriginalSize    int    `json:"original_size"`
	OriginalURL     string `json:"original_url"`
	Target          string
	SASToken        string `json:"sas_token"`
	ThumbnailWidth  int    `json:"thumbnail_1024_width"`
	ThumbnailHeight int    `json:"thumbnail_1024_height"`
	ThumbnailURL    string `json:"thumbnail_1024_url"`
}

// content returns the Content of a successful QStorage answer.
func content(t testing.TB, a answer) (c uploadReply) {
	t.Helper()
	reply := envelope{Content: &c}
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || reply.ResultCode != "1" {
		t.Fatalf("answer %s (%v)", a.body, err)
	}
	return c
}

func (s *testServer) uploaded(data []byte, headers ...string) uploadReply {
	s.t.Helper()
	return content(s.t, s.upload(data, headers...))
}

// code returns the ResultCode of an answer.
func code(t testing.TB, a answer) string {
	t.Helper()
	var e envelope
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("answer %d %q: %s (%v)", a.status, a.header.Get("Content-Type"), a.body, err)
	}
	return e.ResultCode
}

func TestUploadAnswersAsTheDocumentPrints(t *testing.T) {
	s := newTestServer(t)
	golden(t, "qstorage/upload.json", s.upload(testPicture(t, "landscape_6.jpg")).body)
	golden(t, "qstorage/upload_alpha.json", s.upload(testPicture(t, "alpha.png")).body)
}

func TestTheDocumentsUploadIsTaken(t *testing.T) {
	s := newTestServer(t)
	s.clock.set(time.Unix(1520329467, 0)) // of its signature-Time
	body, contentType := makeForm(formPart{"files", `D:temp\img\testimage.jpeg`, string(testPicture(t, "landscape_1.jpg"))})
	a := s.do("POST", publicURL+"/picture/upload?lang=en-us&uuid=1517bfd3f7a87ab988", bytes.NewReader(body),
		"Content-Type", strings.Replace(contentType, "form-data", "from-data", 1), // as the document spells it
		"app-key", "appqforumdev", "signature-Time", "1520329467", "signature", sign.QStorageSignature(testSecret, "1520329467"),
		"account", "1607279", "resource-id", "1/bb2cbbc0eb8411e7b4f300016cd4175c")
	if c := content(t, a); c.Target != "appqforumdev-picture-1-bb2cbbc0eb8411e7b4f300016cd4175c" {
		t.Errorf("target %q", c.Target)
	}
	golden(t, "qstorage/upload_document.json", a.body)
}

func TestUploadedPicturesOpenWithTheirToken(t *testing.T) {
	s := newTestServer(t)
	for name, want := range map[string]struct {
		mediaType, thumbType string
	}{
		"landscape_1.jpg": {"image/jpeg", "jpeg"}, "landscape_8.jpg": {"image/jpeg", "jpeg"}, "photo.jpg": {"image/jpeg", "jpeg"},
		"progressive.jpg": {"image/jpeg", "jpeg"}, "cmyk.jpg": {"image/jpeg", "jpeg"}, "gray.jpg": {"image/jpeg", "jpeg"},
		"alpha.png": {"image/png", "png"}, "opaque.png": {"image/png", "jpeg"}, "sixteen.png": {"image/png", "jpeg"},
		"animated.gif": {"image/gif", "jpeg"}, "picture.bmp": {"image/bmp", "jpeg"},
		"lossy.webp": {"image/webp", "jpeg"}, "alpha.webp": {"image/webp", "png"},
	} {
		data := testPicture(t, name)
		c := s.uploaded(data)
		full := s.do("GET", c.OriginalURL+"?"+c.SASToken, nil)
		if full.status != 200 || full.body != string(data) || full.header.Get("Content-Type") != want.mediaType || c.Type != want.mediaType || c.OriginalSize != len(data) {
			t.Errorf("%s: original %d, %d bytes of %d, %s", name, full.status, len(full.body), len(data), full.header.Get("Content-Type"))
		}
		small := s.do("GET", c.ThumbnailURL+"?"+c.SASToken, nil)
		img, format, err := image.DecodeConfig(strings.NewReader(small.body))
		if err != nil || format != want.thumbType || small.header.Get("Content-Type") != "image/"+want.thumbType {
			t.Errorf("%s: thumbnail %d %s as %s, %v", name, small.status, format, small.header.Get("Content-Type"), err)
		}
		if ext := c.ThumbnailURL[strings.LastIndex(c.ThumbnailURL, ".")+1:]; ext != strings.Replace(want.thumbType, "jpeg", "jpg", 1) {
			t.Errorf("%s: thumbnail is called %s", name, c.ThumbnailURL)
		}
		if img.Width != c.ThumbnailWidth || img.Height != c.ThumbnailHeight || max(img.Width, img.Height) > 1024 ||
			img.Width > c.OriginalWidth || img.Height > c.OriginalHeight {
			t.Errorf("%s: %dx%d, thumbnail %dx%d, told %dx%d", name, c.OriginalWidth, c.OriginalHeight, img.Width, img.Height, c.ThumbnailWidth, c.ThumbnailHeight)
		}
	}
}

func TestEverySizeHasItsThumbnail(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.Thumbs = []int{1024, 64, 1024} })
	a := s.upload(testPicture(t, "photo.jpg"))
	for _, want := range []string{`"thumbnail_64_width":64,"thumbnail_64_height":43,"thumbnail_64_url":"`, `"thumbnail_1024_width":1024,`} {
		if strings.Count(a.body, want) != 1 {
			t.Errorf("%s not once in %s", want, a.body)
		}
	}
}

// qfault is a request with one thing wrong.
type qfault struct {
	name, code string
	change     func(*qrequest)
}

// qrequest is an upload whose parts tests change.
type qrequest struct {
	query, body string
	headers     map[string]string
}

func (s *testServer) qrequest() *qrequest {
	body, contentType := makeForm(formPart{"files", "a.jpg", string(testPicture(s.t, "landscape_1.jpg"))})
	r := &qrequest{query: qquery, body: string(body), headers: map[string]string{"Content-Type": contentType, "resource-id": "13/76f99fb4f1a24d29"}}
	h := s.qheaders()
	for i := 0; i < len(h); i += 2 {
		r.headers[h[i]] = h[i+1]
	}
	return r
}

func (s *testServer) send(r *qrequest) answer {
	s.t.Helper()
	var headers []string
	for name, value := range r.headers {
		headers = append(headers, name, value)
	}
	return s.do("POST", publicURL+"/picture/upload"+r.query, strings.NewReader(r.body), headers...)
}

func setHeader(name, value string) func(*qrequest) {
	return func(r *qrequest) { r.headers[name] = value }
}

// qfaults are in the order in which the contract looks for them.
func qfaults(s *testServer) []qfault {
	sent := func(file string) func(*qrequest) {
		return func(r *qrequest) {
			body, contentType := makeForm(formPart{"files", "a.jpg", file})
			r.body, r.headers["Content-Type"] = string(body), contentType
		}
	}
	signedAt := func(at time.Time) func(*qrequest) {
		return func(r *qrequest) {
			ts := strconv.FormatInt(at.Unix(), 10)
			r.headers["signature-time"], r.headers["signature"] = ts, sign.QStorageSignature(testSecret, ts)
		}
	}
	return []qfault{
		{"an unknown language", "999004", func(r *qrequest) { r.query = strings.Replace(r.query, "en-us", "de-de", 1) }},
		{"no account", "997902", setHeader("account", "")},
		{"an account with a blank", "997903", setHeader("account", "a b")},
		{"a container that is too long", "997903", setHeader("resource-id", strings.Repeat("x", 60))},
		{"a long uuid", "997901", func(r *qrequest) { r.query += strings.Repeat("x", 128) }},
		{"an unknown app-key", "999010", setHeader("app-key", "appother")},
		{"a wrong signature", "999008", setHeader("signature", sign.QStorageSignature("other", "1"))},
		{"an old signature", "999011", signedAt(s.clock.Now().Add(-901 * time.Second))},
		{"another content type", "999005", setHeader("Content-Type", "application/json")},
		{"a broken body", "999006", func(r *qrequest) { r.body = r.body[:len(r.body)-len(r.body)/2] }},
		{"no picture", "997905", sent("plain text")},
		{"a broken picture", "997905", sent(string(testPicture(s.t, "landscape_1.jpg")[:9000]))},
		{"a large picture", "997908", sent(string(testPicture(s.t, "landscape_1.jpg")) + strings.Repeat("x", 8<<20))},
	}
}

func TestQStorageRefusesInItsOrder(t *testing.T) {
	s := newTestServer(t)
	faults := qfaults(s)
	for i, f := range faults {
		r := s.qrequest()
		f.change(r)
		if got := code(t, s.send(r)); got != f.code {
			t.Errorf("%s: %s, want %s", f.name, got, f.code)
		}
		// with the next fault too, the first one answers: those that change
		// different things can be put together
		for _, g := range faults[i+1:] {
			both := s.qrequest()
			g.change(both)
			f.change(both)
			alone := s.qrequest()
			f.change(alone)
			if fmt.Sprint(both) == fmt.Sprint(alone) {
				continue // f replaced what g had changed
			}
			if got := code(t, s.send(both)); got != f.code {
				t.Errorf("%s and %s: %s, want %s", f.name, g.name, got, f.code)
			}
		}
	}
	if got := code(t, s.send(s.qrequest())); got != "1" {
		t.Errorf("without a fault: %s", got)
	}
}

func TestQStorageSpeaksThreeLanguages(t *testing.T) {
	s := newTestServer(t)
	var all strings.Builder
	for _, lang := range []string{"en-us", "zh-tw", "zh-cn"} {
		for _, f := range qfaults(s) {
			r := s.qrequest()
			r.query = strings.Replace(r.query, "en-us", lang, 1)
			f.change(r)
			fmt.Fprintf(&all, "%s\n", s.send(r).body)
		}
	}
	golden(t, "qstorage/errors.txt", all.String())
}

func TestSignatureTimeMayBeFifteenMinutesOff(t *testing.T) {
	s := newTestServer(t)
	for off, want := range map[time.Duration]string{
		-901 * time.Second: "999011", -900 * time.Second: "1", 0: "1", 900 * time.Second: "1", 901 * time.Second: "999011",
	} {
		r := s.qrequest()
		ts := strconv.FormatInt(s.clock.Now().Add(off).Unix(), 10)
		r.headers["signature-time"], r.headers["signature"] = ts, sign.QStorageSignature(testSecret, ts)
		if got := code(t, s.send(r)); got != want {
			t.Errorf("%v: %s, want %s", off, got, want)
		}
	}
}

func TestRepeatedHeadersAndParametersAreRefused(t *testing.T) {
	s := newTestServer(t)
	body, contentType := makeForm(formPart{"files", "a.jpg", "x"})
	for _, name := range []string{"app-key", "signature", "signature-time", "account", "resource-id"} {
		a := s.do("POST", publicURL+"/picture/upload"+qquery, bytes.NewReader(body),
			s.qheaders("Content-Type", contentType, "resource-id", "1", name, "x")...)
		if got := code(t, a); got != "997903" {
			t.Errorf("%s twice: %s", name, got)
		}
	}
	for _, again := range []string{"&uuid=1", "&lang=en-us"} {
		a := s.do("POST", publicURL+"/picture/upload"+qquery+again, bytes.NewReader(body), s.qheaders("Content-Type", contentType, "resource-id", "1")...)
		if got := code(t, a); got != "997903" && got != "999004" {
			t.Errorf("%s: %s", again, got)
		}
	}
}

func TestRegisteredAccountsOnly(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.RegisteredAccounts = true })
	if got := code(t, s.send(s.qrequest())); got != "997904" {
		t.Errorf("unregistered: %s", got)
	}
	if err := s.data.Registry.AddAccounts(testApp, "1607279"); err != nil {
		t.Fatal(err)
	}
	if got := code(t, s.send(s.qrequest())); got != "1" {
		t.Errorf("registered: %s", got)
	}
}

func TestQStorageRoutes(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{
		"/picture/upload", "/picture/upload/", "/v101/picture/upload", "/qstorage/public/v101/picture/upload", "/qstorage/public/v1/picture/upload/",
		"/picture/delete", "/sastoken/blob", "/sastoken/blob/read", "/picture/sastoken/container/read", "/v2/sastoken/container/", "/portrait",
	} {
		method := "POST"
		if strings.Contains(path, "sastoken") {
			method = "GET"
		}
		if got := code(t, s.do(method, publicURL+path, nil)); got != "999004" {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, path := range []string{"/x101/picture/upload", "/picture%2Fupload", "/picture/../picture/upload", "/PICTURE/upload"} {
		if a := s.do("POST", publicURL+path, nil); a.header.Get("Content-Type") == "application/json" {
			t.Errorf("%s reaches the API: %s", path, a.body)
		}
	}
	if a := s.do("GET", publicURL+"/picture/upload", nil); a.status != 405 || !strings.Contains(a.header.Get("Allow"), "POST") {
		t.Errorf("GET of upload: %d, %v", a.status, a.header)
	}
}

func (s *testServer) delete(urls ...string) answer {
	s.t.Helper()
	body, _ := json.Marshal(map[string][]string{"fileUrls": urls})
	return s.do("POST", publicURL+"/picture/delete"+qquery, bytes.NewReader(body), s.qheaders("Content-Type", "application/json")...)
}

func TestDeleteIsSoftAndTakesEveryVariant(t *testing.T) {
	s := newTestServer(t)
	c, other := s.uploaded(testPicture(t, "landscape_1.jpg")), s.uploaded(testPicture(t, "landscape_1.jpg"))
	// the URL of another server, of the thumbnail, with a token, twice
	url := strings.Replace(c.ThumbnailURL, publicURL, "https://bqgroupstoragedev.blob.core.windows.net", 1) + "?" + c.SASToken
	a := s.delete(url, url)
	golden(t, "qstorage/delete.json", a.body)
	for _, u := range []string{c.OriginalURL, c.ThumbnailURL} {
		a := s.do("GET", u+"?"+c.SASToken, nil)
		if a.status != 404 || a.header.Get("x-ms-error-code") != "BlobNotFound" {
			t.Errorf("%s: %d %s", u, a.status, a.header.Get("x-ms-error-code"))
		}
		name := strings.TrimPrefix(u, publicURL+"/")
		if o, err := s.data.Pictures.Stat(trashPrefix + name); err != nil || !o.Deleted.Equal(s.clock.Now()) {
			t.Errorf("trash of %s: %+v, %v", name, o, err)
		}
	}
	if a := s.do("GET", other.OriginalURL+"?"+other.SASToken, nil); a.status != 200 {
		t.Errorf("the same bytes under another name: %d", a.status)
	}
	if got := code(t, s.delete(url)); got != "997909" {
		t.Errorf("deleted again: %s", got)
	}
}

func TestTrashKeepsEveryPictureOfOneName(t *testing.T) {
	s := newTestServer(t)
	for _, file := range []string{"landscape_1.jpg", "opaque.png"} {
		body, contentType := makeForm(formPart{"files", "me", string(testPicture(t, file))})
		c := content(t, s.do("POST", publicURL+"/portrait"+qquery, bytes.NewReader(body), s.qheaders("Content-Type", contentType)...))
		if got := code(t, s.delete(c.OriginalURL)); got != "1" {
			t.Fatalf("delete: %s", got)
		}
	}
	objs, err := s.data.Pictures.List("delete-appqforumdev-portrait/", "", "", 10)
	if err != nil || len(objs) != 4 {
		t.Errorf("trash has %+v, %v; want two portraits of two variants", objs, err)
	}
}

func TestDeleteIsAllOrNothing(t *testing.T) {
	s := newTestServer(t)
	c := s.uploaded(testPicture(t, "landscape_1.jpg"))
	unknown := strings.Replace(c.OriginalURL, "_full", "_32", 1)
	for name, test := range map[string]struct {
		urls []string
		code string
	}{
		"an unknown name":           {[]string{c.OriginalURL, unknown}, "997909"},
		"another's container":       {[]string{c.OriginalURL, publicURL + "/1111111111-picture-1/f/f_full.jpg"}, "997998"},
		"trash":                     {[]string{c.OriginalURL, publicURL + "/delete-" + strings.TrimPrefix(c.OriginalURL, publicURL+"/")}, "997998"},
		"two segments":              {[]string{c.OriginalURL, "http://h/a/b"}, "997909"},
		"an escape that is not one": {[]string{c.OriginalURL, c.OriginalURL + "%zz"}, "997909"},
		"no URL":                    {[]string{}, "999006"},
	} {
		if got := code(t, s.delete(test.urls...)); got != test.code {
			t.Errorf("%s: %s, want %s", name, got, test.code)
		}
	}
	if a := s.do("GET", c.OriginalURL+"?"+c.SASToken, nil); a.status != 200 {
		t.Errorf("deleted by a call that failed: %d", a.status)
	}
}

func TestDeleteTakesEveryMethodAndForm(t *testing.T) {
	s := newTestServer(t)
	for name, send := range map[string]func(a, b string) answer{
		"GET with a body": func(a, b string) answer {
			return s.do("GET", publicURL+"/picture/delete"+qquery, strings.NewReader(fmt.Sprintf(`{"fileUrls":[%q,%q]}`, a, b)), s.qheaders("Content-Type", "application/json")...)
		},
		"DELETE with a query": func(a, b string) answer {
			return s.do("DELETE", publicURL+"/picture/delete"+qquery+"&fileUrls="+a+"&fileUrls="+b, nil, s.qheaders("Content-Type", "application/json")...)
		},
		"GET with a joined query": func(a, b string) answer {
			return s.do("GET", publicURL+"/picture/delete"+qquery+"&fileUrls="+a+","+b, nil, s.qheaders("Content-Type", "application/json")...)
		},
	} {
		a, b := s.uploaded(testPicture(t, "landscape_1.jpg")), s.uploaded(testPicture(t, "landscape_2.jpg"))
		if got := code(t, send(a.OriginalURL, b.OriginalURL)); got != "1" {
			t.Errorf("%s: %s", name, got)
		}
		for _, c := range []uploadReply{a, b} {
			if got := s.do("GET", c.OriginalURL+"?"+c.SASToken, nil); got.status != 404 {
				t.Errorf("%s: still there, %d", name, got.status)
			}
		}
	}
	c := s.uploaded(testPicture(t, "landscape_1.jpg"))
	if got := code(t, s.do("POST", publicURL+"/picture/delete"+qquery, strings.NewReader("\xef\xbb\xbf"+fmt.Sprintf(`{"fileUrls":[%q]}`, c.OriginalURL)), s.qheaders("Content-Type", "application/json")...)); got != "1" {
		t.Errorf("with a byte order mark: %s", got)
	}
	for name, body := range map[string]string{"broken JSON": `{"fileUrls":[`, "no list": `{}`, "a text": `{"fileUrls":"x"}`, "nothing": ``, "an array": `[]`} {
		a := s.do("POST", publicURL+"/picture/delete"+qquery, strings.NewReader(body), s.qheaders("Content-Type", "application/json")...)
		if got := code(t, a); got != "999006" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestContainersBelongToTheLongestKey(t *testing.T) {
	s := newTestServer(t)
	for _, key := range []string{"a", "a-b", "Upper"} {
		if _, err := s.data.Registry.AddApp(key, "secret", s.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	srv := &Server{cfg: Config{Apps: s.data.Registry}}
	for container, want := range map[string]string{
		"a-picture-1": "a", "a-b-picture-1": "a-b", "ab-picture-1": "", "a": "", "upper-picture-1": "Upper", "delete-a-picture-1": "", "delete-me-picture-1": "", "appqforumdev-portrait": testApp,
	} {
		if got := srv.owner(container); got != want {
			t.Errorf("owner(%q) = %q, want %q", container, got, want)
		}
	}
	// "a" would upload into a container that is a-b's
	r := s.qrequest()
	ts := r.headers["signature-time"]
	r.headers["app-key"], r.headers["signature"] = "a", sign.QStorageSignature("secret", ts)
	if got := code(t, s.send(r)); got != "1" {
		t.Errorf("own container: %s", got)
	}
	if _, err := s.data.Registry.AddApp("a-picture", "secret", s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if got := code(t, s.send(r)); got != "997903" {
		t.Errorf("a container of a-picture: %s", got)
	}
}

func (s *testServer) sastoken(resource, query string, headers ...string) answer {
	s.t.Helper()
	return s.do("GET", publicURL+"/sastoken/"+resource+qquery+"&"+query, nil, s.qheaders(append([]string{"Content-Type", "application/json"}, headers...)...)...)
}

func TestSASTokensOpenWhatTheyAreFor(t *testing.T) {
	s := newTestServer(t)
	c := s.uploaded(testPicture(t, "landscape_1.jpg"))
	blob := strings.TrimPrefix(c.OriginalURL, publicURL+"/"+c.Target+"/")
	const times = "start=2018-03-13T07:30:00.123Z&expiry=2018-03-15T08:00:00Z&sp=r"
	a := s.sastoken("container", times, "target", c.Target)
	golden(t, "qstorage/sastoken.json", a.body)
	for name, test := range map[string]struct {
		a            answer
		full, small1 int
	}{
		"a container":           {a, 200, 200},
		"a blob":                {s.sastoken("blob", times, "target", c.Target, "blob-name", blob), 200, 403},
		"a blob in the target":  {s.sastoken("blob", times, "target", c.Target+"/"+blob), 200, 403},
		"permission to write":   {s.sastoken("container", strings.Replace(times, "sp=r", "sp=w", 1), "target", c.Target), 403, 403},
		"permission for both":   {s.sastoken("container", strings.Replace(times, "sp=r", "sp=rw", 1), "target", c.Target), 200, 200},
		"an application's next": {s.sastoken("container", times, "target", "appqforumdev-picture-14"), 403, 403},
	} {
		token := content(t, test.a).SASToken
		if got := s.do("GET", c.OriginalURL+"?"+token, nil).status; got != test.full {
			t.Errorf("%s: original %d, want %d", name, got, test.full)
		}
		if got := s.do("GET", c.ThumbnailURL+"?"+token, nil).status; got != test.small1 {
			t.Errorf("%s: thumbnail %d, want %d", name, got, test.small1)
		}
	}
	token := content(t, a).SASToken
	s.clock.set(time.Date(2018, 3, 15, 8, 0, 0, 0, time.UTC))
	if got := s.do("GET", c.OriginalURL+"?"+token, nil).status; got != 200 {
		t.Errorf("at its end: %d", got)
	}
	s.clock.add(time.Second)
	if got := s.do("GET", c.OriginalURL+"?"+token, nil).status; got != 403 {
		t.Errorf("after its end: %d", got)
	}
}

func TestSASTokenRefusals(t *testing.T) {
	s := newTestServer(t)
	const container, times = "appqforumdev-picture-1", "start=2018-03-13T07:30:00Z&expiry=2018-03-15T08:00:00Z&sp=r"
	for name, test := range map[string]struct {
		resource, query, target, blob, code string
	}{
		"another resource":         {"account", times, container, "", "997903"},
		"no target":                {"container", times, "", "", "997902"},
		"no blob-name":             {"blob", times, container, "", "997902"},
		"no sp":                    {"container", strings.TrimSuffix(times, "r"), container, "", "997902"},
		"an unknown permission":    {"container", strings.TrimSuffix(times, "r") + "d", container, "", "997903"},
		"permissions out of order": {"container", strings.TrimSuffix(times, "r") + "wr", container, "", "997903"},
		"no start":                 {"container", "expiry=2018-03-15T08:00:00Z&sp=r", container, "", "997902"},
		"an unreadable start":      {"container", strings.Replace(times, "2018-03-13", "yesterday", 1), container, "", "997903"},
		"an end at the start":      {"container", "start=2018-03-13T07:30:00Z&expiry=2018-03-13T07:30:00Z&sp=r", container, "", "997903"},
		"an end too far":           {"container", "start=2018-03-13T07:30:00Z&expiry=2019-04-18T07:50:34Z&sp=r", container, "", "997903"},
		"an end just near enough":  {"container", "start=2018-03-13T07:30:00Z&expiry=2019-04-18T07:50:33Z&sp=r", container, "", "1"},
		"a container in capitals":  {"container", times, "Appqforumdev-picture-1", "", "997903"},
		"another's container":      {"container", times, "1111111111-picture-1", "", "999010"},
		"nobody's container":       {"container", times, "somebody-picture-1", "", "999010"},
	} {
		headers := []string{"target", test.target}
		if test.blob != "" {
			headers = append(headers, "blob-name", test.blob)
		}
		if got := code(t, s.sastoken(test.resource, test.query, headers...)); got != test.code {
			t.Errorf("%s: %s, want %s", name, got, test.code)
		}
	}
}

func TestPortraitsAreReplacedAndReadByAnyone(t *testing.T) {
	s := newTestServer(t)
	post := func(file string) answer {
		body, contentType := makeForm(formPart{"files", "me", string(testPicture(t, file))})
		return s.do("POST", publicURL+"/portrait"+qquery, bytes.NewReader(body), s.qheaders("Content-Type", contentType)...)
	}
	golden(t, "qstorage/portrait.json", regexp.MustCompile(`"original_size":\d+`).ReplaceAllString(post("landscape_6.jpg").body, `"original_size":0`))
	c := content(t, post("alpha.png"))
	for _, u := range []string{c.OriginalURL, c.ThumbnailURL} {
		a := s.do("GET", u, nil)
		img, format, err := image.DecodeConfig(strings.NewReader(a.body))
		if a.status != 200 || format != "png" || img.Width != c.OriginalWidth || err != nil {
			t.Errorf("%s: %d %s %d, %v", u, a.status, format, img.Width, err)
		}
	}
	if a := s.do("GET", publicURL+"/appqforumdev-picture-1/f/f_full.jpg", nil); a.status != 404 || a.header.Get("x-ms-error-code") != "ResourceNotFound" {
		t.Errorf("another container without a token: %d %s", a.status, a.header.Get("x-ms-error-code"))
	}
	remove := func() string {
		return code(t, s.do("DELETE", publicURL+"/portrait"+qquery, nil, s.qheaders("Content-Type", "application/json")...))
	}
	if got := remove(); got != "1" {
		t.Errorf("delete: %s", got)
	}
	if a := s.do("GET", c.OriginalURL, nil); a.status != 404 {
		t.Errorf("after delete: %d", a.status)
	}
	if st, err := s.data.Pictures.Stats(); err != nil || st != (store.Stats{}) {
		t.Errorf("left over: %+v, %v", st, err)
	}
	if got := remove(); got != "997909" {
		t.Errorf("deleted again: %s", got)
	}
}

func TestUploadTakesWhatClientsOfTheFieldSend(t *testing.T) {
	photo := string(testPicture(t, "landscape_1.jpg"))
	multi := func(boundary, eol, partHeaders, end string) string {
		return "--" + boundary + eol + partHeaders + eol + eol + photo + eol + "--" + boundary + end
	}
	const files = `Content-Disposition: form-data; name="files"; filename="`
	for name, c := range map[string]struct{ contentType, body string }{
		"Cordova on Android, the file last": {"multipart/form-data; boundary=+++++", "--+++++\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n" +
			multi("+++++", "\r\n", files+"photo.jpg\"\r\nContent-Type: image/jpeg", "--\r\n")},
		"Cordova on iOS, a length in the part": {"multipart/form-data; boundary=+++++org.apache.cordova.formBoundary",
			multi("+++++org.apache.cordova.formBoundary", "\r\n", files+"photo.jpg\"\r\nContent-Type: image/jpeg\r\nContent-Length: "+strconv.Itoa(len(photo)), "--\r\n")},
		"Node, a blob of bytes":          {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"blob\"\r\nContent-Type: application/octet-stream", "--\r\n")},
		"Python, no type":                {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"a.jpg\"", "--\r\n")},
		"a Windows path":                 {"multipart/form-data; boundary=x", multi("x", "\r\n", files+`D:\temp\img\test".jpg"`, "--\r\n")},
		"a file name of no encoding":     {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"\xff\xfe.jpg\"", "--\r\n")},
		"a query behind the file name":   {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"a.jpg?1234\"", "--\r\n")},
		"another name for the part":      {"multipart/form-data; boundary=x", multi("x", "\r\n", `Content-Disposition: form-data; name="upload"; filename="a"`, "--\r\n")},
		"letters in another case":        {"Multipart/Form-Data; Boundary=xx", multi("xx", "\r\n", files+"a.jpg\"", "--\r\n")},
		"line feeds only":                {"multipart/form-data; boundary=x", multi("x", "\n", files+"a.jpg\"", "--\n")},
		"no dashes at the end":           {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"a.jpg\"", "\r\n")},
		"nothing at the end":             {"multipart/form-data; boundary=x", multi("x", "\r\n", files+"a.jpg\"", "")},
		"a boundary that wants quotes":   {"multipart/form-data; boundary=a b=c", multi("a b=c", "\r\n", files+"a.jpg\"", "--\r\n")},
		"an encoded file name and plain": {"multipart/form-data; boundary=x", multi("x", "\r\n", `Content-Disposition: form-data; name=files; filename*=UTF-8''%E5%9B%BE.jpg`, "--\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t)
			r := s.qrequest()
			r.headers["Content-Type"], r.body = c.contentType, c.body
			got := content(t, s.send(r))
			if a := s.do("GET", got.OriginalURL+"?"+got.SASToken, nil); a.body != photo {
				t.Errorf("stored %d bytes of %d", len(a.body), len(photo))
			}
			// and in pieces, without a length
			var headers []string
			for name, value := range r.headers {
				headers = append(headers, name, value)
			}
			a := s.do("POST", publicURL+"/picture/upload"+qquery, struct{ *strings.Reader }{strings.NewReader(c.body)}, headers...)
			if got := code(t, a); got != "1" {
				t.Errorf("chunked: %s", got)
			}
		})
	}
}

func TestTheFilePartCalledFilesWins(t *testing.T) {
	s := newTestServer(t)
	png := string(testPicture(t, "opaque.png"))
	for _, name := range []string{"files", "files[]"} {
		r := s.qrequest()
		body, contentType := makeForm(formPart{"other", "a.jpg", string(testPicture(t, "landscape_1.jpg"))}, formPart{name, "b.png", png}, formPart{"files", "c.jpg", "x"})
		r.body, r.headers["Content-Type"] = string(body), contentType
		if got := content(t, s.send(r)); got.Type != "image/png" {
			t.Errorf("%s: stored %s", name, got.Type)
		}
	}
}

func TestAnInputWithoutAFileIsPassedOver(t *testing.T) {
	s := newTestServer(t)
	r := s.qrequest()
	r.headers["Content-Type"] = "multipart/form-data; boundary=x"
	r.body = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"\"\r\n\r\n\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b.png\"\r\n\r\n" + string(testPicture(t, "opaque.png")) + "\r\n--x--\r\n"
	if got := content(t, s.send(r)); got.Type != "image/png" {
		t.Errorf("stored %s", got.Type)
	}
}

func TestPartsAndTheirHeadersAreBounded(t *testing.T) {
	s := newTestServer(t)
	many := make([]formPart, maxParts+1)
	for i := range many {
		many[i] = formPart{name: fmt.Sprint(i), value: "x"}
	}
	body, contentType := makeForm(append(many, formPart{"files", "a.png", string(testPicture(t, "opaque.png"))})...)
	r := s.qrequest()
	r.body, r.headers["Content-Type"] = string(body), contentType
	if got := code(t, s.send(r)); got != "999006" {
		t.Errorf("too many parts: %s", got)
	}
	r.headers["Content-Type"] = "multipart/form-data; boundary=x"
	for header, want := range map[int]string{1 << 20: "999006", 6 << 10: "1"} {
		r.body = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\nX: " + strings.Repeat("x", header) + "\r\n\r\n" +
			string(testPicture(t, "opaque.png")) + "\r\n--x--\r\n"
		if got := code(t, s.send(r)); got != want {
			t.Errorf("a header of %d bytes: %s, want %s", header, got, want)
		}
	}
}

func TestAFormWithoutABoundaryIsAnsweredAtOnce(t *testing.T) {
	s := newTestServer(t)
	r := s.qrequest()
	r.headers["Content-Type"], r.body = "multipart/form-data", "{}"
	if got := code(t, s.send(r)); got != "999006" {
		t.Errorf("got %s", got)
	}
}

func TestTheDocumentsDeleteIsTaken(t *testing.T) {
	s := newTestServer(t)
	s.clock.set(time.Unix(1522045522, 0)) // of its Signature-Time
	const body = `{"fileUrls":[
  "https://bqgroupstoragedev.blob.core.windows.net/appqforumdev-picture-13-5dd5d090b10ddabf/5ab493cb1263b/5ab493cb1263b_1024.jpg",
  "https://bqgroupstoragedev.blob.core.windows.net/appqforumdev-picture-13-76f99fb4f1a24d29/5aa7810f13643/5aa7810f13643_1024.jpg",
  "https://bqgroupstoragedev.blob.core.windows.net/appqforumdev-picture-13-76f99fb4f1a24d29/5aa784c79b1e0/5aa784c79b1e0_1024.jpg"
]}`
	for _, name := range []string{
		"appqforumdev-picture-13-5dd5d090b10ddabf/5ab493cb1263b/5ab493cb1263b",
		"appqforumdev-picture-13-76f99fb4f1a24d29/5aa7810f13643/5aa7810f13643",
		"appqforumdev-picture-13-76f99fb4f1a24d29/5aa784c79b1e0/5aa784c79b1e0",
	} {
		for _, variant := range []string{"_full.jpg", "_1024.jpg"} {
			s.put(store.Item{Object: store.Object{Name: name + variant, MediaType: "image/jpeg"}, Body: strings.NewReader(name + variant)})
		}
	}
	a := s.do("GET", publicURL+"/picture/delete?lang=en-us&uuid=1517bfd3f7a87ab988", strings.NewReader(body),
		"Content-Type", "application/json", "app-key", "appqforumdev", "Signature-Time", "1522045522",
		"Signature", sign.QStorageSignature(testSecret, "1522045522"), "account", "1607279")
	golden(t, "qstorage/delete.json", a.body)
	objs, err := s.data.Pictures.List("", "", "", 100)
	for _, o := range objs {
		if !strings.HasPrefix(o.Name, trashPrefix) {
			t.Errorf("%s is not in the trash", o.Name)
		}
	}
	if err != nil || len(objs) != 6 {
		t.Errorf("%d objects, %v", len(objs), err)
	}
}

func TestTheDocumentsSASTokenIsGiven(t *testing.T) {
	s := newTestServer(t)
	for resource, kind := range map[string]string{"container": "c", "blob": "b"} {
		a := s.do("GET", publicURL+"/sastoken/"+resource+"?lang=en-us&uuid=1517bfd3f7a87ab988&start=2018-03-13T07:30:00Z&expiry=2018-03-15T08:00:00Z&sp=r", nil,
			s.qheaders("Content-Type", "application/json", "target", "appqforumdev-picture-13-76f99fb4f1a24d29", "blob-name", "5aa7810f13643/5aa7810f13643_1024.jpg")...)
		want := `{"ResultCode":"1","Message":"","Content":{"target":"appqforumdev-picture-13-76f99fb4f1a24d29","sas_token":"sv=2016-05-31&sr=` + kind + `&st=2018-03-13T07:30:00Z&se=2018-03-15T08:00:00Z&sp=r&sig=`
		if !strings.HasPrefix(a.body, want) || !strings.HasSuffix(a.body, `%3D"}}`) {
			t.Errorf("%s: %s", resource, a.body)
		}
	}
}
