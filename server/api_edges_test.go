package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

// A picture is kept with the header of its answers: one that the console has read must not
// be sent to an SDK without what that looks for.
func TestTheConsoleLeavesThePictureURLsAsTheyWere(t *testing.T) {
	s := newTestServer(t)
	photo := string(testPicture(t, "photo.jpg"))
	for _, ask := range []string{"content", "thumbnail"} {
		s.putBlob("console/"+ask+".jpg", photo, "x-ms-blob-cache-control", "max-age=60", "x-ms-meta-a", "b")
		name := strings.TrimPrefix(s.at("console/"+ask+".jpg", "r"), publicURL+"/")
		name, _, _ = strings.Cut(name, "?")
		for range 3 {
			if a := s.admin(nil, "GET", "/picture/"+ask+nameQuery(name), nil); a.status != 200 || a.header.Get("Cache-Control") != privately {
				t.Fatalf("%s: %d %v", ask, a.status, a.header)
			}
		}
		s.srv.hot.memory.Wait()
		a := s.do("GET", s.at("console/"+ask+".jpg", "r"), nil)
		for name, want := range map[string]string{"X-Ms-Blob-Type": "BlockBlob", "X-Ms-Meta-A": "b", "Cache-Control": "max-age=60"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("after %s: %s: %q, want %q", ask, name, got, want)
			}
		}
	}
}

func TestASessionThatIsSignedOutIsOver(t *testing.T) {
	s := newTestServer(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Jar = jar
	root := &url.URL{Scheme: "http", Host: "server", Path: "/"}
	_, token, _ := strings.Cut(s.srv.SetupLink(), "#setup=")
	s.do("POST", publicURL+"/api/v1/session", strings.NewReader(`{"token":"`+token+`"}`))
	if len(jar.Cookies(root)) != 1 {
		t.Fatalf("cookies: %v", jar.Cookies(root))
	}
	old := jar.Cookies(root)[0]
	if a := s.do("DELETE", publicURL+"/api/v1/session", nil); a.status != 204 {
		t.Errorf("sign-out: %d %s", a.status, a.body)
	}
	if left := jar.Cookies(root); len(left) != 0 {
		t.Errorf("the browser still has %v", left)
	}
	for _, text := range []string{old.Value, old.Value[:30] + `\n` + old.Value[30:], old.Value + `\r\n`} {
		wantCode(t, s.do("POST", publicURL+"/api/v1/session", strings.NewReader(`{"token":"`+text+`"}`)), 403, "forbidden")
	}
}

func TestTheSchemeOfATokenIsInEitherCase(t *testing.T) {
	s := newTestServer(t)
	token := sign.AdminToken([]byte(adminKey), s.clock.Now().Add(time.Hour))
	for authorization, want := range map[string]int{"Bearer " + token: 200, "bearer " + token: 200, "Bearer": 401, token: 401, "Basic " + token: 401, "Bearer  " + token: 401} {
		if a := s.do("GET", publicURL+"/api/v1/session", nil, "Authorization", authorization); a.status != want {
			t.Errorf("%.8s: %d, want %d", authorization, a.status, want)
		}
	}
	// another scheme is a proxy's, and the cookie counts
	if a := s.do("GET", publicURL+"/api/v1/session", nil, "Authorization", "Basic eDp5", "Cookie", "a=b; "+sessionCookie+"="+token); a.status != 200 {
		t.Errorf("with the cookie: %d", a.status)
	}
	wantCode(t, s.do("GET", publicURL+"/api/v1/session", nil, "Authorization", "Bearer x", "Cookie", sessionCookie+"="+token), 401, "unauthorized")
}

// half sends the beginning of a request, and waits until the server is done with it.
func (s *testServer) half(request string) {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		s.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	io.Copy(io.Discard, conn)
}

func TestABodyThatBreaksOffIsNotStored(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "photo.jpg")
	cut := string(photo[:len(photo)-100])
	token := sign.AdminToken([]byte(adminKey), s.clock.Now().Add(time.Hour))
	for _, path := range []string{"POST /api/v1/pictures?app=" + testApp + "&resource=1", "POST /api/v1/pictures?app=" + testApp, "PUT /api/v1/picture?name=" + testApp + "-x/y"} {
		head := path + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + token + "\r\n"
		s.half(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(photo), cut))
		s.half(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", head, len(cut), cut))
	}
	if n, err := s.data.Pictures.Stats(); err != nil || n.Objects != 0 {
		t.Errorf("%d objects were stored, %v", n.Objects, err)
	}
	large := io.MultiReader(bytes.NewReader(make([]byte, 8<<20+1))) // in chunks
	wantCode(t, s.do("POST", publicURL+"/api/v1/pictures?app="+testApp, large, "Authorization", "Bearer "+token), 413, "too_large")
}

