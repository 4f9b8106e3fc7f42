package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

// field0 returns a field of a successful saveImage answer.
func field0(t testing.TB, a answer, name string) string {
	t.Helper()
	var reply struct {
		ERRORCODE string
		RESULT    map[string]string
	}
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || reply.ERRORCODE != "0" {
		t.Fatalf("saveImage answered %s (%v)", a.body, err)
	}
	return reply.RESULT[name]
}

func TestSaveImageAnswersAsTheDocumentPrints(t *testing.T) {
	for name, durable := range map[string]bool{"durable": true, "time-limited": false} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, func(c *Config) { c.SourceIP = netip.MustParseAddr("172.16.11.116") })
			photo, group := testPicture(t, "landscape_1.jpg"), "cache1"
			var more []sign.Field
			if durable {
				group, more = "group1", []sign.Field{{Name: "isStorage", Value: "true"}}
			}
			a := s.save(saveParts(photo, more...)...)
			digest := store.Sum(photo)
			shape := regexp.MustCompile(fmt.Sprintf(`^\{"ERRORCODE":"0", "RESULT":\{"url":"http://pictures\.example/(%s/M00/%02X/%02X/[\w-]{27}\d{3}\.jpg)","fileID":"([0-9a-f]{32})","fileSize":"%d"\}\}$`,
				group, digest[0], digest[1], len(photo)))
			m := shape.FindStringSubmatch(a.body)
			if a.status != 200 || a.header.Get("Content-Type") != "application/json" || m == nil {
				t.Fatalf("answer %d %q: %s", a.status, a.header.Get("Content-Type"), a.body)
			}
			id, err := sign.ParseFileID(m[1])
			if err != nil || id.Size() != int64(len(photo)) || id.CRC32 != crc32.ChecksumIEEE(photo) ||
				!id.Created().Equal(s.clock.Now()) || id.Addr().String() != "172.16.11.116" {
				t.Errorf("id %+v, %v", id, err)
			}
			got := s.do("GET", publicURL+"/"+m[1], nil)
			if got.status != 200 || got.body != string(photo) || got.header.Get("Content-Type") != "image/jpeg" ||
				got.header.Get("Last-Modified") != "Wed, 14 Mar 2018 07:50:33 GMT" {
				t.Errorf("link: %d, %d bytes, %v", got.status, len(got.body), got.header)
			}
		})
	}
}

// The request of the document, byte for byte, with the values of this server.
const documentRequest = "POST /dfsapi/v2/saveImage HTTP/1.1\r\n" +
	"Host: image.mmfile.daoke.me\r\nPort: 80\r\nContent-Length: %d\r\n" +
	"Content-Type: multipart/form-data; boundary=----WebKitFormBoundarymiA5o7JWrgF9Klcq\r\n\r\n%s"

const documentBody = "------WebKitFormBoundarymiA5o7JWrgF9Klcq\r\n" +
	"Content-Disposition: form-data; name=\"appkey\"\r\n\r\n1111111111\r\n" +
	"------WebKitFormBoundarymiA5o7JWrgF9Klcq\r\n" +
	"Content-Disposition: form-data; name=\"length\"\r\n\r\n%d\r\n" +
	"------WebKitFormBoundarymiA5o7JWrgF9Klcq\r\n" +
	"Content-Disposition: form-data; name=\"sign\"\r\n\r\n%s\r\n" +
	"------WebKitFormBoundarymiA5o7JWrgF9Klcq\r\n" +
	"Content-Disposition: form-data; name=\"mmfile\"; filename=\"1.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n" +
	"------WebKitFormBoundarymiA5o7JWrgF9Klcq--\r\n"

func TestTheDocumentsOwnRequestIsTaken(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "landscape_1.jpg")
	right := sign.DFSAPISign(dfsSecret, []sign.Field{{Name: "appKey", Value: dfsApp}, {Name: "length", Value: strconv.Itoa(len(photo))}})
	for name, signature := range map[string]string{"saved": right, "bad_sign": "4A61DE33C4078F80D00DFCBCC5AA25BACE1C9E67"} {
		body := fmt.Sprintf(documentBody, len(photo), signature, photo)
		raw := s.raw(fmt.Sprintf(documentRequest, len(body), body))
		_, got, _ := strings.Cut(raw, "\r\n\r\n")
		// what is random: 23 bits and the digits of the name, and the file ID
		got = regexp.MustCompile(`[\w-]{27}\d{3}\.jpg`).ReplaceAllString(got, "NAME.jpg")
		got = regexp.MustCompile(`"[0-9a-f]{32}"`).ReplaceAllString(got, `"ID"`)
		golden(t, "dfsapi/"+name+".json", got)
	}
}

