package sign

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	testKey      = []byte("a public test key, not a secret")
	testResource = Resource{"acct", "cont", "folder/file.jpg"}
	testNow      = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// testToken is good at testNow, for testResource and need "r".
func testToken() Token {
	return Token{
		Version: QStorageVersion, Kind: "c", Permissions: "r",
		Start: "2026-01-02T03:00:00Z", Expiry: "2026-01-02T03:30:00Z",
	}
}

func testCheck() Check {
	return Check{
		Keys: [][]byte{testKey}, Resource: testResource, Now: testNow, IP: netip.MustParseAddr("192.0.2.7"), Need: "r",
	}
}

func TestParseToken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		query string
		want  Token
		err   error
	}{
		{"a plus is a space", "sig=x&rscd=a+b", Token{Signature: "x", ContentDisposition: "a b"}, nil},
		{"but not in sig, where it was a plus", "sig=a+b%20c", Token{Signature: "a+b+c"}, nil},
		{"escapes are decoded once, in either letter case", "sig=%4a%4A&rsct=%2541", Token{Signature: "JJ", ContentType: "%41"}, nil},
		{"broken escapes stay", "sig=%zz%4z%z4%4&sp=%", Token{Signature: "%zz%4z%z4%4", Permissions: "%"}, nil},
		{"a name may be escaped", "s%69g=x&%73p=r", Token{Signature: "x", Permissions: "r"}, nil},
		{"unknown names are ignored, repeated or not", "sig=x&foo=1&foo=2&_=3&&=&timeout", Token{Signature: "x"}, nil},
		{"names are case-sensitive", "sig=x&SP=r&Sig=y", Token{Signature: "x"}, nil},
		{"empty is absent", "sig=x&si=&st", Token{Signature: "x"}, nil},
		{"a semicolon separates nothing", "sig=x;sp=r", Token{Signature: "x;sp=r"}, nil},
		{"a value may hold an equals sign", "sig=x=", Token{Signature: "x="}, nil},
		{"no query is no token", "", Token{}, ErrNoToken},
		{"no sig is no token", "sv=2016-05-31&sp=r", Token{}, ErrNoToken},
		{"an empty sig is no token", "sv=2016-05-31&sig=", Token{}, ErrNoToken},
		{"twice the same is twice", "sig=x&sp=r&sp=r", Token{}, ErrDuplicate},
		{"an empty one counts, before", "sig=x&sp=&sp=r", Token{}, ErrDuplicate},
		{"an empty one counts, after", "sig=x&sp=r&sp", Token{}, ErrDuplicate},
		{"twice in other writing is twice", "sig=x&sp=r&s%70=w", Token{}, ErrDuplicate},
		{"twice is told before no sig", "sp=r&sp=r", Token{}, ErrDuplicate},
	} {
		got, err := ParseToken(tt.query)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	for _, f := range (&Token{}).fields() {
		if _, err := ParseToken("sig=x&" + f.name + "=a&" + f.name + "=a"); !errors.Is(err, ErrDuplicate) {
			t.Errorf("%s twice: got %v, want %v", f.name, err, ErrDuplicate)
		}
	}
}

