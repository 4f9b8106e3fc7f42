package store

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func keyOf(name string) string { return string(appendKey(nil, name)) + nameEnd }

var safeKey = regexp.MustCompile(`^([A-Za-z0-9._-]{1,200}/)*[A-Za-z0-9._-]{1,200}$`)

func TestKeysAreSafeAndSortAsNames(t *testing.T) {
	for name, want := range map[string]string{
		"c/f/file_full.jpg":                     "c/f/file_5ffull.2ejpg-",
		"\x00c/a\x00":                           ".00c/a.00-",
		"AZaz":                                  "A41Zaz7a-",
		"//":                                    ".2f/.2f/-",
		"c/.":                                   "c/.2e-",
		"照":                                     "ze7z85za7-",
		strings.Repeat("x", longSegment) + "/y": strings.Repeat("x", longSegment) + "/.2f/y-",
		strings.Repeat("x", longSegment) + "y":  strings.Repeat("x", longSegment) + "/y-",
	} {
		if got := keyOf(name); got != want {
			t.Errorf("key of %q is %q, want %q", name, got, want)
		}
	}
}

func TestParseKeyRefusesOthers(t *testing.T) {
	for _, key := range []string{"", "a", ".-", ".2-", ".zz-", ".2F/a-", ".2fa-", "a//b-", "/a-", "A42-", "z-", "-a-", strings.Repeat("x", longSegment+1) + "-"} {
		if name, err := parseKey(key); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q is %q, %v", key, name, err)
		}
	}
}

func FuzzKeys(f *testing.F) {
	long := strings.Repeat("x", longSegment)
	for _, name := range []string{"c/f/a.jpg", "c/f", "c//f/", "照片/一", long, long + "/", long + "//z", "Az@[`{~\xff\x00"} {
		f.Add(name, "c/f/b", keyOf(name))
	}
	f.Fuzz(func(t *testing.T, a, b, key string) {
		ka, kb := keyOf(a), keyOf(b)
		if (a < b) != (ka < kb) {
			t.Errorf("%q, %q: keys %q, %q do not sort so", a, b, ka, kb)
		}
		if a != "" && !safeKey.MatchString(ka) {
			t.Errorf("%q: key %q", a, ka)
		}
		if got, err := parseKey(ka); err != nil || got != a {
			t.Errorf("%q: key %q is of %q, %v", a, ka, got, err)
		}
		if strings.HasPrefix(a, b) != strings.HasPrefix(ka, string(appendKey(nil, b))) {
			t.Errorf("%q begins with %q, or not, unlike key %q", a, b, ka)
		}
		if strings.HasPrefix(kb, ka+"/") {
			t.Errorf("key %q of %q is a directory of %q", ka, a, kb)
		}
		if name, err := parseKey(key); err == nil && keyOf(name) != key {
			t.Errorf("%q is a second key of %q", key, name)
		}
	})
}
