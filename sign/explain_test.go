package sign

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// finding returns the text of one check.
func finding(e Explanation, name string) string {
	for _, f := range e.Findings {
		if f.Name == name {
			return f.Text
		}
	}
	return ""
}

func TestExplainSAS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Token, *Check)
		sig    Verdict
		time   Verdict
		valid  bool
		check  string // the finding to look at
		says   string
	}{
		{"good", func(*Token, *Check) {}, OK, OK, true, "time", "began 4m5s ago, at 2026-01-02T03:00:00Z, and ends in 25m55s"},
		{"good for a year", func(k *Token, _ *Check) { k.Start, k.Expiry = "", "2027-01-02T04:05:06Z" }, OK, OK, true, "time", "ends in 365d1h1m1s"},
		{"expired", func(k *Token, _ *Check) { k.Expiry = "2026-01-02T03:03:05Z" }, OK, Expired, false, "time", "ended 1m0s ago"},
		{"early", func(k *Token, _ *Check) { k.Start = "2026-01-02T03:14:05Z" }, OK, Early, false, "time", "begins only in 10m0s"},
		{"no end", func(k *Token, _ *Check) { k.Expiry = "" }, OK, Malformed, false, "time", "no end (se)"},
		{"turned around", func(k *Token, _ *Check) { k.Start, k.Expiry = "2026-01-02T03:07:00Z", "2026-01-02T03:06:00Z" },
			OK, Malformed, false, "time", "not after its start"},
		{"a plus that became a space", func(k *Token, _ *Check) { k.Expiry = "2026-01-02T11:00:00 08:00" }, OK, Malformed, false, "time", "%2B"},
		{"another key", func(_ *Token, c *Check) { c.Keys = [][]byte{[]byte("x")} }, Bad, OK, false, "signature", "/blob/acct/cont"},
		{"the previous key", func(_ *Token, c *Check) { c.Keys = [][]byte{[]byte("x"), testKey} }, OK, OK, true, "signature", "number 2 of 2"},
		{"a version in words", func(k *Token, _ *Check) { k.Version = "hello" }, Malformed, OK, false, "form", `sv "hello"`},
		{"a version in words, and another key", func(k *Token, c *Check) { k.Version, c.Keys = "hello", nil }, Malformed, OK, false, "form", `sv "hello"`},
		{"a policy", func(k *Token, _ *Check) { k.Policy = "p1" }, OK, OK, false, "policy", `"p1"`},
		{"letters out of order", func(k *Token, _ *Check) { k.Permissions = "wr" }, OK, OK, false, "syntax", permissionOrder},
		{"a missing letter", func(_ *Token, c *Check) { c.Need = "w" }, OK, OK, false, "permission", "do not suffice"},
		{"another address", func(k *Token, _ *Check) { k.Addresses = "10.0.0.1" }, OK, OK, false, "address", "the client is 192.0.2.7"},
		{"no address given", func(k *Token, c *Check) { k.Addresses, c.IP = "10.0.0.1", netip.Addr{} }, OK, OK, true, "address", "not checked"},
		{"no address given, sip unreadable", func(k *Token, c *Check) { k.Addresses, c.IP = "x", netip.Addr{} }, OK, OK, false, "address", "cannot be read"},
		{"https over http", func(k *Token, _ *Check) { k.Protocol = "https" }, OK, OK, false, "protocol", "without TLS"},
		{"a line break in a header", func(k *Token, _ *Check) { k.ContentType = "a\nb" }, OK, OK, false, "headers", "rsct"},
	} {
		token, c := testToken(), testCheck()
		tt.change(&token, &c)
		token = signed(testKey, testResource, token)
		e := ExplainSAS(token.Query(), c)
		if e.Signature != tt.sig || e.Time != tt.time || e.Valid != tt.valid {
			t.Errorf("%s: got signature %s, time %s, valid %v, want %s, %s, %v", tt.name, e.Signature, e.Time, e.Valid, tt.sig, tt.time, tt.valid)
		}
		if got := finding(e, tt.check); !strings.Contains(got, tt.says) {
			t.Errorf("%s: %s says %q, want %q in it", tt.name, tt.check, got, tt.says)
		}
		if len(e.Findings) != len(steps) || e.StringToSign != token.StringToSign(testResource) || e.Permissions != token.Permissions {
			t.Errorf("%s: got %d findings, text %q, permissions %q", tt.name, len(e.Findings), e.StringToSign, e.Permissions)
		}
		for _, f := range e.Findings {
			if !strings.HasSuffix(f.Text, ".") || strings.Contains(f.Text, token.Signature) || strings.Contains(f.Text, "%!") {
				t.Errorf("%s: %s is not a sentence to show: %q", tt.name, f.Name, f.Text)
			}
		}
	}
}