// TestVerify changes a good token and signs it again: what is refused is refused for its own sake.
func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Token, *Check)
		want   error
	}{
		{"a good token passes", func(*Token, *Check) {}, nil},
		{"any one needed letter suffices", func(k *Token, c *Check) { k.Permissions, c.Need = "c", "wc" }, nil},
		{"every letter in its order is well formed", func(k *Token, _ *Check) { k.Permissions = "racwdxyltmeopif" }, nil},
		{"without a start it has begun", func(k *Token, _ *Check) { k.Start = "" }, nil},
		{"a start 300 s ahead passes", func(k *Token, _ *Check) { k.Start = "2026-01-02T03:09:05Z" }, nil},
		{"the expiry itself is inside", func(k *Token, _ *Check) { k.Expiry = "2026-01-02T03:04:05Z" }, nil},
		{"an offset is honoured", func(k *Token, _ *Check) { k.Expiry = "2026-01-02T11:04:05+08:00" }, nil},
		{"https,http takes both", func(k *Token, _ *Check) { k.Protocol = "https,http" }, nil},
		{"https takes https", func(k *Token, c *Check) { k.Protocol, c.HTTPS = "https", true }, nil},
		{"an address is inside itself", func(k *Token, _ *Check) { k.Addresses = "192.0.2.7" }, nil},
		{"the first address is inside", func(k *Token, _ *Check) { k.Addresses = "192.0.2.7-192.0.2.9" }, nil},
		{"the last address is inside", func(k *Token, _ *Check) { k.Addresses = "192.0.2.1-192.0.2.7" }, nil},
		{"an IPv4 client of an IPv6 socket is itself", func(k *Token, c *Check) {
			k.Addresses, c.IP = "192.0.2.7", netip.MustParseAddr("::ffff:192.0.2.7")
		}, nil},
		{"IPv6 works too", func(k *Token, c *Check) {
			k.Addresses, c.IP = "2001:db8::-2001:db8::f", netip.MustParseAddr("2001:db8::e")
		}, nil},
		{"the key before the last rotation is good", func(_ *Token, c *Check) { c.Keys = [][]byte{[]byte("new"), testKey} }, nil},
		{"a signed reply header passes", func(k *Token, _ *Check) { k.ContentType = "image/png" }, nil},

		{"no version", func(k *Token, _ *Check) { k.Version = "" }, ErrMalformed},
		{"a version that is no date", func(k *Token, _ *Check) { k.Version = "2016-05-3x" }, ErrMalformed},
		{"a version with something behind", func(k *Token, _ *Check) { k.Version = "2016-05-310" }, ErrMalformed},
		{"a version with other separators", func(k *Token, _ *Check) { k.Version = "2016/05/31" }, ErrMalformed},
		{"a version before sv was signed", func(k *Token, _ *Check) { k.Version = "2011-08-18" }, ErrMalformed},
		{"a snapshot", func(k *Token, _ *Check) { k.Kind = "bs" }, ErrMalformed},
		{"a directory", func(k *Token, _ *Check) { k.Kind = "d" }, ErrMalformed},
		{"a line break in a field", func(k *Token, _ *Check) { k.Start = "a\nb" }, ErrMalformed},
		{"a line break in the blob of a blob token", func(k *Token, c *Check) { k.Kind, c.Resource.Blob = "b", "a\nb" }, ErrMalformed},
		{"a slash in the container", func(_ *Token, c *Check) { c.Resource.Container = "cont/folder" }, ErrMalformed},
		{"no account", func(_ *Token, c *Check) { c.Resource.Account = "" }, ErrMalformed},
		{"rsct before it was signed", func(k *Token, _ *Check) { k.Version, k.ContentType = "2012-02-12", "text/html" }, ErrMalformed},
		{"sip before it was signed", func(k *Token, _ *Check) { k.Version, k.Addresses = "2015-02-21", "192.0.2.7" }, ErrMalformed},
		{"spr before it was signed", func(k *Token, _ *Check) { k.Version, k.Protocol = "2015-02-21", "https,http" }, ErrMalformed},
		{"snapshot before it was signed", func(k *Token, _ *Check) { k.Version, k.Snapshot = "2018-03-28", "x" }, ErrMalformed},
		{"ses before it was signed", func(k *Token, _ *Check) { k.Version, k.Scope = "2020-10-02", "x" }, ErrMalformed},

		{"another key", func(_ *Token, c *Check) { c.Keys = [][]byte{[]byte("other")} }, ErrSignature},
		{"no key", func(_ *Token, c *Check) { c.Keys = nil }, ErrSignature},
		{"a container whose name begins alike", func(_ *Token, c *Check) { c.Resource.Container = "con" }, ErrSignature},
		{"another account", func(_ *Token, c *Check) { c.Resource.Account = "acct2" }, ErrSignature},
		{"a blob token for another blob", func(k *Token, c *Check) { k.Kind, c.Resource.Blob = "b", "folder/file.jpg/" }, ErrSignature},
		{"a blob token for its container", func(k *Token, c *Check) { k.Kind, c.Resource.Blob = "b", "" }, ErrMalformed},

		{"a policy", func(k *Token, _ *Check) { k.Policy = "p" }, ErrPolicy},
		{"no permissions", func(k *Token, _ *Check) { k.Permissions = "" }, ErrPermissionSyntax},
		{"letters out of order", func(k *Token, _ *Check) { k.Permissions = "wr" }, ErrPermissionSyntax},
		{"a letter twice", func(k *Token, _ *Check) { k.Permissions = "rr" }, ErrPermissionSyntax},
		{"an unknown letter", func(k *Token, _ *Check) { k.Permissions = "rz" }, ErrPermissionSyntax},
		{"an upper-case letter", func(k *Token, _ *Check) { k.Permissions = "R" }, ErrPermissionSyntax},

		{"no expiry", func(k *Token, _ *Check) { k.Expiry = "" }, ErrTime},
		{"an expiry in words", func(k *Token, _ *Check) { k.Expiry = "tomorrow" }, ErrTime},
		{"a start in words", func(k *Token, _ *Check) { k.Start = "now" }, ErrTime},
		{"one second past the expiry", func(k *Token, _ *Check) { k.Expiry = "2026-01-02T03:04:04Z" }, ErrTime},
		{"a tick past the expiry", func(k *Token, c *Check) { k.Expiry, c.Now = "2026-01-02T03:04:05Z", testNow.Add(1) }, ErrTime},
		{"a start 301 s ahead", func(k *Token, _ *Check) { k.Start = "2026-01-02T03:09:06Z" }, ErrTime},
		{"an expiry at the start", func(k *Token, _ *Check) { k.Start, k.Expiry = "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z" }, ErrTime},
		{"an expiry before the start, now between", func(k *Token, _ *Check) {
			k.Start, k.Expiry = "2026-01-02T03:08:00Z", "2026-01-02T03:06:00Z"
		}, ErrTime},

		{"another address", func(k *Token, _ *Check) { k.Addresses = "192.0.2.8" }, ErrIP},
		{"an address below the range", func(k *Token, _ *Check) { k.Addresses = "192.0.2.8-192.0.2.9" }, ErrIP},
		{"an address above the range", func(k *Token, _ *Check) { k.Addresses = "192.0.2.1-192.0.2.6" }, ErrIP},
		{"a range that runs backwards", func(k *Token, _ *Check) { k.Addresses = "192.0.2.9-192.0.2.1" }, ErrIP},
		{"a range over two families", func(k *Token, _ *Check) { k.Addresses = "192.0.2.1-2001:db8::" }, ErrIP},
		{"a range of the other family", func(k *Token, _ *Check) { k.Addresses = "::-ffff::" }, ErrIP},
		{"a range that cannot be read", func(k *Token, _ *Check) { k.Addresses = "192.0.2.0/24" }, ErrIP},
		{"an unknown client", func(k *Token, c *Check) { k.Addresses, c.IP = "192.0.2.7", netip.Addr{} }, ErrIP},

		{"https over http", func(k *Token, _ *Check) { k.Protocol = "https" }, ErrProtocol},
		{"http alone", func(k *Token, _ *Check) { k.Protocol = "http" }, ErrProtocol},
		{"http,https", func(k *Token, c *Check) { k.Protocol, c.HTTPS = "http,https", true }, ErrProtocol},

		{"a letter that is missing", func(_ *Token, c *Check) { c.Need = "w" }, ErrPermission},
		{"append does not permit a put", func(k *Token, c *Check) { k.Permissions, c.Need = "a", "wc" }, ErrPermission},
		{"nothing permits what no letter permits", func(k *Token, c *Check) { k.Permissions, c.Need = permissionOrder, "" }, ErrPermission},

		{"CR in a reply header", func(k *Token, _ *Check) { k.CacheControl = "a\rb" }, ErrOverride},
		{"LF in a reply header", func(k *Token, _ *Check) { k.ContentDisposition = "a\nb" }, ErrOverride},
		{"NUL in a reply header", func(k *Token, _ *Check) { k.ContentType = "a\x00b" }, ErrOverride},
	} {
		token, c := testToken(), testCheck()
		tt.change(&token, &c)
		r := c.Resource
		if tt.want == ErrSignature {
			r = testResource // signed for this, asked for another
		}
		token = signed(testKey, r, token)
		err := token.Verify(c)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if e := ExplainSAS(token.Query(), c); e.Valid != (err == nil) && (c.IP.IsValid() || token.Addresses == "") {
			t.Errorf("%s: explained as valid=%v, verified as %v", tt.name, e.Valid, err)
		}
	}
}

