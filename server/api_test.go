package server

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

const adminKey = "key of the console for tests"

// admin asks the native API for something, with a token, and decodes the answer into v.
func (s *testServer) admin(v any, method, path string, body any, headers ...string) answer {
	s.t.Helper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		data = b
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			s.t.Fatal(err)
		}
	}
	token := sign.AdminToken([]byte(adminKey), s.clock.Now().Add(time.Hour))
	a := s.do(method, publicURL+"/api/v1"+path, bytes.NewReader(data), append([]string{"Authorization", "Bearer " + token}, headers...)...)
	if v != nil && a.status < 300 {
		if err := json.Unmarshal([]byte(a.body), v); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
	return a
}

// wantCode fails the test unless an answer is an error of that status and code.
func wantCode(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, `"code":"`+code+`"`) {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
}

func nameQuery(name string) string { return "?name=" + url.QueryEscape(name) }

func TestTheDescriptionHasEveryOperationAndNoOther(t *testing.T) {
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &described); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, operations := range described.Paths {
		for method := range operations {
			if method != "parameters" {
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	got = append(got, "POST /session")
	for operation := range (&Server{}).apiRoutes() {
		got = append(got, operation)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("served:\n%s\ndescribed:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheNativeAPINeedsAToken(t *testing.T) {
	s := newTestServer(t)
	for operation := range s.srv.apiRoutes() {
		method, path, _ := strings.Cut(operation, " ")
		for _, token := range []string{"", "Bearer ", "Bearer " + sign.AdminToken([]byte("another key"), s.clock.Now().Add(time.Hour)),
			"Bearer " + sign.AdminToken([]byte(adminKey), s.clock.Now())} {
			wantCode(t, s.do(method, publicURL+"/api/v1"+path, nil, "Authorization", token), 401, "unauthorized")
		}
	}
	wantCode(t, s.do("GET", publicURL+"/api/v1/none", nil), 404, "not_found")
	wantCode(t, s.do("PUT", publicURL+"/api/v1/stats", strings.NewReader("x")), 405, "method")
}

func TestTheSetupLinkWorksOnceAndTheSessionUntilItEnds(t *testing.T) {
	onDisk(t)
	s := newTestServer(t)
	_, token, _ := strings.Cut(s.srv.SetupLink(), "#setup=")
	signIn := func(token string, headers ...string) answer {
		return s.do("POST", publicURL+"/api/v1/session", strings.NewReader(fmt.Sprintf(`{"token":%q}`, token)), headers...)
	}
	for _, wrong := range []string{"", "wrong", token + strings.Repeat("x", 4096)} {
		wantCode(t, signIn(wrong), 403, "forbidden")
	}
	wantCode(t, signIn(token, "Sec-Fetch-Site", "cross-site"), 403, "forbidden")
	a := signIn(token)
	cookie := a.header.Get("Set-Cookie")
	if a.status != 204 || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, token) {
		t.Fatalf("sign-in: %d %s, cookie %q", a.status, a.body, cookie)
	}
	wantCode(t, signIn(token), 403, "forbidden")
	cookie, _, _ = strings.Cut(cookie, ";")
	ask := func(headers ...string) answer {
		return s.do("GET", publicURL+"/api/v1/session", nil, append([]string{"Cookie", cookie}, headers...)...)
	}
	if a := ask(); a.status != 200 || !strings.Contains(a.body, `"empty":true`) {
		t.Errorf("session: %d %s", a.status, a.body)
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-site"}, {"Origin", "http://127.0.0.1:3000"}, {"Origin", "null"}} {
		wantCode(t, ask(headers...), 403, "forbidden")
	}
	s.clock.add(sessionTTL)
	wantCode(t, ask(), 401, "unauthorized")

	_, token, _ = strings.Cut(s.srv.SetupLink(), "#setup=")
	s.clock.add(SetupTTL)
	wantCode(t, signIn(token), 403, "forbidden")

	_, token, _ = strings.Cut(s.srv.SetupLink(), "#setup=")
	cookie, _, _ = strings.Cut(signIn(token).header.Get("Set-Cookie"), ";")
	if a := s.do("DELETE", publicURL+"/api/v1/session", nil, "Cookie", cookie); a.status != 204 {
		t.Errorf("sign-out: %d %s", a.status, a.body)
	}
	wantCode(t, ask(), 401, "unauthorized")
}

func TestAPictureFromUploadToTheTrashAndBack(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "photo.jpg")
	var p pictureInfo
	if a := s.admin(&p, "POST", "/pictures?app="+testApp+"&resource=13/76f9", photo); a.status != 201 {
		t.Fatalf("add: %d %s", a.status, a.body)
	}
	if p.Size != int64(len(photo)) || p.Type != "image/jpeg" || !strings.HasPrefix(p.Name, testApp+"-picture-13-76f9/") || p.Tier != "durable" || p.Public {
		t.Errorf("added %+v", p)
	}
	var one pictureInfo
	s.admin(&one, "GET", "/picture"+nameQuery(p.Name), nil)
	if len(one.Variants) != 1 || one.Variants[0].Width != 1024 {
		t.Errorf("variants: %+v", one.Variants)
	}
	a := s.admin(nil, "GET", "/picture/content"+nameQuery(p.Name), nil)
	if a.body != string(photo) || a.header.Get("Cache-Control") != privately || a.header.Get("Content-Disposition") != "" {
		t.Errorf("content: %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	if a := s.admin(nil, "GET", "/picture/content"+nameQuery(p.Name), nil, "Range", "bytes=0-1"); a.status != 206 || a.body != string(photo[:2]) {
		t.Errorf("range: %d %q", a.status, a.body)
	}
	a = s.admin(nil, "GET", "/picture/thumbnail"+nameQuery(p.Name)+"&size=200", nil)
	if a.status != 200 || a.header.Get("Content-Type") != "image/jpeg" || len(a.body) > 40_000 {
		t.Errorf("thumbnail: %d, %d bytes", a.status, len(a.body))
	}
	if a := s.admin(nil, "GET", "/picture/thumbnail"+nameQuery(p.Name)+"&size=200", nil, "If-None-Match", a.header.Get("ETag")); a.status != 304 {
		t.Errorf("the same again: %d", a.status)
	}

	if a := s.admin(nil, "DELETE", "/picture"+nameQuery(p.Name), nil); a.status != 204 {
		t.Fatalf("delete: %d %s", a.status, a.body)
	}
	wantCode(t, s.admin(nil, "GET", "/picture"+nameQuery(p.Name), nil), 404, "not_found")
	var trash struct{ Pictures []Trashed }
	s.admin(&trash, "GET", "/trash", nil)
	if len(trash.Pictures) != 1 || trash.Pictures[0].Files != 2 || trash.Pictures[0].Name != trashPrefix+p.Name {
		t.Fatalf("trash: %+v", trash)
	}
	if a := s.admin(nil, "GET", "/picture/thumbnail"+nameQuery(trash.Pictures[0].Name), nil); a.status != 200 {
		t.Errorf("thumbnail of the trash: %d %s", a.status, a.body)
	}
	var results struct{ Results []pathResult }
	s.admin(&results, "POST", "/trash/restore", map[string]any{"paths": []string{trash.Pictures[0].Path, "no/such"}})
	if len(results.Results) != 2 || results.Results[0].Error != "" || results.Results[0].Files != 2 || results.Results[1].Error == "" {
		t.Errorf("restore: %+v", results)
	}
	if a := s.admin(nil, "GET", "/picture/content"+nameQuery(p.Name), nil); a.body != string(photo) {
		t.Errorf("restored: %d", a.status)
	}
	s.admin(nil, "DELETE", "/picture"+nameQuery(p.Name), nil)
	s.admin(&results, "POST", "/trash/purge", map[string]any{"paths": []string{trash.Pictures[0].Path}})
	if results.Results[0].Error != "" || results.Results[0].Files != 2 {
		t.Errorf("purge: %+v", results)
	}
	if n, _ := s.data.Pictures.Stats(); n.Objects != 0 {
		t.Errorf("%d objects are left", n.Objects)
	}
}

func TestLinksAreAddedListedAndDeletedOneByOne(t *testing.T) {
	s := newTestServer(t)
	var kept, limited pictureInfo
	s.admin(&kept, "POST", "/pictures?app="+dfsApp, testPicture(t, "photo.jpg"))
	s.admin(&limited, "POST", "/pictures?app="+dfsApp+"&ttl=60", testPicture(t, "photo.jpg"))
	if !strings.HasPrefix(kept.Name, "group1/M00/") || !kept.Public || kept.FileID == "" || kept.Expires != nil {
		t.Errorf("kept: %+v", kept)
	}
	if !strings.HasPrefix(limited.Name, "cache1/M00/") || limited.Tier != "cache" || limited.Expires == nil || !limited.Expires.Equal(s.clock.Now().Add(time.Minute)) {
		t.Errorf("limited: %+v", limited)
	}
	if a := s.do("GET", kept.URL, nil); a.status != 200 {
		t.Errorf("its URL: %d", a.status)
	}
	for range 2 {
		var again pictureInfo
		s.admin(&again, "POST", "/pictures?app="+dfsApp, testPicture(t, "photo.jpg"))
		s.admin(nil, "DELETE", "/picture"+nameQuery(again.Name), nil)
	}
	var trash struct{ Pictures []Trashed }
	s.admin(&trash, "GET", "/trash", nil)
	if len(trash.Pictures) != 2 || trash.Pictures[0].Files != 1 {
		t.Errorf("trash: %+v", trash)
	}
	s.admin(nil, "DELETE", "/picture"+nameQuery(limited.Name), nil)
	wantCode(t, s.admin(nil, "GET", "/picture"+nameQuery(limited.Name), nil), 404, "not_found")
}

func TestListsGoOnAtTheirCursor(t *testing.T) {
	s := newTestServer(t)
	gif := testPicture(t, "animated.gif")
	for i := range 25 {
		name := fmt.Sprintf("%s-album/%02d.gif", testApp, i)
		if a := s.admin(nil, "PUT", "/picture"+nameQuery(name), append(gif, byte(i))); a.status != 201 {
			t.Fatalf("put: %d %s", a.status, a.body)
		}
	}
	s.admin(nil, "DELETE", "/picture"+nameQuery(testApp+"-album/03.gif"), nil)
	s.upload(testPicture(t, "photo.jpg")) // with a variant, which is not listed
	list := func(query string) (names []string) {
		for cursor, pages := "", 0; ; pages++ {
			var page struct {
				Pictures []pictureInfo
				Cursor   string
			}
			if a := s.admin(&page, "GET", "/pictures?limit=10"+query+"&cursor="+cursor, nil); a.status != 200 || pages > 10 {
				t.Fatalf("list %q: %d %s", query, a.status, a.body)
			}
			for _, p := range page.Pictures {
				names = append(names, p.Name)
			}
			if cursor = page.Cursor; cursor == "" {
				return names
			}
		}
	}
	all := list("")
	if len(all) != 25 || !slices.IsSorted(all) {
		t.Errorf("all: %q", all)
	}
	var first pictureInfo
	s.admin(&first, "GET", "/picture"+nameQuery(all[0]), nil)
	for query, want := range map[string]int{
		"&prefix=" + testApp + "-album/": 24, "&type=image/gif": 24, "&type=image": 25, "&type=text": 0, "&app=" + testApp: 25, "&app=" + dfsApp: 0,
		"&search=LBUM/1": 10, "&search=" + first.Digest[:10]: 1, "&search=" + url.QueryEscape(first.URL+"?sv=1"): 1, "&search=" + url.QueryEscape(all[1]): 1,
		"&search=nothing": 0, "&tier=cache": 0,
	} {
		if got := list(query); len(got) != want {
			t.Errorf("%s: %d, want %d: %q", query, len(got), want, got)
		}
	}
	var page struct {
		Containers []struct{ Name, App string }
	}
	s.admin(&page, "GET", "/containers", nil)
	if fmt.Sprint(page.Containers) != fmt.Sprintf("[{%[1]s-album %[1]s} {%[1]s-picture-13-76f99fb4f1a24d29 %[1]s}]", testApp) {
		t.Errorf("containers: %v", page.Containers)
	}
	for _, bad := range []string{"limit=0", "limit=x", "tier=x", "cursor=*", "app=a&app=b"} {
		wantCode(t, s.admin(nil, "GET", "/pictures?"+bad, nil), 400, "bad_request")
	}
}

func TestAPutUnderAGivenName(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "photo.jpg")
	name := testApp + "-old/2019/a b.jpg"
	var p pictureInfo
	a := s.admin(&p, "PUT", "/picture"+nameQuery(name)+"&created=2019-05-01T10:00:00Z", photo, "x-ms-meta-place", "Taipei")
	if a.status != 201 || p.App != testApp || p.Width == 0 || !p.Created.Equal(time.Date(2019, 5, 1, 10, 0, 0, 0, time.UTC)) || p.Metadata["place"] != "Taipei" || p.MD5 != fmt.Sprintf("%x", md5.Sum(photo)) {
		t.Errorf("put: %d %+v", a.status, p)
	}
	if a := s.admin(nil, "PUT", "/picture"+nameQuery(name), photo); a.status != 200 {
		t.Errorf("the same again: %d %s", a.status, a.body)
	}
	wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(name), photo[1:]), 409, "exists")
	if a := s.admin(nil, "PUT", "/picture"+nameQuery(name)+"&exists=replace", photo[1:]); a.status != 201 {
		t.Errorf("replace: %d %s", a.status, a.body)
	}
	link := "group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg"
	if a := s.admin(nil, "PUT", "/picture"+nameQuery(link), photo); a.status != 201 {
		t.Errorf("a link: %d %s", a.status, a.body)
	}
	if a := s.do("GET", publicURL+"/"+link, nil); a.body != string(photo) {
		t.Errorf("read: %d", a.status)
	}
	for _, bad := range []string{"x", "ab/x", "Upper/x", testApp + "-old/", testApp + "-old/../x", "delete-" + testApp + "/x", "api/x", "group1/x", "group1/M00/../x.jpg", "devstoreaccount1/x"} {
		wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(bad), photo), 400, "bad_request")
	}
	wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-old/y")+"&sha256=00", photo), 400, "bad_request")
	wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-old/y")+"&app=nobody", photo), 404, "not_found")
	wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-old/y"), make([]byte, 8<<20+1)), 413, "too_large")
}

