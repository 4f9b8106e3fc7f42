package command

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// azureFake is a container of a Blob service, with pages of three blobs.
type azureFake struct {
	t     *testing.T
	blobs []azureFakeBlob
	gets  atomic.Int64
	fails atomic.Int64 // so many requests are answered 503
}

type azureFakeBlob struct {
	name, data, mediaType, more string // more: XML in Properties
	metadata                    string // XML
	sum                         string // base64; "": that of data
	changed                     bool   // since it was listed
}

func (f *azureFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case f.fails.Add(-1) >= 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	case q.Get("sig") != "s/ecret=" || r.Header.Get("x-ms-version") == "":
		w.Header().Set("x-ms-error-code", "AuthenticationFailed")
		w.WriteHeader(http.StatusForbidden)
	case q.Get("comp") == "list":
		f.list(w, q.Get("marker"))
	default:
		f.gets.Add(1)
		f.get(w, r)
	}
}

func (f *azureFake) list(w http.ResponseWriter, marker string) {
	fmt.Fprint(w, "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>")
	from, _ := strconv.Atoi(strings.TrimPrefix(marker, "&#"))
	to := min(from+3, len(f.blobs))
	for _, b := range f.blobs[from:to] {
		sum := b.sum
		if sum == "" {
			s := md5.Sum([]byte(b.data))
			sum = base64.StdEncoding.EncodeToString(s[:])
		}
		name := "<Name>" + html.EscapeString(b.name) + "</Name>"
		if strings.Contains(b.name, "\x01") {
			name = `<Name Encoded="true">` + strings.ReplaceAll(b.name, "\x01", "%01") + "</Name>"
		}
		fmt.Fprintf(w, "<Blob>%s<Properties><Creation-Time>Tue, 06 Jan 2015 08:00:00 GMT</Creation-Time><Last-Modified>Wed, 07 Jan 2015 08:00:00 GMT</Last-Modified>"+
			"<Etag>0x1</Etag><Content-Length>%d</Content-Length><Content-Type>%s</Content-Type><Content-MD5>%s</Content-MD5>%s</Properties><Metadata>%s</Metadata></Blob>",
			name, len(b.data), b.mediaType, sum, b.more, b.metadata)
	}
	next := ""
	if to < len(f.blobs) {
		next = html.EscapeString(fmt.Sprint("&#", to)) // which is to come back as it is
	}
	fmt.Fprintf(w, "</Blobs><NextMarker>%s</NextMarker></EnumerationResults>", next)
}

func (f *azureFake) get(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.URL.Path, "/account/photos/")
	for _, b := range f.blobs {
		if b.name != name {
			continue
		}
		if b.changed || r.Header.Get("If-Match") != `"0x1"` {
			w.Header().Set("x-ms-error-code", "ConditionNotMet")
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Write([]byte(b.data))
		return
	}
	f.t.Errorf("GET %s", r.URL.Path)
}

func TestImportOfAnAzureContainer(t *testing.T) {
	pic := string(uniquePicture())
	f := &azureFake{t: t, blobs: []azureFakeBlob{
		{name: "a.jpg", data: pic, mediaType: "image/jpeg", metadata: "<Author>so &amp; so</Author>"},
		{name: "b &<>?#%.txt", data: "text", mediaType: "text/x-own", more: "<Cache-Control>max-age=5</Cache-Control>"},
		{name: "changed", data: "1", changed: true},
		{name: "damaged", data: "2", sum: base64.StdEncoding.EncodeToString(make([]byte, 16))},
		{name: "dir", metadata: "<hdi_isfolder>true</hdi_isfolder>"},
		{name: "dir/c", data: "", mediaType: "application/octet-stream"},
		{name: "e/\x01", data: "3"},
		{name: "x/../y", data: "4"},
	}}
	f.fails.Store(1)
	srv := httptest.NewServer(f)
	defer srv.Close()
	link := srv.URL + "/account/photos?sv=2021-12-02&sr=c&sp=rl&sig=s%2Fecret%3D"
	dir := t.TempDir()
	p := startServer(t, dir, killArgs...)
	defer p.stop()
	s := &shell{t: t, where: []string{"--data", dir}}

	if r := s.do(1, "import", "azure", link, "--container", killApp+"-blobs", "--json", "--dry-run"); f.gets.Load() != 0 || r.imported(t).Imported != 6 {
		t.Errorf("dry run: %s%s, %d reads", r.out, r.stderr, f.gets.Load())
	}
	r := s.do(1, "import", "azure", link, "--container", killApp+"-blobs", "--json")
	done := r.imported(t)
	if done.Imported != 4 || done.Refused != 3 || done.Passed["directories"] != 1 {
		t.Errorf("import: %+v\n%s", done, r.stderr)
	}
	for _, why := range []string{"changed: it was changed while it was read", "damaged: damaged: the bytes have not the MD5", "x/../y: no URL can have the name: clients take"} {
		if !strings.Contains(r.stderr, "refused: "+why) {
			t.Errorf("no %q in\n%s", why, r.stderr)
		}
	}
	if strings.Contains(r.stderr+r.out, "ecret") {
		t.Errorf("the token is told: %s", r.stderr)
	}
	get := func(name string) *http.Response {
		resp, err := http.Get(p.url + "/" + killApp + "-blobs/" + name + killToken())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if h := get("a.jpg").Header; h.Get("x-ms-meta-author") != "so & so" || h.Get("x-ms-creation-time") != "Tue, 06 Jan 2015 08:00:00 GMT" || h.Get("Content-Type") != "image/jpeg" {
		t.Errorf("a.jpg: %v", h)
	}
	if h := get("b%20&%3C%3E%3F%23%25.txt").Header; h.Get("Content-Type") != "text/x-own" || h.Get("Cache-Control") != "max-age=5" {
		t.Errorf("b: %v", h)
	}
	var told picture
	json.Unmarshal([]byte(s.do(0, "ls", "--json", killApp+"-blobs/e/").out), &told)
	if told.Name != killApp+"-blobs/e/\x01" || !told.Created.Equal(time.Date(2015, 1, 6, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("e: %+v", told)
	}

	// again: what has the MD5 that the list tells is not read
	before := f.gets.Load()
	if r := s.do(1, "import", "azure", link, "--container", killApp+"-blobs", "--json").imported(t); r.There != 4 || r.Imported != 0 || r.Refused != 3 {
		t.Errorf("again: %+v", r)
	}
	if n := f.gets.Load() - before; n != 2 {
		t.Errorf("%d blobs were read again", n)
	}
	if r := s.do(1, "import", "azure", strings.Replace(link, "ecret", "x", 1), "--container", killApp+"-blobs"); !strings.Contains(r.stderr, "AuthenticationFailed: the SAS must") {
		t.Errorf("a wrong SAS: %s", r.stderr)
	}
}

func TestTheTokenOfASourceIsNotTold(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	c, name, err := parseAzure(srv.URL + "/account/photos/?sv=1&sig=secret")
	if err != nil || name != "photos" {
		t.Fatal(name, err)
	}
	srv.Close()
	if _, err := c.list(context.Background(), ""); err == nil || strings.Contains(err.Error(), "secret") || !passes(err) {
		t.Errorf("of a server that is gone: %v", err)
	}
}