// TestVerifyOrder mends a token that is wrong in every way, one fault at a time.
func TestVerifyOrder(t *testing.T) {
	token := Token{
		Version: "hello", Kind: "c", Policy: "p", Permissions: "wr", Expiry: "2025-01-01", Addresses: "10.0.0.1",
		Protocol: "https", ContentType: "a\nb",
	}
	c := testCheck()
	c.Need = "d"
	for _, fault := range []struct {
		want error
		mend func()
	}{
		{ErrMalformed, func() { token.Version = QStorageVersion }},
		{ErrMalformed, func() { token.Signature = testTokenSignature }}, // the signature was empty: not base64 of 32 bytes
		{ErrSignature, func() { token = signed(testKey, testResource, token) }},
		{ErrPolicy, func() { token.Policy = "" }},
		{ErrPermissionSyntax, func() { token.Permissions = "rw" }},
		{ErrTime, func() { token.Expiry = "2027-01-01" }},
		{ErrIP, func() { token.Addresses = "" }},
		{ErrProtocol, func() { token.Protocol = "" }},
		{ErrPermission, func() { token.Permissions = "rd" }},
		{ErrOverride, func() { token.ContentType = "" }},
		{nil, func() {}},
	} {
		if err := token.Verify(c); !errors.Is(err, fault.want) {
			t.Errorf("got %v, want %v", err, fault.want)
		}
		fault.mend()
		if fault.want != ErrMalformed {
			token = signed(testKey, testResource, token)
		}
	}
}