func TestExplainSASWithoutAToken(t *testing.T) {
	for query, says := range map[string]string{"": "no sig", "sv=2016-05-31&sp=r": "no sig", "sig=x&sp=r&sp=w": "twice"} {
		e := ExplainSAS(query, testCheck())
		if e.Valid || e.Signature != Malformed || e.Time != Malformed || e.Resource != "/blob/acct/cont/folder/file.jpg" {
			t.Errorf("%q: got %+v", query, e)
		}
		if got := finding(e, "token"); !strings.Contains(got, says) {
			t.Errorf("%q: got %q, want %q in it", query, got, says)
		}
	}
}

func TestExplainFastDFS(t *testing.T) {
	const path, secret, ttl = "group1/M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4", "a secret nobody may see", 900 * time.Second
	_, signedPath, _ := strings.Cut(path, "/")
	now := time.Unix(1700001000, 0)
	good := FastDFSToken(signedPath, secret, 1700000700)
	for _, tt := range []struct {
		name, path, query string
		sig, time         Verdict
		valid             bool
		check, says       string
	}{
		{"good", "/" + path, "token=" + good + "&ts=1700000700", OK, OK, true, "time", "(5m0s ago), 15m0s are allowed: it ends in 10m0s"},
		{"good, what the name says", path, "ts=1700000700&token=" + good + "&filename=x", OK, OK, true, "name", "2014-04-03T06:53:44Z, 375084 bytes, CRC-32 8812af39"},
		{"for ever", path, "ts=0&token=" + FastDFSToken(signedPath, secret, 0), OK, OK, true, "time", "never ends"},
		{"expired", path, "ts=1700000000&token=" + FastDFSToken(signedPath, secret, 1700000000), OK, Expired, false, "time", "it ended 1m40s ago"},
		{"expired and wrong", path, "ts=1700000000&token=" + good, Bad, Expired, false, "signature", "does not match"},
		{"in upper case", path, "ts=1700000700&token=" + strings.ToUpper(good), Bad, OK, false, "signature", "lower-case"},
		{"a digit short", path, "ts=1700000700&token=" + good[1:], Malformed, OK, false, "signature", "32 hex digits"},
		{"a ts in words", path, "ts=now&token=" + good, Malformed, Malformed, false, "time", `ts="now"`},
		{"no token", path, "ts=1700000700", Malformed, Malformed, false, "query", "each once"},
		{"two tokens", path, "ts=1700000700&token=" + good + "&token=" + good, Malformed, Malformed, false, "query", "twice"},
		{"no query", path, "", Malformed, Malformed, false, "query", "each once"},
		{"another path", "/group1/M00/00/14/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4", "ts=1700000700&token=" + good, Bad, OK, false, "signature", "does not match"},
		{"no file ID", "/group1/M00/x.jpg", "ts=1700000700&token=" + FastDFSToken("M00/x.jpg", secret, 1700000700), OK, OK, false, "name", "file ID"},
	} {
		e := ExplainFastDFS(tt.path, tt.query, secret, ttl, now)
		if e.Signature != tt.sig || e.Time != tt.time || e.Valid != tt.valid {
			t.Errorf("%s: got signature %s, time %s, valid %v, want %s, %s, %v", tt.name, e.Signature, e.Time, e.Valid, tt.sig, tt.time, tt.valid)
		}
		if got := finding(e, tt.check); !strings.Contains(got, tt.says) {
			t.Errorf("%s: %s says %q, want %q in it", tt.name, tt.check, got, tt.says)
		}
		all, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Findings {
			all = append(all, f.Text...)
		}
		if strings.Contains(string(all), secret) {
			t.Errorf("%s: the secret is shown: %s", tt.name, all)
		}
	}
}

func TestExplanationInJSON(t *testing.T) {
	token := signed(testKey, testResource, testToken())
	got, err := json.Marshal(ExplainSAS(token.Query(), testCheck()))
	const want = `{"kind":"sas","string_to_sign":"r\n2026-01-02T03:00:00Z\n2026-01-02T03:30:00Z\n/blob/acct/cont\n\n\n\n2016-05-31\n\n\n\n\n",` +
		`"signature":"ok","time":"ok","permissions":"r","resource":"/blob/acct/cont","valid":true}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}
