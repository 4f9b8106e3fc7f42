package server

import (
	"strings"
	"sync/atomic"
	"testing"
)

// TestALinkEndsWithTheSecretItWasCheckedWith reads links until they are kept, then takes
// away what they were signed with: not one more read is answered.
func TestALinkEndsWithTheSecretItWasCheckedWith(t *testing.T) {
	var now atomic.Pointer[Secrets]
	set := func(tokenSecret string, keys ...string) {
		next := &Secrets{TokenSecret: tokenSecret}
		for _, key := range keys {
			next.AccountKeys = append(next.AccountKeys, []byte(key))
		}
		now.Store(next)
	}
	set("link secret", accountKey)
	s := newTestServer(t, func(c *Config) { c.Secrets = now.Load })
	photo := testPicture(t, "landscape_1.jpg")
	link := field0(t, s.save(saveParts(photo)...), "url")
	sas := s.at("a.txt", "rcw")
	if a := s.do("PUT", sas, strings.NewReader("text"), "x-ms-blob-type", "BlockBlob"); a.status != 201 {
		t.Fatalf("PUT: %d %s", a.status, a.body)
	}
	mustBe := func(when string, ofLink, ofSAS int) {
		t.Helper()
		for range 2 { // checked, then kept
			a, b := s.do("GET", link, nil), s.do("GET", sas, nil)
			if a.status != ofLink || b.status != ofSAS {
				t.Errorf("%s: link %d, want %d; token %d, want %d", when, a.status, ofLink, b.status, ofSAS)
			}
			s.srv.grants.links.Wait()
		}
	}
	mustBe("at first", 200, 200)
	set("link secret", "a new key", accountKey)
	mustBe("with the key as the previous one", 200, 200)
	set("another secret", "a new key")
	mustBe("without them", 400, 403)
	set("", accountKey)
	mustBe("with the key again, and links for all", 200, 200)
}