const testTokenSignature = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func TestSignatureMustBeCanonicalBase64(t *testing.T) {
	token := testToken()
	token.Permissions = "rw" // a signature with both + and / in it
	token = signed(testKey, testResource, token)
	good := token.Signature
	for _, tt := range []struct{ name, sig string }{
		{"without padding", strings.TrimSuffix(good, "=")},
		{"with other bits before the padding", good[:42] + string(good[42]+1) + "="},
		{"in the URL alphabet", strings.NewReplacer("+", "-", "/", "_").Replace(good)},
		{"with a line break inside", good[:20] + "\n" + good[20:]},
		{"with a carriage return inside", good[:20] + "\r" + good[20:]},
		{"with a line break for the padding", good[:43] + "\n"},
		{"in hex", strings.Repeat("ab", 32)},
		{"of 31 bytes", testTokenSignature[:40] + "AA=="},
		{"empty", ""},
	} {
		token.Signature = tt.sig
		if err := token.Verify(testCheck()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want %v", tt.name, err, ErrMalformed)
		}
	}
}

// TestTextsOfTheVersions holds the versions that no SDK writes any more, and the first of each layout.
func TestTextsOfTheVersions(t *testing.T) {
	token := Token{
		Kind: "b", Start: "st", Expiry: "se", Permissions: "sp", Policy: "si", Addresses: "sip", Protocol: "spr", Scope: "ses",
		Snapshot: "snapshot", CacheControl: "cc", ContentDisposition: "cd", ContentEncoding: "ce", ContentLanguage: "cl", ContentType: "ct",
	}
	for version, want := range map[string]string{
		"2012-02-12": "sp st se /a/c/b si 2012-02-12",
		"2013-08-14": "sp st se /a/c/b si 2013-08-14",
		"2013-08-15": "sp st se /a/c/b si 2013-08-15 cc cd ce cl ct",
		"2014-02-14": "sp st se /a/c/b si 2014-02-14 cc cd ce cl ct",
		"2015-02-21": "sp st se /blob/a/c/b si 2015-02-21 cc cd ce cl ct",
		"2015-04-05": "sp st se /blob/a/c/b si sip spr 2015-04-05 cc cd ce cl ct",
		"2018-03-28": "sp st se /blob/a/c/b si sip spr 2018-03-28 cc cd ce cl ct",
		"2018-11-09": "sp st se /blob/a/c/b si sip spr 2018-11-09 b snapshot cc cd ce cl ct",
		"2020-10-02": "sp st se /blob/a/c/b si sip spr 2020-10-02 b snapshot cc cd ce cl ct",
		"2020-12-06": "sp st se /blob/a/c/b si sip spr 2020-12-06 b snapshot ses cc cd ce cl ct",
	} {
		token.Version = version
		if got := strings.ReplaceAll(token.StringToSign(Resource{"a", "c", "b"}), "\n", " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", version, got, want)
		}
	}
}