func TestSaveImageRefusesInTheOrderOfTheOriginal(t *testing.T) {
	s := newTestServer(t)
	photo := string(testPicture(t, "landscape_1.jpg"))
	// each step mends the first fault of the one before
	form := map[string]string{"appKey": "", "length": "1", "sign": "", "isStorage": "maybe", "cacheTime": "-1"}
	file := formPart{"mmfile", "1.JPG", "not a picture"}
	send := func(withFile bool) string {
		var parts []formPart
		for name, value := range form {
			parts = append(parts, formPart{name: name, value: value})
		}
		if withFile {
			parts = append(parts, file)
		}
		return s.save(parts...).body
	}
	resign := func() {
		var fields []sign.Field
		for _, name := range []string{"appKey", "length", "isStorage", "cacheTime"} {
			fields = append(fields, sign.Field{Name: name, Value: form[name]})
		}
		form["sign"] = sign.DFSAPISign(dfsSecret, fields)
	}
	steps := []struct {
		fault, want string
		mend        func()
	}{
		{"no file", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() {}},
		{"an extension in capitals", `{"ERRORCODE":"ME24601", "RESULT":"image format error!"}`, func() { file.fileName = "1.jpg" }},
		{"no appKey", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() { form["appKey"] = "12345678901" }},
		{"an appKey of 11 digits", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() { form["appKey"] = "999" }},
		{"an unknown appKey", `{"ERRORCODE":"ME01002", "RESULT":"appKey error"}`, func() { form["appKey"] = dfsApp }},
		{"no sign", `{"ERRORCODE":"ME01019", "RESULT":"sign is not match"}`, resign},
		{"a wrong length", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() { form["length"] = strconv.Itoa(len(file.value)); resign() }},
		{"a bad isStorage", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() { form["isStorage"] = "TRUE"; resign() }},
		{"a bad cacheTime", `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`, func() { form["cacheTime"] = "60"; resign() }},
		{"bytes that are no picture", `{"ERRORCODE":"ME24601", "RESULT":"image format error!"}`, func() {
			file.value, form["length"] = photo, "0"+strconv.Itoa(len(photo))
			resign()
		}},
	}
	for i, step := range steps {
		if got := send(i > 0); got != step.want {
			t.Errorf("%s: %s\nwant %s", step.fault, got, step.want)
		}
		step.mend()
	}
	if got := send(true); !strings.HasPrefix(got, `{"ERRORCODE":"0", `) {
		t.Errorf("all mended: %s", got)
	}
}

func TestSaveImageTakesWhatClientsOfTheFieldSend(t *testing.T) {
	photo := testPicture(t, "landscape_1.jpg")
	fields := []sign.Field{{Name: "appKey", Value: dfsApp}, {Name: "length", Value: strconv.Itoa(len(photo))}}
	signature := sign.DFSAPISign(dfsSecret, fields)
	parts := saveParts(photo)
	body, contentType := makeForm(parts...)
	noEnd := bytes.TrimSuffix(body, []byte("--\r\n"))
	withData, withDataType := makeForm(append([]formPart{{name: "file_name", value: "1.jpg"}, {name: "data", value: string(photo)}}, parts...)...)
	fileOnly, fileOnlyType := makeForm(formPart{name: "length", value: fields[1].Value}, formPart{"upload", "1.jpg", string(photo)})
	tight := bytes.ReplaceAll(body, []byte("form-data; name"), []byte("form-data;name"))
	for name, c := range map[string]struct {
		body, contentType string
		headers           []string
	}{
		"the picture again as a field":          {string(withData), withDataType, nil},
		"no line break at the end":              {string(bytes.TrimSuffix(body, []byte("\r\n"))), contentType, nil},
		"no last boundary mark":                 {string(noEnd), contentType, nil},
		"a line break instead of the last mark": {string(noEnd) + "\r\n", contentType, nil},
		"no blanks in dispositions":             {string(tight), contentType, nil},
		"key and sign as headers":               {string(fileOnly), fileOnlyType, []string{"Appkey", dfsApp, "Sign", signature}},
		"a type in other letters":               {string(body), strings.Replace(strings.Replace(contentType, "multipart/form-data", "Multipart/Form-Data", 1), "boundary", "BOUNDARY", 1), nil},
		"a line break before the first part":    {"\r\n" + string(body), contentType, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t)
			a := s.do("POST", publicURL+"/dfsapi/v2/saveImage", strings.NewReader(c.body), append([]string{"Content-Type", c.contentType}, c.headers...)...)
			if got := s.do("GET", field0(t, a, "url"), nil); got.body != string(photo) {
				t.Errorf("stored %d bytes, want %d", len(got.body), len(photo))
			}
		})
	}
}

