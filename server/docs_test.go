package server

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yuin/goldmark/ast"

	"tintype/sign"
	"tintype/web"
)

// docsHosts are those that a page may have links to: of projects that it names.
var docsHosts = []string{"learn.microsoft.com", "sharp.pixelplumbing.com"}

// docsPages returns the pages that are embedded.
func docsPages(t *testing.T) []docsPage {
	files, err := fs.Glob(web.Docs, "docs/*.md")
	if err != nil || len(files) != len(docsOrder) {
		t.Fatalf("%v, %d pages, the navigation has %d", err, len(files), len(docsOrder))
	}
	var pages []docsPage
	for _, name := range docsOrder {
		pages = append(pages, parseDocsPage(name))
	}
	return pages
}

// codeBlocks returns the code blocks of a page.
func codeBlocks(p docsPage) (blocks []string) {
	ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && (n.Kind() == ast.KindCodeBlock || n.Kind() == ast.KindFencedCodeBlock) {
			blocks = append(blocks, string(n.Lines().Value(p.source)))
		}
		return ast.WalkContinue, nil
	})
	return blocks
}

func TestDocsAreServed(t *testing.T) {
	const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	s := newTestServer(t)
	if a := s.do("GET", publicURL+"/docs", nil); a.status != 302 || a.header.Get("Location") != "docs/" {
		t.Errorf("/docs = %d, %v", a.status, a.header)
	}
	for _, p := range docsPages(t) {
		a := s.do("GET", publicURL+"/docs/"+p.name, nil)
		if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Content-Security-Policy") != policy ||
			a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s = %d, %v", p.name, a.status, a.header)
		}
		for _, want := range []string{`<html lang="` + p.language + `">`, "<title>" + p.title + " – tintype</title>", `aria-current="page">` + p.title + "</a>", "<h1 id="} {
			if strings.Count(a.body, want) != 1 {
				t.Errorf("%s has %q %d times", p.name, want, strings.Count(a.body, want))
			}
		}
		for _, never := range []string{"<script", "<img", "<iframe", "<form", "style=", "src=", "<!-- raw HTML omitted -->", "@import", " onclick"} {
			if strings.Contains(a.body, never) {
				t.Errorf("%s has %q", p.name, never)
			}
		}
		if source := s.do("GET", publicURL+"/docs/"+p.name+".md", nil); source.status != 200 || source.body != string(p.source) || !strings.HasPrefix(source.header.Get("Content-Type"), "text/markdown") {
			t.Errorf("source of %s = %d, %v", p.name, source.status, source.header)
		}
		if a := s.do("HEAD", publicURL+"/docs/"+p.name, nil); a.status != 200 || a.body != "" {
			t.Errorf("HEAD %s = %d, %q", p.name, a.status, a.body)
		}
	}
	for path, want := range map[string]int{"/docs/": 200, "/docs/docs.css": 200, "/docs/none": 404, "/docs/operations/": 404, "/docs/../web.go": 404, "/docs/%2e%2e/keys.json": 404} {
		if a := s.do("GET", publicURL+path, nil); a.status != want {
			t.Errorf("%s = %d, want %d", path, a.status, want)
		}
	}
	if a := s.do("POST", publicURL+"/docs/operations", nil); a.status != 405 {
		t.Errorf("POST = %d", a.status)
	}
}

// Every link leads to something: within the pages to an id that is there, elsewhere to
// one of a few hosts.
func TestDocsLinksResolve(t *testing.T) {
	s := newTestServer(t)
	links, ids := regexp.MustCompile(`(href|src|action)="([^"]*)"`), regexp.MustCompile(` id="([^"]*)"`)
	get := func(path string) (answer, []string) {
		a := s.do("GET", publicURL+path, nil)
		var there []string
		for _, m := range ids.FindAllStringSubmatch(a.body, -1) {
			if slices.Contains(there, m[1]) {
				t.Errorf("%s has the id %q twice", path, m[1])
			}
			there = append(there, m[1])
		}
		return a, there
	}
	n := 0
	for _, p := range docsPages(t) {
		base, _ := url.Parse("/docs/" + p.name)
		page, _ := get(base.Path)
		for _, m := range links.FindAllStringSubmatch(page.body, -1) {
			to, err := url.Parse(m[2])
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
				continue
			}
			if n++; to.IsAbs() || to.Host != "" {
				if to.Scheme != "https" || !slices.Contains(docsHosts, to.Host) {
					t.Errorf("%s links to %s", p.name, to)
				}
				continue
			}
			if strings.HasPrefix(m[2], "/") {
				t.Errorf("%s: %s is not relative", p.name, m[2])
			}
			to = base.ResolveReference(to)
			a, there := get(to.EscapedPath())
			if a.status != 200 || to.Fragment != "" && !slices.Contains(there, to.Fragment) {
				t.Errorf("%s: %s leads to %s, %d", p.name, m[2], to, a.status)
			}
		}
	}
	if n < 100 {
		t.Errorf("%d links", n)
	}
}

