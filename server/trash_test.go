package server

import (
	"testing"
)

// What a client can name comes back under that name, and can be removed for good.
func TestEveryNameIsRestoredAsItWas(t *testing.T) {
	s := newTestServer(t)
	trash := func() (page struct{ Pictures []Trashed }) {
		s.admin(&page, "GET", "/trash", nil)
		return page
	}
	each := func(verb string, paths []string) {
		t.Helper()
		var results struct{ Results []pathResult }
		s.admin(&results, "POST", "/trash/"+verb, map[string]any{"paths": paths})
		for _, r := range results.Results {
			if r.Error != "" || r.Files != 1 {
				t.Errorf("%s: %+v", verb, r)
			}
		}
	}
	for _, name := range []string{
		testApp + "-a/f", testApp + "-a//f", testApp + "-a/f/", testApp + "-a/f//", testApp + "-a///", testApp + "-a/f/f", testApp + "-a/f/f_full.jpg", testApp + "-a/f/f_other.jpg",
		testApp + "-a/.0123456789abc/f", testApp + "-a/x.0123456789abc/f", testApp + "-a/x.0123456789abc/x.0123456789abc_full.jpg", testApp + "-a/x.0123456789abc/",
		testApp + "-a/f.0123456789abc", testApp + "-a/\n/\x7f é", testApp + "-a/delete-/delete-f", "group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg",
	} {
		for _, text := range []string{"first", "second"} { // of which the second gets a suffix
			if a := s.admin(nil, "PUT", "/picture"+nameQuery(name), []byte(text)); a.status != 201 {
				t.Fatalf("put %q: %d %s", name, a.status, a.body)
			}
			if a := s.admin(nil, "DELETE", "/picture"+nameQuery(name), nil); a.status != 204 {
				t.Fatalf("delete %q: %d %s", name, a.status, a.body)
			}
		}
		page := trash()
		if len(page.Pictures) != 2 {
			t.Errorf("%q: the trash has %+v", name, page)
			continue
		}
		for _, p := range page.Pictures {
			want := s.admin(nil, "GET", "/picture/content"+nameQuery(p.Name), nil).body
			each("restore", []string{p.Path})
			if a := s.admin(nil, "GET", "/picture/content"+nameQuery(name), nil); a.status != 200 || a.body != want {
				t.Errorf("%q of %q: %d %q, want %q", name, p.Path, a.status, a.body, want)
			}
			s.admin(nil, "DELETE", "/picture"+nameQuery(name), nil)
		}
		var paths []string
		for _, p := range trash().Pictures {
			paths = append(paths, p.Path)
		}
		each("purge", paths)
		if n, err := s.data.Pictures.Stats(); n.Objects != 0 || err != nil {
			t.Fatalf("%q: %d objects are left, %v", name, n.Objects, err)
		}
	}
}
