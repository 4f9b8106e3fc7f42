package sign

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// goodRequest is a query of the vectors with a check that it passes.
type goodRequest struct {
	id, query string
	check     Check
}

// goodRequests returns one request for each vector that has one: with the first letter of its permissions, over TLS.
func goodRequests(t testing.TB) []goodRequest {
	t.Helper()
	var out []goodRequest
	for _, v := range sasVectors(t) {
		c := v.check(v.resource(), "")
		c.HTTPS = true
		if sp := v.Params["sp"]; sp != "" {
			c.Need = sp[:1]
		}
		if parseAndVerify(v.Query, c) == nil {
			out = append(out, goodRequest{v.ID, v.Query, c})
		}
	}
	if len(out) < 20 {
		t.Fatalf("got %d good requests, want at least 20", len(out))
	}
	return out
}

var sasNames = []string{"sv", "sr", "st", "se", "sp", "si", "sip", "spr", "ses", "snapshot", "rscc", "rscd", "rsce", "rscl", "rsct", "sig"}

// otherValues are what a forger would like a field to be.
var otherValues = map[string][]string{
	"sv": {"2012-02-12", "2013-08-15", "2015-02-21", "2015-04-05", "2016-05-31", "2018-11-09", "2020-12-06", "2099-01-01", ""},
	"sr": {"c", "b", "bs", "d", "C", ""},
	"st": {"2000-01-01", "2018-03-14T07:50:33.0Z", "2018-03-14T07:50Z", "2018-03-14T15:50:33%2B08:00"},
	"se": {"2099-01-01", "9999-12-31T23:59:59Z", "2018-03-14T08:20:33.0000000Z", "2018-03-14T08:20:34Z"},
	"sp": {"r", "rw", "racwdl", permissionOrder, "R"},
}

// mutate returns queries that mean something else than query, keyed by what was done.
func mutate(query string) map[string]string {
	pairs := strings.Split(query, "&")
	out := map[string]string{}
	with := func(i int, pair ...string) string {
		return strings.Join(slices.Concat(pairs[:i], pair, pairs[i+1:]), "&")
	}
	have := map[string]bool{}
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		have[name] = true
		changed := []string{value + "x", value + "%00", value + "%0A", "x" + value, "%20" + value, value + "%20", value + "&" + name + "=",
			url.QueryEscape(value), strings.ToUpper(value), strings.ToLower(value), value[:len(value)-1], value[1:]}
		for n, v := range slices.Concat(changed, otherValues[name]) {
			out[fmt.Sprintf("%s changed, way %d", name, n)] = with(i, name+"="+v)
		}
		out[name+" dropped"] = with(i)
		out[name+" emptied"] = with(i, name+"=")
		out[name+" doubled"] = with(i, pair, pair)
		out[name+" doubled, empty first"] = name + "=&" + query
		out[name+" doubled, escaped"] = query + "&%" + fmt.Sprintf("%02x", name[0]) + name[1:] + "=" + value
		out[name+" in upper case"] = with(i, strings.ToUpper(name)+"="+value)
		for j, other := range pairs[:i] {
			otherName, otherValue, _ := strings.Cut(other, "=")
			swapped := slices.Clone(pairs)
			swapped[i], swapped[j] = name+"="+otherValue, otherName+"="+value
			out[name+" exchanged with "+otherName] = strings.Join(swapped, "&")
		}
	}
	for _, name := range sasNames {
		if !have[name] {
			out[name+" added"] = query + "&" + name + "=x"
		}
	}
	return out
}

// sameMeaning compares two queries by another decoder than ours: the SAS parameters, each of which must be there once.
func sameMeaning(a, b string) bool {
	qa, errA := url.ParseQuery(a)
	qb, errB := url.ParseQuery(b)
	if errA != nil || errB != nil {
		return false
	}
	for _, name := range sasNames {
		if len(qa[name]) > 1 || len(qb[name]) > 1 || qa.Get(name) != qb.Get(name) {
			return false
		}
	}
	return true
}

func TestNoMutatedTokenIsAccepted(t *testing.T) {
	mutations := 0
	for _, good := range goodRequests(t) {
		for what, query := range mutate(good.query) {
			if sameMeaning(good.query, query) { // "C" to lower case is "c" for an sr of "c"
				continue
			}
			mutations++
			err := parseAndVerify(query, good.check)
			if err == nil {
				t.Errorf("%s: %s: accepted: %s", good.id, what, query)
			}
			if e := ExplainSAS(query, good.check); e.Valid {
				t.Errorf("%s: %s: explained as valid: %s", good.id, what, query)
			}
		}
	}
	t.Logf("%d mutations", mutations)
	if mutations < 300 {
		t.Errorf("got %d mutations, want at least 300", mutations)
	}
}

func TestOtherWritingsOfATokenAreAccepted(t *testing.T) {
	for _, good := range goodRequests(t) {
		pairs := strings.Split(good.query, "&")
		random := rand.New(rand.NewPCG(1, 2))
		for range 10 {
			random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
			writings := map[string]string{
				"in another order":         strings.Join(pairs, "&"),
				"with everything escaped":  escapeAll(pairs),
				"with lower-case escapes":  lowerEscapes(good.query),
				"with spaces as plus":      strings.ReplaceAll(good.query, "%20", "+"),
				"with foreign parameters":  "restype=container&" + good.query + "&v=123&timeout=30&_=1",
				"with an empty policy":     good.query + "&si=",
				"with needless ampersands": "&&" + strings.Join(pairs, "&&") + "&",
			}
			for _, what := range slices.Sorted(maps.Keys(writings)) {
				if err := parseAndVerify(writings[what], good.check); err != nil {
					t.Errorf("%s: %s: got %v: %s", good.id, what, err, writings[what])
				}
			}
		}
	}
}

// escapeAll percent-encodes every byte of the pairs' decoded names and values.
func escapeAll(pairs []string) string {
	escape := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(unescapeForm(s)) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
		return b.String()
	}
	out := make([]string, len(pairs))
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		out[i] = escape(name) + "=" + escape(value)
	}
	return strings.Join(out, "&")
}

func lowerEscapes(query string) string {
	b := []byte(query)
	for i := range b {
		if b[i] == '%' {
			copy(b[i:], strings.ToLower(query[i:i+3]))
		}
	}
	return string(b)
}

func TestEveryBitOfTheSignatureCounts(t *testing.T) {
	for _, good := range goodRequests(t) {
		token, err := ParseToken(good.query)
		if err != nil {
			t.Fatal(err)
		}
		mac := decodeBase64(t, token.Signature)
		for bit := range len(mac) * 8 {
			mac[bit/8] ^= 1 << (bit % 8)
			token.Signature = base64.StdEncoding.EncodeToString(mac)
			if err := token.Verify(good.check); err == nil {
				t.Errorf("%s: accepted with bit %d flipped", good.id, bit)
			}
			mac[bit/8] ^= 1 << (bit % 8)
		}
	}
}
