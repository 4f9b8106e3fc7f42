package server

import (
	"bytes"
	"image"
	_ "image/jpeg"
	"strings"
	"sync"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

func TestVariantNames(t *testing.T) {
	for name, want := range map[string]variantName{
		"c/f/f_full.jpg":      {"c/f/f", "full", "jpg"},
		"c/f/f_1024.png":      {"c/f/f", "1024", "png"},
		"c/a/b/f_1/f_1_2.jpg": {"c/a/b/f_1/f_1", "2", "jpg"},
		"c/f/f_full.JPEG":     {"c/f/f", "full", "JPEG"},
		"c/f/f_full.jpg.bak":  {}, "c/f/f_1.txt": {}, "c/f/f_large.jpg": {}, "c/f/g_full.jpg": {}, "c/f/f_full": {}, "c/f_full.jpg": {}, "c/f/f.jpg": {}, "c/f/f_.jpg": {}, "f_full.jpg": {}, "c//_full.jpg": {},
	} {
		got, ok := parseVariant(name)
		if got != want || ok != (want.stem != "") || ok && got.String() != name {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

// longSide returns the longer side of a picture.
func longSide(t *testing.T, data string) int {
	t.Helper()
	c, _, err := image.DecodeConfig(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return max(c.Width, c.Height)
}

func TestVariantsOfAPictureThatWasPutAreMadeOnce(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.Thumbs = []int{300, 1024} })
	s.putBlob("f/f_full.jpg", string(testPicture(t, "photo.jpg")))
	url := s.at("f/f_1024.jpg", "r")
	tags := make([]string, 100)
	var wg sync.WaitGroup
	for i := range tags {
		wg.Go(func() {
			a := s.do([]string{"GET", "HEAD"}[i%2], url, nil)
			if tags[i] = a.header.Get("ETag"); a.status != 200 || a.header.Get("Content-Type") != "image/jpeg" {
				t.Errorf("%d %s", a.status, a.code())
			}
		})
	}
	wg.Wait()
	for _, tag := range tags {
		if tag != tags[0] {
			t.Fatalf("made more than once: %v", tags)
		}
	}
	if a := s.do("GET", url, nil); longSide(t, a.body) != 1024 || a.header.Get("Content-Md5") == "" {
		t.Errorf("long side %d, %v", longSide(t, a.body), a.header)
	}
	if got := longSide(t, s.read("f/f_300.jpg")); got != 300 {
		t.Errorf("long side %d, want 300", got)
	}
	if stats, err := s.data.Pictures.Stats(); err != nil || stats.Objects != 3 {
		t.Errorf("%+v, %v, want 3 objects", stats, err)
	}
}

func TestOnlyTheVariantsThatMayBeAreMade(t *testing.T) {
	s := newTestServer(t)
	photo := string(testPicture(t, "photo.jpg"))
	s.putBlob("f/f_full.jpg", photo)
	s.putBlob("g/h_full.jpg", photo)
	s.putBlob("text/text_full.jpg", "no picture")
	s.putBlob("half/half_full.jpg", photo[:len(photo)/2])
	s.putBlob("alpha/alpha_full.png", string(testPicture(t, "alpha.png")))
	for _, name := range []string{"f/f_1023.jpg", "f/f_01024.jpg", "f/f_1024.png", "f/f_full.png", "f/f_1024.jpg/x", "g/g_1024.jpg", "g/h_1024.jpg",
		"text/text_1024.jpg", "half/half_1024.jpg", "none/none_1024.jpg", "alpha/alpha_1024.jpg"} {
		if got := s.read(name); got != "BlobNotFound" {
			t.Errorf("%s: %.40q", name, got)
		}
	}
	if a := s.do("GET", s.at("alpha/alpha_1024.png", "r"), nil); a.status != 200 || a.header.Get("Content-Type") != "image/png" {
		t.Errorf("of a transparent picture: %d %v", a.status, a.header)
	}
	if a := s.do("GET", s.at("f/f_1024.jpg", "w"), nil); a.status != 403 {
		t.Errorf("without permission to read: %d", a.status)
	}
	s.read("f/f_1024.jpg")
	s.do("DELETE", s.at("f/f_full.jpg", "d"), nil)
	if got := s.read("f/f_1024.jpg"); got != "BlobNotFound" {
		t.Errorf("after the deletion of the original: %.40q", got)
	}
	s.put(store.Item{Object: store.Object{Name: trashPrefix + seedContainer + "/t/t_full.jpg", Width: 1600}, Body: strings.NewReader(photo)})
	token, _ := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: trashPrefix + seedContainer},
		sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(time.Hour)), Permissions: "r"})
	if a := s.do("GET", publicURL+"/"+trashPrefix+seedContainer+"/t/t_1024.jpg?"+token.Query(), nil); a.status != 404 {
		t.Errorf("made in the trash: %d", a.status)
	}
}

