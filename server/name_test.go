package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestNamesThatURLsCanHave(t *testing.T) {
	for name, ok := range map[string]bool{
		"abc/a.jpg": true, "abc/a//b": true, "abc/a%2Fb ?#+ü": true, "abc/a/": true, "abc/a:b": true,
		"abc": false, "abc/": false, "/abc/a": false, "ab/c": false, "Abc/c": false, "abc/../d": false, "abc/./d": false, `abc/a\b`: false, "account/abc/b": false,
		"api/a": false, "console/a": false, "delete-abc/a": false, "abc/" + strings.Repeat("x", 1025): false, "abc/\xff": false, "abc/a\x00": false,
		"group1/M00/00/00/rBALdGsDBleAYSXFAAALzPKPJn8967.jpg": true, "group1/a": false,
	} {
		err := CheckName(name, "account")
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNamesOfURLs(t *testing.T) {
	for link, want := range map[string]string{
		"http://h/abc/a%20b.jpg?sv=1#x":         "abc/a b.jpg",
		"https://account.h:1/abc/a":             "abc/a",
		"http://h/account/abc/a":                "abc/a",
		"http://h/group1/M00/00/00/x.jpg?token": "group1/M00/00/00/x.jpg",
		"http://h/abc":                          "",
		"http://h":                              "",
		"http://h/abc/%zz":                      "",
	} {
		if got, err := NameOf(link, "account"); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", link, got, err)
		}
	}
}

// A name that passes is that of its URL, and a server reads it out of a request as it is.
func FuzzCheckName(f *testing.F) {
	f.Add("abc/a b/ü?%2F.jpg")
	f.Add("group1/M00/00/00/rBALdGsDBleAYSXFAAALzPKPJn8967.jpg")
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name, "account") != nil {
			return
		}
		req, err := http.NewRequest("GET", "http://h"+(&url.URL{Path: "/" + name}).EscapedPath(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := NameOf(req.URL.String(), "account"); err != nil || got != name {
			t.Errorf("%q became %q, %v", name, got, err)
		}
	})
}