func TestAnEmptyKeyNeverVerifies(t *testing.T) {
	token := signed(nil, testResource, testToken())
	c := testCheck()
	c.Keys = [][]byte{nil, {}}
	if err := token.Verify(c); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v, want %v", err, ErrSignature)
	}
}

func TestIssue(t *testing.T) {
	container := Resource{Account: "acct", Container: "cont"}
	for _, tt := range []struct {
		name  string
		r     Resource
		token Token
		want  error
	}{
		{"a container token", container, Token{Permissions: "r", Expiry: "2026-01-02T03:30:00Z"}, nil},
		{"a blob token", testResource, Token{Permissions: "rw", Expiry: "2026-01-02"}, nil},
		{"https and an address", container, Token{Permissions: "r", Expiry: "2026-01-02", Protocol: "https", Addresses: "::1"}, nil},
		{"another version", container, Token{Version: "2026-04-06", Permissions: "racwdl", Expiry: "2026-01-02"}, nil},
		{"a version in words", container, Token{Version: "new", Permissions: "r", Expiry: "2026-01-02"}, ErrMalformed},
		{"a blob token without a blob", container, Token{Kind: "b", Permissions: "r", Expiry: "2026-01-02"}, ErrMalformed},
		{"an address before it is signed", container,
			Token{Version: "2013-08-15", Permissions: "r", Expiry: "2026-01-02", Addresses: "::1"}, ErrMalformed},
		{"no expiry", container, Token{Permissions: "r"}, ErrTime},
		{"an expiry at the start", container, Token{Permissions: "r", Start: "2026-01-02", Expiry: "2026-01-02"}, ErrTime},
		{"no permissions", container, Token{Expiry: "2026-01-02"}, ErrPermissionSyntax},
		{"http alone", container, Token{Permissions: "r", Expiry: "2026-01-02", Protocol: "http"}, ErrProtocol},
		{"half a range", container, Token{Permissions: "r", Expiry: "2026-01-02", Addresses: "10.0.0.1-"}, ErrIP},
		{"a policy", container, Token{Permissions: "r", Expiry: "2026-01-02", Policy: "p"}, ErrPolicy},
		{"a line break in a reply header", container, Token{Permissions: "r", Expiry: "2026-01-02", ContentType: "\r"}, ErrOverride},
	} {
		got, err := Issue(testKey, tt.r, tt.token)
		if !errors.Is(err, tt.want) || err != nil && got != (Token{}) {
			t.Errorf("%s: got %+v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	if _, err := Issue(nil, container, Token{Permissions: "r", Expiry: "2026-01-02"}); !errors.Is(err, ErrKey) {
		t.Errorf("no key: got %v, want %v", err, ErrKey)
	}
}

func BenchmarkVerify(b *testing.B) {
	query := signed(testKey, testResource, testToken()).Query()
	c := testCheck()
	b.ReportAllocs()
	for b.Loop() {
		if err := parseAndVerify(query, c); err != nil {
			b.Fatal(err)
		}
	}
}