func TestDocsLinksToSourcesLeadToPages(t *testing.T) {
	for to, want := range map[string]string{
		"operations.md": "operations", "operations.md#the-trash": "operations#the-trash", "index.md": "./", "#here": "#here",
		"README.zh-TW.md": "README.zh-TW", "../openapi.json": "../openapi.json", "https://h/x.md": "https://h/x.md",
	} {
		if got := docsLink(to); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	s := newTestServer(t)
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	a := s.do("GET", publicURL+"/openapi.json", nil, "Origin", "https://elsewhere.example")
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.body != string(want) || !json.Valid(want) || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d, %v", a.status, a.header)
	}
}

func TestNoContainerIsCalledAsTheDocsAre(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/docs/a.jpg", "/openapi.json/a.jpg", "/devstoreaccount1/docs/a.jpg"} {
		if a := s.do("PUT", publicURL+path, strings.NewReader("x"), "x-ms-blob-type", "BlockBlob"); a.status != 404 && a.status != 405 {
			t.Errorf("PUT %s = %d", path, a.status)
		}
	}
	_, err := New(Config{Apps: s.data.Registry, Pictures: s.data.Pictures, Cache: s.data.Cache, PublicURL: publicURL, Account: "docs", Secrets: withKeys([]byte{1})})
	if err == nil {
		t.Error("an account called docs is accepted")
	}
}

func TestHeadingIDsAreUnique(t *testing.T) {
	ids := headingIDs{}
	for _, test := range [][2]string{
		{"Running it", "running-it"}, {"Running it", "running-it-1"}, {"`GET /sastoken/{resource}`", "get-sastokenresource"},
		{"磁碟滿了", "磁碟滿了"}, {"!", "-1"}, {"?", "-2"},
	} {
		if got := string(ids.Generate([]byte(test[0]), ast.KindHeading)); got != test[1] {
			t.Errorf("%s: %q, want %q", test[0], got, test[1])
		}
	}
}

// example returns a code block whose lines are all a name and a value.
func example(block string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(block) {
		m := regexp.MustCompile(`^([A-Za-z][A-Za-z-]*) +(\S+)\n?$`).FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		values[m[1]] = m[2]
	}
	return values
}

func TestDocsSignExamplesVerify(t *testing.T) {
	checked := 0
	check := func(page, what, got, want string) {
		if checked++; got != want {
			t.Errorf("%s: %s is %s, want %s", page, what, got, want)
		}
	}
	for _, p := range docsPages(t) {
		for _, block := range codeBlocks(p) {
			e := example(block)
			switch {
			case e["sign"] != "":
				var fields []sign.Field
				for _, name := range []string{"appKey", "cacheTime", "isStorage", "length"} { // sorted, secret is the last
					if value, ok := e[name]; ok {
						fields = append(fields, sign.Field{Name: name, Value: value})
					}
				}
				text := ""
				for _, f := range append(fields, sign.Field{Name: "secret", Value: e["secret"]}) {
					text += f.Name + f.Value
				}
				check(p.name, "text", e["text"], text)
				check(p.name, "sign", e["sign"], sign.DFSAPISign(e["secret"], fields))
				if err := sign.VerifyDFSAPI(e["secret"], e["sign"], fields, sign.RulesAny); err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
			case e["signature"] != "":
				check(p.name, "signature", e["signature"], sign.QStorageSignature(e["secret"], e["signature-time"]))
			case e["token"] != "":
				ts, _ := strconv.ParseInt(e["ts"], 10, 64)
				check(p.name, "token", e["token"], sign.FastDFSToken(e["path"], e["secret"], ts))
			case e["sig"] != "":
				key, _ := base64.StdEncoding.DecodeString(e["key"])
				r := sign.Resource{Account: e["account"], Container: e["container"]}
				token, err := sign.Issue(key, r, sign.Token{Permissions: e["sp"], Start: e["st"], Expiry: e["se"]})
				if err != nil {
					t.Fatal(err)
				}
				check(p.name, "text", strings.ReplaceAll(e["text"], `\n`, "\n"), token.StringToSign(r))
				check(p.name, "sig", e["sig"], token.Signature)
			}
		}
	}
	if checked != 8 {
		t.Errorf("%d values were checked, want 8", checked)
	}
}