func TestAFieldThatDecidesIsTakenOnce(t *testing.T) {
	s := newTestServer(t)
	parts := saveParts(testPicture(t, "landscape_1.jpg"), sign.Field{Name: "isStorage", Value: "true"}, sign.Field{Name: "cacheTime", Value: "60"})
	for _, again := range []formPart{
		{name: "appkey", value: dfsApp}, {name: "length", value: "1"}, {name: "sign", value: "0"}, {name: "isStorage", value: "true"}, {name: "cacheTime", value: "60"},
	} {
		if got := s.save(append([]formPart{again}, parts...)...).body; got != `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}` {
			t.Errorf("%s twice: %s", again.name, got)
		}
	}
	if got := s.save(parts...).body; !strings.HasPrefix(got, `{"ERRORCODE":"0"`) {
		t.Errorf("once: %s", got)
	}
}

func TestStrictSignAsksForAllFields(t *testing.T) {
	photo := testPicture(t, "landscape_1.jpg")
	parts := append(saveParts(photo), formPart{name: "isStorage", value: "true"}) // not signed
	if got := newTestServer(t).save(parts...).body; !strings.HasPrefix(got, `{"ERRORCODE":"0"`) {
		t.Errorf("any: %s", got)
	}
	s := newTestServer(t, func(c *Config) { c.StrictSign = true })
	if got := s.save(parts...).body; got != `{"ERRORCODE":"ME01019", "RESULT":"sign is not match"}` {
		t.Errorf("strict: %s", got)
	}
	if got := s.save(saveParts(photo, sign.Field{Name: "isStorage", Value: "true"})...).body; !strings.HasPrefix(got, `{"ERRORCODE":"0"`) {
		t.Errorf("strict, signed: %s", got)
	}
}

func TestAPictureIsGoneWhenItsCacheTimeHasPassed(t *testing.T) {
	for _, durable := range []string{"true", "false"} {
		s := newTestServer(t)
		url := field0(t, s.save(saveParts(testPicture(t, "landscape_1.jpg"),
			sign.Field{Name: "isStorage", Value: durable}, sign.Field{Name: "cacheTime", Value: "60"})...), "url")
		s.clock.add(time.Minute - time.Microsecond)
		if a := s.do("GET", url, nil); a.status != 200 {
			t.Errorf("isStorage %s, before: %d", durable, a.status)
		}
		s.clock.add(time.Microsecond)
		if a := s.do("GET", url, nil); a.status != 404 {
			t.Errorf("isStorage %s, after: %d", durable, a.status)
		}
	}
}

func TestARotatedSecretAndTheOneBeforeSign(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "landscape_1.jpg")
	if _, err := s.data.Registry.RotateApp(dfsApp); err != nil {
		t.Fatal(err)
	}
	if got := s.save(saveParts(photo)...).body; !strings.HasPrefix(got, `{"ERRORCODE":"0"`) {
		t.Errorf("after one rotation: %s", got)
	}
	s.data.Registry.RotateApp(dfsApp)
	if got := s.save(saveParts(photo)...).body; !strings.Contains(got, "ME01019") {
		t.Errorf("after two: %s", got)
	}
}