func TestSmallThingsOfTheNativeAPI(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.CORS = nil })
	photo := testPicture(t, "photo.jpg")
	var p pictureInfo
	s.admin(&p, "POST", "/pictures?app="+testApp+"&resource=1", photo)

	t.Run("a picture is found by its path", func(t *testing.T) {
		for _, text := range []string{p.URL, "/" + p.Name, p.Name, "https://other.example/" + p.Name + "?sv=1", "/devstoreaccount1/" + p.Name} {
			var page struct{ Pictures []pictureInfo }
			if s.admin(&page, "GET", "/pictures?search="+url.QueryEscape(text), nil); len(page.Pictures) != 1 || page.Pictures[0].Name != p.Name {
				t.Errorf("%s: %+v", text, page)
			}
		}
	})
	t.Run("staged blocks are no pictures", func(t *testing.T) {
		s.stage("a", "1", "0123456789")
		name := blockName(seedContainer+"/a", []byte("1"))
		if _, err := s.data.Pictures.Stat(name); err != nil {
			t.Fatal(err)
		}
		for operation := range s.srv.apiRoutes() {
			if method, path, _ := strings.Cut(operation, " "); strings.HasPrefix(path, "/picture") && path != "/pictures" && method != "PUT" {
				wantCode(t, s.admin(nil, method, path+nameQuery(name), nil), 404, "not_found")
			}
		}
		wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(name), photo), 400, "bad_request")
		for _, query := range []string{"search=" + url.QueryEscape(name), "prefix=%00", "search=" + blockID("1")} {
			if a := s.admin(nil, "GET", "/pictures?"+query, nil); !strings.Contains(a.body, `"pictures":[]`) {
				t.Errorf("%s: %s", query, a.body)
			}
		}
	})
	t.Run("nothing is stored whose time is over", func(t *testing.T) {
		wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-x/y")+"&expires=2018-03-14T07:50:33Z", photo), 400, "bad_request")
	})
	t.Run("a wish behind another is not passed over", func(t *testing.T) {
		wantCode(t, s.admin(nil, "POST", "/trash/purge", []byte(`{"paths":["a/b"]} {"paths":["c/d"]}`)), 400, "bad_request")
		wantCode(t, s.admin(nil, "POST", "/trash/purge", []byte(`{"paths":["a/b"]}}`)), 400, "bad_request")
		if a := s.admin(nil, "POST", "/trash/purge", []byte("{\"paths\":[\"a/b\"]}\r\n")); a.status != 200 {
			t.Errorf("with an end of the line: %d %s", a.status, a.body)
		}
	})
	t.Run("a message is one line", func(t *testing.T) {
		if a := s.admin(nil, "GET", "/audit?event=x", nil); a.status != 400 || strings.Contains(a.body, `\n`) {
			t.Error(a.body)
		}
	})
	t.Run("a picture that is gone takes no other's thumbnail along", func(t *testing.T) {
		making, gone := make(chan bool), make(chan bool)
		go s.srv.making.Do(p.Digest+"-256", func() (any, error) {
			making <- true
			<-gone
			return nil, store.ErrNotFound
		})
		<-making
		end := time.AfterFunc(100*time.Millisecond, func() { close(gone) }) // who waits for it is let go
		defer func() {
			if end.Stop() {
				close(gone)
			}
		}()
		if a := s.admin(nil, "GET", "/picture/thumbnail"+nameQuery(p.Name), nil); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("each deletion is an event", func(t *testing.T) {
		s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-x/f/f_100.jpg"), photo) // of no original
		small := strings.Replace(p.URL, "_full", "_1024", 1)
		body := fmt.Sprintf(`{"fileUrls":[%q,%q,%q]}`, p.URL, small, publicURL+"/"+testApp+"-x/f/f_100.jpg")
		if got := code(t, s.do("POST", publicURL+"/picture/delete"+qquery, strings.NewReader(body), s.qheaders("Content-Type", "application/json")...)); got != "1" {
			t.Fatal(got)
		}
		var page struct{ Events []Event }
		s.admin(&page, "GET", "/audit?event=delete", nil)
		if len(page.Events) != 2 || page.Events[1].Name != p.Name || page.Events[0].Name != testApp+"-x/f/f_100.jpg" {
			t.Errorf("%+v", page)
		}
	})
	t.Run("an answer differs by the origins of applications too", func(t *testing.T) {
		s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"origins": []string{"https://a.example"}})
		s.putBlob("cors", "x")
		for origin, want := range map[string]string{"": "", "https://a.example": "https://a.example"} {
			a := s.do("GET", s.at("cors", "r"), nil, "Origin", origin)
			if a.status != 200 || a.header.Get("Vary") != "Origin" || a.header.Get("Access-Control-Allow-Origin") != want {
				t.Errorf("%q: %d %v", origin, a.status, a.header)
			}
		}
	})
}

func TestWhoIsNotSignedInFillsNoLog(t *testing.T) {
	s := newTestServer(t)
	long := strings.Repeat("x", 500_000)
	for _, body := range []string{`{"` + long + `":1}`, `{"token":"` + long + `"}`} {
		if a := s.do("POST", publicURL+"/api/v1/session", strings.NewReader(body)); a.status != 400 || len(a.body) > 1000 {
			t.Errorf("%d with %d bytes", a.status, len(a.body))
		}
	}
	if n := len(s.log.String()); n > 100_000 {
		t.Errorf("a log of %d bytes", n)
	}
}

func TestWithoutACache(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.CacheSize = 0 })
	s.putBlob("a.jpg", string(testPicture(t, "photo.jpg")))
	for _, path := range []string{"thumbnail", "content", "thumbnail", "content"} {
		if a := s.admin(nil, "GET", "/picture/"+path+nameQuery(seedContainer+"/a.jpg"), nil); a.status != 200 || len(a.body) == 0 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