// The FastDFS name in the pages says what they say of it.
func TestDocsFileIDIsReal(t *testing.T) {
	id, err := sign.ParseFileID("group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg")
	if err != nil || id.Size() != 11465 || id.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%v, %v", id, err)
	}
}

// mentions fails for each of words that is not in a page as `word`.
func mentions(t *testing.T, page string, words ...string) {
	t.Helper()
	text := string(docsSource(page + ".md"))
	for _, word := range words {
		if !regexp.MustCompile("`" + regexp.QuoteMeta(word) + "[`{]").MatchString(text) {
			t.Errorf("%s.md does not have `%s`", page, word)
		}
	}
}

func TestDocsHaveEveryCode(t *testing.T) {
	for _, row := range dfsapiCodes {
		mentions(t, "dfsapi", row.code, row.text)
	}
	table := string(docsSource("qstorage.md"))
	for _, row := range qstorageCodes {
		if line := "| `" + row.code + "` | " + row.en + " | " + row.zhTW + " | " + row.zhCN + " | "; !strings.Contains(table, line) {
			t.Errorf("qstorage.md does not have %s", line)
		}
	}
	for _, row := range blobCodes {
		mentions(t, "blob", row.code)
		if !strings.Contains(string(docsSource("blob.md")), "\n| "+strconv.Itoa(row.status)+" | ") {
			t.Errorf("blob.md does not have the status %d", row.status)
		}
	}
}

func TestDocsHaveEveryMetric(t *testing.T) {
	s := newTestServer(t)
	s.do("GET", publicURL+"/container/blob", nil)
	a := s.do("GET", publicURL+"/metrics", nil)
	metric := regexp.MustCompile(`(?m)^([a-z_0-9]+?)(?:_bucket|_sum|_count)?[{ ]`)
	page := string(docsSource("operations.md"))
	found := metric.FindAllStringSubmatch(a.body, -1)
	if a.status != 200 || len(found) < 50 {
		t.Fatalf("metrics = %d, %d of them", a.status, len(found))
	}
	for _, m := range found {
		if name := strings.TrimSpace(strings.TrimSuffix(m[0], "{")); !strings.Contains(page, "`"+m[1]+"`") && !strings.Contains(page, "`"+m[1]+"{") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("operations.md does not have %s", m[1])
		}
	}
	if runtime.GOOS == "linux" {
		for _, m := range regexp.MustCompile("`((?:go|process|tintype_store|tintype_damaged)_[a-z_]+)").FindAllStringSubmatch(page, -1) {
			if !strings.Contains(a.body, "\n"+m[1]) {
				t.Errorf("operations.md has %s, which there is not", m[1])
			}
		}
	}
	// those that come with the first event
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("[\"`](tintype_[a-z_]+)").FindAllStringSubmatch(string(source), -1) {
			if !strings.HasSuffix(path, "_test.go") && m[1] != sessionCookie && !strings.Contains(page, m[1]) {
				t.Errorf("operations.md does not have %s of %s", m[1], path)
			}
		}
	}
}

// api.md has every path and word of the API's description, and no path besides.
func TestDocsHaveTheWholeAPI(t *testing.T) {
	var api struct {
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Enum       []string
					Properties map[string]struct{ Enum []string }
				}
			}
		}
	}
	if err := json.Unmarshal(openAPI, &api); err != nil {
		t.Fatal(err)
	}
	mentions(t, "api", api.Components.Schemas["Error"].Properties["error"].Properties["code"].Enum...)
	mentions(t, "operations", api.Components.Schemas["Event"].Properties["event"].Enum...)
	for _, row := range apiCodes {
		line := regexp.MustCompile("(?m)^\\| `" + row.code + "` \\|([0-9, ]*)\\|").FindStringSubmatch(string(docsSource("api.md")))
		if row.code != "" && (line == nil || !strings.Contains(line[1], strconv.Itoa(row.status))) {
			t.Errorf("api.md does not have %d for %s", row.status, row.code)
		}
	}
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?:\$api|/api/v1)(/[a-z/]*[a-z])`).FindAllStringSubmatch(string(docsSource("api.md")), -1) {
		known := false
		for path := range api.Paths {
			if pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), "[a-z]+"); regexp.MustCompile("^" + pattern + "$").MatchString(m[1]) {
				used[path], known = true, true
			}
		}
		if !known {
			t.Errorf("api.md has %s, which the API has not", m[1])
		}
	}
	for path := range api.Paths {
		if !used[path] {
			t.Errorf("api.md does not have %s", path)
		}
	}
}