func TestAnOverLimitUploadIsToldSo(t *testing.T) {
	s := newTestServer(t)
	for _, size := range []int{8 << 20, 9 << 20, 40 << 20} {
		data := append(testPicture(t, "landscape_1.jpg"), make([]byte, size)...)[:size]
		if got := s.save(saveParts(data)...).body; got != `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}` {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
	data := append(testPicture(t, "landscape_1.jpg"), make([]byte, 8<<20)...)[:8<<20-1]
	if got := s.save(saveParts(data)...).body; !strings.HasPrefix(got, `{"ERRORCODE":"0"`) {
		t.Errorf("one byte below the limit: %s", got)
	}
}

func TestLinksAskForTheirToken(t *testing.T) {
	s := newTestServer(t, withLinkSecret)
	url := field0(t, s.save(saveParts(testPicture(t, "landscape_1.jpg"))...), "url")
	bare, query, _ := strings.Cut(url, "?")
	mustBe := func(want int, url string) {
		t.Helper()
		if a := s.do("GET", url, nil); a.status != want {
			t.Errorf("%s: %d, want %d", url, a.status, want)
		}
	}
	mustBe(200, url)
	mustBe(400, bare)
	mustBe(400, bare+"?"+strings.Split(query, "&")[0])
	mustBe(400, strings.Replace(url, "token=", "token=0", 1))
	mustBe(400, url+"&ts=1")
	mustBe(400, publicURL+"/cache1/M00/00/00/none.jpg") // before the name is looked at
	s.clock.add(900 * time.Second)
	mustBe(200, url)
	s.clock.add(time.Second)
	mustBe(400, url)

	// a link to a picture that expires lives as long
	url = field0(t, s.save(saveParts(testPicture(t, "landscape_1.jpg"), sign.Field{Name: "cacheTime", Value: "5000"})...), "url")
	s.clock.add(4999 * time.Second)
	mustBe(200, url)
}

func TestLinksAnswerAsFastDFSDoes(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "landscape_1.jpg")
	url := field0(t, s.save(saveParts(photo, sign.Field{Name: "isStorage", Value: "true"})...), "url")
	size := len(photo)
	tests := []struct {
		name, method, url string
		headers           []string
		status, bytes     int
		header, value     string
	}{
		{"whole", "GET", url, nil, 200, size, "Accept-Ranges", "bytes"},
		{"head", "HEAD", url, nil, 200, 0, "Content-Length", strconv.Itoa(size)},
		{"post", "POST", url, nil, 405, -1, "Allow", "GET, HEAD, OPTIONS"},
		{"a part", "GET", url, []string{"Range", "bytes=10-19"}, 206, 10, "Content-Range", fmt.Sprintf("bytes 10-19/%d", size)},
		{"the last bytes", "GET", url, []string{"Range", "bytes=-7"}, 206, 7, "Content-Range", fmt.Sprintf("bytes %d-%d/%d", size-7, size-1, size)},
		{"beyond the end", "GET", url, []string{"Range", fmt.Sprintf("bytes=%d-", size)}, 416, -1, "Content-Range", fmt.Sprintf("bytes */%d", size)},
		{"unchanged since", "GET", url, []string{"If-Modified-Since", "Wed, 14 Mar 2018 07:50:33 GMT"}, 304, 0, "", ""},
		{"changed since", "GET", url, []string{"If-Modified-Since", "Wed, 14 Mar 2018 07:50:32 GMT"}, 200, size, "", ""},
		{"as a download", "GET", url + "?filename=a%22b%0d%0a.jpg", nil, 200, size, "Content-Disposition", `attachment; filename="a_b__.jpg"`},
		{"unknown", "GET", strings.Replace(url, "M00", "M01", 1), nil, 404, -1, "", ""},
		{"the other tier", "GET", strings.Replace(url, "group1", "cache1", 1), nil, 404, -1, "", ""},
		{"too short", "GET", url[:len(url)-6], nil, 400, -1, "", ""},
		{"lower-case hex", "GET", publicURL + "/group1/M00/ab/00/rBALdGsDBleAYSXFAAALzPKPJn8967.jpg", nil, 400, -1, "", ""},
		{"escaped", "GET", strings.Replace(url, "/M00", "/%4d00", 1), nil, 400, -1, "", ""},
	}
	for _, test := range tests {
		a := s.do(test.method, test.url, nil, test.headers...)
		if a.status != test.status || test.bytes >= 0 && len(a.body) != test.bytes || test.header != "" && a.header.Get(test.header) != test.value {
			t.Errorf("%s: %d, %d bytes, %v", test.name, a.status, len(a.body), a.header)
		}
	}
}

func TestGainImageScalesAsTheOriginal(t *testing.T) {
	data, err := os.ReadFile("../testdata/vectors/geometry_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			SrcW    int `json:"src_w"`
			SrcH    int `json:"src_h"`
			Scaling string
			Status  int
			OutW    int `json:"out_w"`
			OutH    int `json:"out_h"`
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors.Cases) == 0 {
		t.Fatal(err)
	}
	s := newTestServer(t)
	for _, c := range vectors.Cases {
		var b bytes.Buffer
		png.Encode(&b, image.NewGray(image.Rect(0, 0, c.SrcW, c.SrcH)))
		id := field0(t, s.save(saveParts(b.Bytes(), sign.Field{Name: "isStorage", Value: "true"})...), "fileID")
		a := s.do("GET", publicURL+"/dfsapi/v2/gainImage?isStorage=true%26group=dfsdb_1%26file=1795360787%3A"+id+".png%26scaling="+c.Scaling, nil)
		if a.status != c.Status {
			t.Errorf("%+v: %d", c, a.status)
			continue
		}
		if a.status != 200 {
			continue
		}
		img, err := png.DecodeConfig(strings.NewReader(a.body))
		if err != nil || img.Width != c.OutW || img.Height != c.OutH {
			t.Errorf("%+v: %dx%d, %v", c, img.Width, img.Height, err)
		}
	}
}

func TestGainImageAnswersByItsTable(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "landscape_1.jpg")
	durable := field0(t, s.save(saveParts(photo, sign.Field{Name: "isStorage", Value: "true"})...), "fileID")
	limited := field0(t, s.save(saveParts(photo)...), "fileID")
	tests := []struct {
		query, mediaType string
		status           int
	}{
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".jpg", "image/jpeg", 200},
		{"group=group_1&file=1:" + durable + ".jpg", "image/jpeg", 200},
		{"isStorage=false&group=redis_1&file=1:" + limited + ".jpg", "image/jpeg", 200},
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".png", "image/png", 200},
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".gif", "image/gif", 200},
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".bmp", "image/bmp", 200},
		{"", "application/json", 400},
		{"isStorage=true&group=dfsdb_1", "application/json", 400},
		{"file=1:" + durable + ".jpg", "application/json", 400},
		{"isStorage=true&isStorage=true&group=dfsdb_1&file=1:" + durable + ".jpg", "application/json", 400},
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".jpeg", "application/json", 403},
		{"isStorage=true&group=dfsdb_1&file=" + durable + ".jpg", "application/json", 403},
		{"isStorage=true&group=dfsdb_1&scaling=10X10X1&file=1:" + durable + ".jpg", "application/json", 403},
		{"isStorage=true&group=dfsdb_1&scaling=&file=1:" + durable + ".jpg", "application/json", 403},
		{"isStorage=true&group=dfsdb_1&scaling=10x10x5&file=1:" + durable + ".jpg", "application/json", 403},
		{"isStorage=true&group=dfsdb_1&file=1:00000000000000000000000000000000.jpg", "application/json", 404},
		{"isStorage=false&group=redis_1&file=1:" + durable + ".jpg", "application/json", 404},
		{"isStorage=true&file=1:" + durable + ".jpg", "application/json", 500},
		{"isStorage=true&group=other&file=1:" + durable + ".jpg", "application/json", 500},
		{"isStorage=true&group=dfsdb_1&file=1:" + durable + ".xyz", "application/json", 500},
	}
	for _, test := range tests {
		a := s.do("GET", publicURL+"/dfsapi/v2/gainImage?"+test.query, nil)
		if a.status != test.status || a.header.Get("Content-Type") != test.mediaType {
			t.Errorf("%s: %d %s", test.query, a.status, a.header.Get("Content-Type"))
		}
		if test.status != 200 && a.body != "" {
			t.Errorf("%s: body %q", test.query, a.body)
		}
	}
	if a := s.do("GET", publicURL+"/dfsapi/v2/gainImage?isStorage=true&group=dfsdb_1&file=1:"+durable+".jpg", nil); a.body != string(photo) {
		t.Error("the original was changed")
	}
}