func TestApplicationsAreChangedAndTheirLimitsHold(t *testing.T) {
	s := newTestServer(t)
	var app appInfo
	if a := s.admin(&app, "POST", "/apps", map[string]string{}); a.status != 201 || len(app.Key) != 10 || app.Secret == "" {
		t.Fatalf("add: %d %s", a.status, a.body)
	}
	wantCode(t, s.admin(nil, "POST", "/apps", map[string]string{"key": app.Key}), 409, "exists")
	wantCode(t, s.admin(nil, "POST", "/apps", map[string]string{"key": "a b"}), 400, "bad_request")
	wantCode(t, s.admin(nil, "POST", "/apps", map[string]string{"kye": "x"}), 400, "bad_request")
	var rotated appInfo
	s.admin(&rotated, "POST", "/apps/"+app.Key+"/rotate", nil)
	if rotated.Secret == "" || rotated.Secret == app.Secret || rotated.Secrets != 2 {
		t.Errorf("rotate: %+v", rotated)
	}
	if a := s.admin(nil, "DELETE", "/apps/"+app.Key+"/previous", nil); a.status != 204 {
		t.Errorf("end of the one before: %d %s", a.status, a.body)
	}
	a := s.admin(nil, "GET", "/apps", nil)
	if strings.Contains(a.body, rotated.Secret) || strings.Contains(a.body, testSecret) || strings.Count(a.body, `"key"`) != 3 {
		t.Errorf("list: %s", a.body)
	}
	photo := testPicture(t, "photo.jpg")
	wantCode(t, s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"max_bytes": -1}), 400, "bad_request")
	wantCode(t, s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"origins": []string{"https://a/b"}}), 400, "bad_request")
	s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"max_pictures": 3})
	if a := s.upload(photo); !strings.Contains(a.body, `"ResultCode":"1"`) {
		t.Fatalf("upload: %s", a.body)
	}
	if a := s.upload(photo); !strings.Contains(a.body, `"ResultCode":"997908"`) {
		t.Errorf("over the number: %s", a.body)
	}
	wantCode(t, s.admin(nil, "POST", "/pictures?app="+testApp+"&resource=1", photo), 403, "quota")
	s.admin(&app, "PATCH", "/apps/"+testApp, map[string]any{"max_pictures": 0, "max_bytes": len(photo)})
	if app.Pictures != 2 || app.Bytes <= int64(len(photo)) || app.MaxBytes != int64(len(photo)) {
		t.Errorf("usage: %+v", app)
	}
	wantCode(t, s.admin(nil, "PUT", "/picture"+nameQuery(testApp+"-x/y"), photo), 403, "quota")
	s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"max_bytes": 0, "disabled": true})
	if a := s.upload(photo); !strings.Contains(a.body, `"ResultCode":"999010"`) {
		t.Errorf("disabled: %s", a.body)
	}
	s.admin(nil, "PATCH", "/apps/"+testApp, map[string]any{"disabled": false, "origins": []string{"https://a.example"}})
	for origin, want := range map[string]string{"https://a.example": "1", "https://b.example": "999010"} {
		if a := s.upload(photo, "Origin", origin); !strings.Contains(a.body, `"ResultCode":"`+want+`"`) {
			t.Errorf("from %s: %s", origin, a.body)
		}
	}
	if a := s.admin(nil, "DELETE", "/apps/"+testApp, nil); a.status != 204 {
		t.Errorf("remove: %d", a.status)
	}
	wantCode(t, s.admin(nil, "DELETE", "/apps/"+testApp, nil), 404, "not_found")
}

