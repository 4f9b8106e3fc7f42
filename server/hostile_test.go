package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"tintype/sign"
	"tintype/store"
	"tintype/thumb"
)

// patched returns data with value written at off.
func patched(data []byte, off int, value ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[off:], value)
	return data
}

func TestBombsAndBrokenPicturesHaveTheirCodes(t *testing.T) {
	s := newTestServer(t)
	jpeg, progressive, png := testPicture(t, "landscape_1.jpg"), testPicture(t, "progressive.jpg"), testPicture(t, "opaque.png")
	sof := bytes.Index(jpeg, []byte{0xff, 0xc0})
	hugePNG := patched(png, 16, 0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50) // 50000 x 50000
	binary.BigEndian.PutUint32(hugePNG[29:], crc32.ChecksumIEEE(hugePNG[12:29]))
	lastScan := bytes.LastIndex(progressive, []byte{0xff, 0xda})
	scans := append(bytes.Clone(progressive[:lastScan]), bytes.Repeat(progressive[lastScan:lastScan+64], 200)...)
	tests := map[string]struct {
		data []byte
		q, d string
	}{
		"a JPEG of 65535 x 65535": {patched(jpeg, sof+5, 0xff, 0xff, 0xff, 0xff), "997908", "ME01023"},
		"a PNG of 50000 x 50000":  {hugePNG, "997908", "ME01023"},
		"a GIF of 65535 x 65535":  {patched(testPicture(t, "animated.gif"), 6, 0xff, 0xff, 0xff, 0xff), "997908", "ME01023"},
		"a BMP of 40000 x 40000":  {patched(testPicture(t, "picture.bmp"), 18, 0x40, 0x9c, 0, 0, 0x40, 0x9c, 0, 0), "997908", "ME01023"},
		"a JPEG of 200 scans":     {scans, "997908", "ME01023"},
		"nothing":                 {nil, "999006", "ME24601"},
		"an SVG":                  {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), "997905", "ME24601"},
		"a page":                  {[]byte("<html><script>1</script></html>"), "997905", "ME24601"},
		"a TIFF":                  {[]byte("II*\x00\x08\x00\x00\x00\x00\x00"), "997905", "ME24601"},
		"a PDF":                   {[]byte("%PDF-1.7\n"), "997905", "ME24601"},
		"a JPEG of three bytes":   {[]byte("\xff\xd8\xff"), "997905", "ME24601"},
	}
	for i := range 10 {
		tests[fmt.Sprintf("%d/10 of a PNG", i)] = struct {
			data []byte
			q, d string
		}{png[:max(i*len(png)/10, 12)], "997905", ""}
		tests[fmt.Sprintf("%d/10 of a JPEG", i)] = struct {
			data []byte
			q, d string
		}{jpeg[:max(i*len(jpeg)/10, 12)], "997905", ""}
	}
	for name, test := range tests {
		body, contentType := makeForm(formPart{"files", "a.jpg", string(test.data)})
		if test.data == nil {
			body, contentType = []byte("--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"\"\r\n\r\n\r\n--x--\r\n"), "multipart/form-data; boundary=x"
		}
		r := s.qrequest()
		r.body, r.headers["Content-Type"] = string(body), contentType
		if got := code(t, s.send(r)); got != test.q {
			t.Errorf("%s: QStorage %s, want %s", name, got, test.q)
		}
		if got := s.save(saveParts(test.data)...).body; test.d != "" && !strings.Contains(got, test.d) {
			t.Errorf("%s: dfsapi %s, want %s", name, got, test.d)
		}
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error("the log has a panic")
	}
}

