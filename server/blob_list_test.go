package server

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"tintype/store"
)

// page is a list as a client reads it.
type page struct {
	Blobs struct {
		Blob []struct {
			Name struct {
				Encoded bool   `xml:",attr"`
				Text    string `xml:",chardata"`
			}
			Properties struct {
				ContentLength int64  `xml:"Content-Length"`
				ContentType   string `xml:"Content-Type"`
				Etag          string
			}
			Metadata *struct {
				Any []struct {
					XMLName xml.Name
					Text    string `xml:",chardata"`
				} `xml:",any"`
			}
		}
		BlobPrefix []struct{ Name string }
	}
	NextMarker *string
}

func (s *testServer) list(query string) (page, answer) {
	s.t.Helper()
	a := s.do("GET", s.at("", "l")+"&restype=container&comp=list"+query, nil)
	var p page
	if a.status == 200 {
		if err := xml.Unmarshal([]byte(a.body), &p); err != nil {
			s.t.Fatalf("%v: %s", err, a.body)
		}
	}
	return p, a
}

// names are the blobs of a page, and its prefixes in brackets.
func (p page) names() string {
	var names []string
	for _, b := range p.Blobs.Blob {
		names = append(names, b.Name.Text)
	}
	for _, b := range p.Blobs.BlobPrefix {
		names = append(names, "["+b.Name+"]")
	}
	return strings.Join(names, " ")
}

func TestAListHasTheFormThatClientsNeed(t *testing.T) {
	s := newTestServer(t)
	s.putBlob("a.txt", "x", "x-ms-blob-content-type", "text/plain", "x-ms-meta-b", "<&>'\"", "x-ms-meta-a", "1", "x-ms-blob-cache-control", "no-store")
	s.stage("a.txt", "1", "x")
	s.seed("dir/b.jpg", "y")
	_, a := s.list("&prefix=&delimiter=%2F&include=metadata&maxresults=10")
	if a.header.Get("Content-Type") != "application/xml" {
		t.Errorf("type %q", a.header.Get("Content-Type"))
	}
	golden(t, "blob/list.xml", regexp.MustCompile(`0x[0-9A-F]{16}`).ReplaceAllString(a.body, "0xTAG")+"\n")
	s.data.Pictures.Apply(store.Change{Delete: []string{seedContainer + "/a.txt", seedContainer + "/dir/b.jpg"}})
	if _, a := s.list(""); !strings.HasSuffix(a.body, "<Blobs></Blobs><NextMarker></NextMarker></EnumerationResults>") {
		t.Errorf("empty: %s", a.body)
	}
}

func TestListsAreFoldedAndPaged(t *testing.T) {
	s := newTestServer(t)
	for _, name := range []string{"a", "b/1", "b/2", "b/c/3", "b0", "相/4", "z&<>"} {
		s.seed(name, name)
	}
	for query, want := range map[string]string{
		"":                            "a b/1 b/2 b/c/3 b0 z&<> 相/4",
		"&prefix=b":                   "b/1 b/2 b/c/3 b0",
		"&prefix=b%2F&delimiter=%2F":  "b/1 b/2 [b/c/]",
		"&delimiter=%2F":              "a b0 z&<> [b/] [相/]",
		"&delimiter=b":                "a z&<> 相/4 [b]",
		"&prefix=%E7%9B%B8":           "相/4",
		"&prefix=none":                "",
		"&include=metadata,snapshots": "a b/1 b/2 b/c/3 b0 z&<> 相/4",
	} {
		if p, a := s.list(query); p.names() != want {
			t.Errorf("%q: %q, want %q: %s", query, p.names(), want, a.body)
		}
		for size := 1; size < 8; size++ {
			var got []string
			marker := ""
			for range 10 {
				p, a := s.list(fmt.Sprintf("%s&maxresults=%d%s", query, size, marker))
				if n := p.names(); n != "" {
					got = append(got, n)
				}
				if p.NextMarker == nil {
					t.Fatalf("no marker: %s", a.body)
				}
				if *p.NextMarker == "" {
					break
				}
				if len(p.Blobs.Blob)+len(p.Blobs.BlobPrefix) != size {
					t.Errorf("%q: a page of %d has %q", query, size, p.names())
				}
				marker = "&marker=" + *p.NextMarker
			}
			// blobs and prefixes of one page are told apart, so that only sets compare
			if a, b := sorted(strings.Join(got, " ")), sorted(want); a != b {
				t.Errorf("%q in pages of %d: %q, want %q", query, size, a, b)
			}
		}
	}
}

func sorted(words string) string { return fmt.Sprint(wordSet(words)) }

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

func TestALongListIsCut(t *testing.T) {
	s := newTestServer(t)
	metadata := map[string]string{"x-ms-meta-k": strings.Repeat(`"`, 8000)}
	var items []store.Item
	for i := range 400 {
		items = append(items, store.Item{Object: store.Object{Name: fmt.Sprintf("%s/%03d", seedContainer, i), Attributes: metadata}, Body: strings.NewReader("x")})
	}
	s.put(items...)
	n, marker := 0, ""
	for pages := range 10 {
		p, a := s.list("&include=metadata" + marker)
		n += len(p.Blobs.Blob)
		if len(a.body) > maxListText+100_000 {
			t.Errorf("a page of %d bytes", len(a.body))
		}
		if *p.NextMarker == "" {
			if n != 400 || pages < 2 {
				t.Errorf("%d blobs on %d pages", n, pages+1)
			}
			return
		}
		marker = "&marker=" + *p.NextMarker
	}
	t.Error("the list has no end")
}

func TestNamesThatXMLCannotCarryAreEncoded(t *testing.T) {
	s := newTestServer(t)
	for _, name := range []string{"bell\ax", "line\nx", "return\rx", "\uffffx", "q\"'x"} {
		s.seed(name, name)
	}
	p, a := s.list("")
	got := make(map[string]bool)
	for _, b := range p.Blobs.Blob {
		got[fmt.Sprintf("%v %s", b.Name.Encoded, b.Name.Text)] = true
	}
	for _, want := range []string{"true bell%07x", "true line%0Ax", "true return%0Dx", "true %EF%BF%BFx", `false q"'x`} {
		if !got[want] {
			t.Errorf("no %q in %v", want, got)
		}
	}
	if strings.Contains(a.body, "&#") {
		t.Errorf("a numeric entity: %s", a.body)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	s := newTestServer(t)
	s.seed("a", "x")
	for query, want := range map[string]string{
		"&maxresults=0":                 "400 OutOfRangeQueryParameterValue",
		"&maxresults=-1":                "400 OutOfRangeQueryParameterValue",
		"&maxresults=x":                 "400 OutOfRangeQueryParameterValue",
		"&maxresults=5001":              "200 ",
		"&maxresults=99999999999999999": "200 ",
		"&marker=%21":                   "400 InvalidQueryParameterValue",
		"&prefix=a&prefix=b":            "400 InvalidQueryParameterValue",
		"&prefix=%ff%00":                "200 ",
	} {
		if _, a := s.list(query); fmt.Sprintf("%d %s", a.status, a.code()) != want {
			t.Errorf("%s: %d %s, want %s", query, a.status, a.code(), want)
		}
	}
}