func TestLinksAreMadeAndExplained(t *testing.T) {
	s := newTestServer(t, withLinkSecret)
	var p, link pictureInfo
	s.admin(&p, "POST", "/pictures?app="+testApp+"&resource=1", testPicture(t, "photo.jpg"))
	s.admin(&link, "POST", "/pictures?app="+dfsApp, testPicture(t, "photo.jpg"))
	for _, name := range []string{p.Name, link.Name} {
		var made signedLink
		if a := s.admin(&made, "POST", "/links", map[string]any{"name": name, "expiry": s.clock.Now().Add(time.Hour)}); a.status != 200 || made.Token == "" {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		if a := s.do("GET", made.URL, nil); a.status != 200 {
			t.Errorf("%s: %d", made.URL, a.status)
		}
		var e struct {
			Valid, There bool
			Findings     []struct{ Name, Text string }
		}
		s.admin(&e, "POST", "/links/explain", map[string]string{"url": made.URL})
		if !e.Valid || !e.There || len(e.Findings) < 3 {
			t.Errorf("%s: %+v", made.URL, e)
		}
		s.admin(&e, "POST", "/links/explain", map[string]string{"url": made.URL, "at": "2018-03-14T09:00:00Z"})
		if e.Valid {
			t.Errorf("%s an hour later: %+v", made.URL, e)
		}
		if s.clock.add(time.Hour + time.Minute); s.do("GET", made.URL, nil).status == 200 {
			t.Errorf("%s outlives its time", made.URL)
		}
		s.clock.add(-time.Hour - time.Minute)
	}
	var made signedLink
	s.admin(&made, "POST", "/links", map[string]any{"name": testApp + "-picture-1/", "permissions": "rl"})
	if a := s.do("GET", made.URL+"&restype=container&comp=list", nil); a.status != 200 {
		t.Errorf("%s: %d %s", made.URL, a.status, a.body)
	}
	for _, bad := range []map[string]any{{"name": ""}, {"name": "x/y"}, {"name": p.Name, "permissions": "wr"}, {"name": p.Name, "expiry": s.clock.Now()},
		{"name": p.Name, "expiry": s.clock.Now().Add(401 * 24 * time.Hour)}, {"name": "group1/x"}} {
		wantCode(t, s.admin(nil, "POST", "/links", bad), 400, "bad_request")
	}
	wantCode(t, s.admin(nil, "POST", "/links/explain", map[string]string{"url": p.URL, "ip": "x"}), 400, "bad_request")
}

func TestEventsAreKeptWithoutSecrets(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "photo.jpg")
	s.upload(photo)
	now := strconv.FormatInt(s.clock.Now().Unix(), 10)
	s.do("DELETE", publicURL+"/portrait"+qquery, nil, "app-key", testApp, "signature-time", now, "signature", sign.QStorageSignature("a guess", now),
		"account", "1607279", "Content-Type", "text/plain")
	s.save(saveParts(photo)...)
	s.do("GET", publicURL+"/"+testApp+"-x/y?sv=2016-05-31&sr=b&se=2030-01-01T00%3A00%3A00Z&sp=r&sig=AAAA", nil)
	var app appInfo
	s.admin(&app, "POST", "/apps", map[string]string{"key": "newapp"})
	s.admin(nil, "POST", "/pictures?app=newapp&resource=1", photo)
	var page struct {
		Events []Event
		Cursor string
	}
	s.admin(&page, "GET", "/audit", nil)
	var got []string
	for _, e := range page.Events {
		if e.From != "127.0.0.1" || !e.Time.Equal(s.clock.Now()) {
			t.Errorf("event %+v", e)
		}
		got = append(got, e.Event+" "+e.By+" "+e.App)
	}
	want := []string{"upload command newapp", "app-add command newapp", "refused sas ", "upload dfsapi " + dfsApp, "refused qstorage ", "upload qstorage " + testApp}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s.admin(&page, "GET", "/audit?event=upload&app="+dfsApp, nil)
	if len(page.Events) != 1 {
		t.Errorf("uploads of one application: %+v", page.Events)
	}
	wantCode(t, s.admin(nil, "GET", "/audit?event=x", nil), 400, "bad_request")
	data, err := os.ReadFile(s.dir + "/audit.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{app.Secret, testSecret, "sig=", "AAAA", sign.QStorageSignature("a guess", now)} {
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%q is in the audit log", secret)
		}
	}
}