// TestShortLivedPicturesOutliveTheCache has 8 writers store twice what the memory
// cache holds; each picture must stay readable for its time, over a restart too.
func TestShortLivedPicturesOutliveTheCache(t *testing.T) {
	onDisk(t)
	s := newTestServer(t) // with a cache of 1 MiB
	photo := testPicture(t, "landscape_1.jpg")
	var mu sync.Mutex
	stored := make(map[string]string)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 10 {
				data := append(bytes.Clone(photo), fmt.Sprintf("%d.%d", w, i)...)
				url := field0(t, s.save(saveParts(data, sign.Field{Name: "cacheTime", Value: "3600"})...), "url")
				mu.Lock()
				stored[url] = string(data)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	if len(stored) != 80 || 80*len(photo) < 2<<20 {
		t.Fatalf("stored %d pictures of %d bytes", len(stored), len(photo))
	}
	s.clock.add(time.Hour - time.Second)
	for url, want := range stored {
		if a := s.do("GET", url, nil); a.status != 200 || a.body != want {
			t.Errorf("%s: %d, %d bytes", url, a.status, len(a.body))
		}
	}
	// as the next process finds them
	if err := s.data.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := store.OpenData(s.dir, store.Options{Now: s.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	*s.data = *data
	for url, want := range stored {
		_, r, err := s.data.Cache.Open(strings.TrimPrefix(url, publicURL+"/"))
		if err != nil {
			t.Errorf("after a restart: %v", err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("after a restart: %d bytes, %v", len(got), err)
		}
		r.Close()
	}
}

// FuzzForm: whatever is accepted has a file within the limit.
func FuzzForm(f *testing.F) {
	body, _ := makeForm(formPart{name: "appKey", value: "1"}, formPart{"files", "a.jpg", "bytes"})
	boundary := string(body[2:bytes.IndexByte(body, '\r')])
	f.Add(body, boundary)
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=a; filename*=b\r\n\r\nc\r\n--x"), "x")
	f.Add([]byte("--x\nContent-Disposition:;filename\n\n000000000"), "x")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		const limit = 8
		form, err := newUploads(0, limit, "").readForm(bytes.NewReader(body), int64(len(body)), boundary, "files", limit)
		if err != nil && (len(form.file) > 0 || form.fileSize > 0) {
			t.Errorf("error %v with a file of %d bytes", err, form.fileSize)
		}
		if len(form.file) > limit+1 || form.fileSize > int64(len(body)) || len(form.fields) > maxParts {
			t.Errorf("%d of %d bytes, %d fields", len(form.file), form.fileSize, len(form.fields))
		}
	})
}

// FuzzAddress: what is accepted addresses a container, and none of ours, and does
// so again when it is written in another way.
func FuzzAddress(f *testing.F) {
	f.Add("/cont/f%2Fa.jpg", "acct.example")
	f.Add("/acct/cont//x", "h")
	f.Add("/cont/a%5Cb%252F+", "h:1")
	f.Fuzz(func(t *testing.T, path, host string) {
		a, err := parseAddress(path, host, "acct")
		if err != nil || a.container == "" {
			return
		}
		if CheckContainer(strings.TrimPrefix(a.container, trashPrefix)) != nil || isGroup(a.container) || a.container == "acct" || strings.ContainsRune(a.blob, 0) {
			t.Errorf("%q at %q: %+v", path, host, a)
		}
		again, err := parseAddress("/acct/"+a.container+"/"+url.PathEscape(a.blob), "h", "acct")
		if err != nil || again != a || strings.ContainsAny(a.blob, "\x00\\") {
			t.Errorf("%q at %q: %+v, and then %+v, %v", path, host, a, again, err)
		}
	})
}

// FuzzRange: what is accepted lies within the body, but for a start beyond it.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-9", int64(10), true)
	f.Add("bytes=-5", int64(3), true)
	f.Fuzz(func(t *testing.T, text string, size int64, suffixes bool) {
		if size < 0 {
			return
		}
		start, end, ok := parseRange(text, size, suffixes)
		if ok && (start < 0 || end > size || start < size && start >= end) {
			t.Errorf("%q of %d: [%d, %d)", text, size, start, end)
		}
	})
}

// FuzzGain: what is accepted names one file ID and a format that can be written.
func FuzzGain(f *testing.F) {
	f.Add("isStorage=true%26group=dfsdb_1%26file=1795360787%3A00.jpg")
	f.Add("group=group_1&file=1:0.png&scaling=100x100x1")
	f.Fuzz(func(t *testing.T, query string) {
		req, err := parseGain(query)
		if err != nil && req != (gainRequest{}) {
			t.Errorf("%q: %+v with %v", query, req, err)
		}
		if err == nil && (req.format == 0 || strings.Contains(req.fileID, ".")) {
			t.Errorf("%q: %+v", query, req)
		}
	})
}

// interlaced returns a PNG whose only row is missing: what it takes to decode is known before.
func interlaced(t *testing.T, w, h int) []byte {
	t.Helper()
	data := bytes.Clone(testPicture(t, "alpha.png"))
	binary.BigEndian.PutUint32(data[16:], uint32(w))
	binary.BigEndian.PutUint32(data[20:], uint32(h))
	data[28] = 1
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestAPictureThatTakesMoreThanAllMemoryIsTooLarge(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.DecodeMemory = MinDecodeMemory })
	upload := func(data []byte) string {
		body, contentType := makeForm(formPart{"files", "a.png", string(data)})
		r := s.qrequest()
		r.body, r.headers["Content-Type"] = string(body), contentType
		return code(t, s.send(r))
	}
	if got := upload(interlaced(t, 3000, 3000)); got != "997908" {
		t.Errorf("36 MB of 32: %s, want 997908", got)
	}
	if got := upload(interlaced(t, 1000, 1000)); got != "997905" { // it is decoded, and damaged
		t.Errorf("4 MB of 32: %s, want 997905", got)
	}
	if got := upload(testPicture(t, "photo.jpg")); got != "1" {
		t.Errorf("a photo: %s", got)
	}
}

func TestDecodesShareTheirMemory(t *testing.T) {
	s := &Server{cfg: Config{DecodeMemory: 100}, memory: semaphore.NewWeighted(100)}
	done, err := s.admit(60)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		done, err := s.admit(60)
		if err == nil {
			done()
		}
		second <- err
	}()
	for s.memory.TryAcquire(40) { // until the second waits, nobody else does
		s.memory.Release(40)
	}
	select {
	case err := <-second:
		t.Fatalf("120 of 100 admitted, %v", err)
	default:
	}
	done()
	if err := <-second; err != nil {
		t.Error(err)
	}
	if _, err := s.admit(101); !errors.Is(err, thumb.ErrTooLarge) {
		t.Errorf("101 of 100: %v", err)
	}
}

// What a store has beside a picture cannot become headers of their own, however it came there.
func TestAttributesStayInTheirLine(t *testing.T) {
	s := newTestServer(t)
	s.put(store.Item{Object: store.Object{
		Name: seedContainer + "/a.jpg", MediaType: "image/jpeg", Attributes: map[string]string{"x-ms-meta-a": "1\r\nSet-Cookie: a=b"},
	}, Body: strings.NewReader("bytes")})
	got := s.raw("GET " + strings.TrimPrefix(s.at("a.jpg", "r"), publicURL) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "\r\nx-ms-meta-a: 1  Set-Cookie: a=b\r\n") {
		t.Error(got)
	}
}