func TestAVariantIsThereWhileItsOriginalIsReplaced(t *testing.T) {
	s := newTestServer(t)
	photos := []string{string(testPicture(t, "photo.jpg")), string(testPicture(t, "progressive.jpg"))}
	s.putBlob("f/f_full.jpg", photos[0])
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := s.read("f/f_1024.jpg"); !strings.HasPrefix(got, "\xff\xd8") {
					t.Errorf("%.40q", got)
				}
			}
		})
	}
	for i := range 30 {
		s.putBlob("f/f_full.jpg", photos[(i+1)%2])
	}
	close(stop)
	readers.Wait()
}

func TestANewPortraitLeavesNothingOfTheOld(t *testing.T) {
	s := newTestServer(t)
	const container = testApp + "-portrait"
	token, _ := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: container},
		sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(time.Hour)), Permissions: "rw"})
	url := publicURL + "/" + container + "/1607279/1607279_full.png?" + token.Query()
	s.do("PUT", url+"&comp=block&blockid=MQ%3D%3D", bytes.NewReader(testPicture(t, "opaque.png")))
	s.do("PUT", url+"&comp=blocklist", blockList("1"))
	s.put(store.Item{Object: store.Object{Name: container + "/1607279/1607279_300.png", Original: store.Digest{1}}, Body: strings.NewReader("a size of before")})
	body, contentType := makeForm(formPart{"files", "a.png", string(testPicture(t, "alpha.png"))})
	call := func(method string, want int) {
		a := s.do(method, publicURL+"/portrait"+qquery, bytes.NewReader(body), s.qheaders("Content-Type", contentType)...)
		objs, err := s.data.Pictures.List("", "", "", 10)
		if err != nil || len(objs) != want || !strings.Contains(a.body, `"ResultCode":"1"`) {
			t.Errorf("%s: %d objects, %v: %s", method, len(objs), err, a.body)
		}
	}
	call("POST", 2)
	s.do("PUT", url+"&comp=block&blockid=MQ%3D%3D", strings.NewReader("x"))
	call("DELETE", 0)
}

func TestAReplacedOriginalTakesItsVariantsAlong(t *testing.T) {
	s := newTestServer(t)
	wide := testPicture(t, "photo.jpg")
	s.putBlob("f/f_full.jpg", string(wide))
	first := s.read("f/f_1024.jpg")
	s.putBlob("f/f_512.jpg", "beside")
	s.clock.add(time.Second)
	s.putBlob("f/f_full.jpg", string(testPicture(t, "progressive.jpg")))
	if got := s.read("f/f_1024.jpg"); got == first || !strings.HasPrefix(got, "\xff\xd8") {
		t.Errorf("the variant is that of before: %.20q", got)
	}
	if got := s.read("f/f_512.jpg"); got != "beside" {
		t.Errorf("what a client put is %.20q", got)
	}
	// those that an upload made too
	up := content(t, s.upload(wide))
	a := s.putBlob(strings.TrimPrefix(up.OriginalURL, publicURL+"/"+seedContainer+"/"), string(testPicture(t, "progressive.jpg")))
	small := s.do("GET", up.ThumbnailURL+"?"+up.SASToken, nil)
	if a.status != 201 || small.status != 200 || longSide(t, small.body) == 1024 {
		t.Errorf("%d, %d, %d", a.status, small.status, longSide(t, small.body))
	}
}

func TestWhatIsAPictureByItsBytesIsShown(t *testing.T) {
	s := newTestServer(t)
	photo, gif := string(testPicture(t, "photo.jpg")), string(testPicture(t, "animated.gif"))
	for _, test := range []struct{ bytes, mediaType, disposition, want string }{
		{photo, "image/jpeg", "", ""},
		{photo, "", "", ""},
		{gif, "image/gif", `inline; filename="a.gif"`, `inline; filename="a.gif"`},
		{gif, "text/html", "", "attachment"},
		{photo + "<script>", "image/svg+xml", "inline", "attachment"},
		{"<script>", "image/jpeg", "", "attachment"},
		{"<script>", "text/html", `inline; filename="a.html"`, `attachment; filename="a.html"`},
		{"<svg/>", "image/svg+xml", "", "attachment"},
		{"", "image/png", "", "attachment"},
	} {
		s.putBlob("a", test.bytes, "x-ms-blob-content-type", test.mediaType, "x-ms-blob-content-disposition", test.disposition)
		a := s.do("GET", s.at("a", "r"), nil)
		if got := a.header.Get("Content-Disposition"); a.status != 200 || got != test.want {
			t.Errorf("%.10q as %q: %d %q, want %q", test.bytes, test.mediaType, a.status, got, test.want)
		}
	}
}