func TestStatsTellWhatIsStoredAndDone(t *testing.T) {
	onDisk(t)
	s := newTestServer(t)
	s.upload(testPicture(t, "photo.jpg"))
	s.srv.history.sample()
	var stats struct {
		Ready   bool
		Durable store.Stats
		Disk    struct{ Free, Total int64 }
		History struct{ Requests, Uploads []int64 }
	}
	s.admin(&stats, "GET", "/stats", nil)
	if !stats.Ready || stats.Durable.Objects != 2 || stats.Disk.Free <= 0 || stats.Disk.Total < stats.Disk.Free ||
		!slices.Equal(stats.History.Uploads, []int64{1}) || !slices.Equal(stats.History.Requests, []int64{1}) {
		t.Errorf("stats: %+v", stats)
	}
}

func TestABackupIsSentWhole(t *testing.T) {
	onDisk(t)
	s := newTestServer(t)
	s.upload(testPicture(t, "photo.jpg"))
	a := s.admin(nil, "GET", "/backup", nil)
	if a.status != 200 || a.header.Get("Content-Type") != "application/x-tar" {
		t.Fatalf("backup: %d %v", a.status, a.header)
	}
	b, err := store.RestoreData(t.TempDir()+"/new", strings.NewReader(a.body), func(int64, int64) {})
	if err != nil || b.Pictures.Objects != 2 {
		t.Errorf("restored %+v, %v", b, err)
	}
	wantCode(t, s.admin(nil, "POST", "/restore", []byte(a.body)), 409, "conflict")
}

func TestSnippetsKeepTheSecretToThemselves(t *testing.T) {
	s := newTestServer(t)
	for _, language := range SnippetLanguages {
		a := s.admin(nil, "GET", "/snippets/"+language+"?app="+dfsApp, nil)
		if a.status != 200 || !strings.Contains(a.body, dfsApp) || !strings.Contains(a.body, publicURL) || strings.Contains(a.body, dfsSecret) {
			t.Errorf("%s: %d %s", language, a.status, a.body)
		}
	}
	if a := s.admin(nil, "GET", "/snippets/go", nil); !strings.Contains(a.body, dfsApp) {
		t.Errorf("the first application that dfsapi takes: %s", a.body)
	}
	wantCode(t, s.admin(nil, "GET", "/snippets/cobol", nil), 400, "bad_request")
	wantCode(t, s.admin(nil, "GET", "/snippets/go?app="+testApp, nil), 400, "bad_request") // too long a key
	wantCode(t, s.admin(nil, "GET", "/snippets/go?app=none", nil), 404, "not_found")
}
