package server

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"unicode"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"tintype/web"
)

// docsPolicy lets a page of the documentation have its stylesheet and pictures of this
// server; there are no scripts, forms or frames in it.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed openapi.json
var openAPI []byte

// docsOrder is the pages as the navigation has them.
var docsOrder = []string{
	"index", "operations", "scale", "dfsapi", "qstorage", "blob", "api", "migration", "tuning", "security", "README.zh-TW", "README.zh-CN",
}

func (s *Server) routeDocs(r *router.Router) {
	for path, h := range map[string]fasthttp.RequestHandler{"/docs": s.docs, "/docs/{file}": s.docs, "/openapi.json": s.openAPI} {
		r.GET(path, h)
		r.HEAD(path, h)
	}
}

// openAPI answers GET /openapi.json, the description of the native API.
func (s *Server) openAPI(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-cache")
	ctx.SetContentType("application/json")
	ctx.SetBody(openAPI)
}

// docs answers GET /docs/, /docs/NAME with a page and /docs/NAME.md with its source.
// Links are relative, so that a proxy may put all of it below a path of its own.
func (s *Server) docs(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	name, inFolder := strings.CutPrefix(string(ctx.URI().PathOriginal()), "/docs/")
	if !inFolder {
		h.Set(fasthttp.HeaderLocation, "docs/")
		ctx.SetStatusCode(fasthttp.StatusFound)
		return
	}
	file, ok := docsFiles()[name]
	if !ok {
		ctx.SetStatusCode(fasthttp.StatusNotFound)
		return
	}
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set(fasthttp.HeaderCacheControl, "no-cache")
	ctx.SetContentType(file.mediaType)
	ctx.SetBody(file.body)
}

// docsFile is what is served under one name below /docs/.
type docsFile struct {
	mediaType string
	body      []byte
}

// docsFiles returns everything below /docs/ by name, rendered at the first call.
var docsFiles = sync.OnceValue(func() map[string]docsFile {
	files := map[string]docsFile{"docs.css": {"text/css; charset=utf-8", docsSource("docs.css")}}
	var pages []docsPage
	for _, name := range docsOrder {
		pages = append(pages, parseDocsPage(name))
	}
	for _, p := range pages {
		files[p.name] = docsFile{"text/html; charset=utf-8", p.render(pages)}
		files[p.name+".md"] = docsFile{"text/markdown; charset=utf-8", p.source}
	}
	files[""] = files["index"]
	return files
})

// docsSource returns an embedded file.
func docsSource(name string) []byte {
	data, err := fs.ReadFile(web.Docs, "docs/"+name)
	if err != nil {
		panic(err) // it is in the binary
	}
	return data
}

// docsMarkdown knows tables and gives headings ids; HTML in a source is left out. A line
// break is a blank, so the Chinese sources have none within a paragraph.
var docsMarkdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// docsPage is a page of the documentation, parsed.
type docsPage struct {
	name     string // of its source without .md
	language string // such as "zh-TW"
	title    string
	source   []byte
	tree     ast.Node
}

func parseDocsPage(name string) docsPage {
	p := docsPage{name: name, language: "en", source: docsSource(name + ".md")}
	if _, language, ok := strings.Cut(name, "."); ok {
		p.language = language
	}
	ids := parser.NewContext(parser.WithIDs(headingIDs{}))
	p.tree = docsMarkdown.Parser().Parse(text.NewReader(p.source), parser.WithContext(ids))
	for n := p.tree.FirstChild(); n != nil && p.title == ""; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			p.title = p.plain(h)
		}
	}
	return p
}

// plain is the text of a heading, without marks.
func (p docsPage) plain(h *ast.Heading) string {
	return strings.ReplaceAll(string(h.Lines().Value(p.source)), "`", "")
}

// headingIDs makes the ids of a page's headings: letters of any script, digits and
// hyphens, as the hosts of repositories do, so that links hold in both places.
type headingIDs map[string]bool

// Generate implements parser.IDs.
func (used headingIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(value)))
	unique := id
	for n := 1; used[unique] || unique == ""; n++ {
		unique = fmt.Sprintf("%s-%d", id, n)
	}
	used[unique] = true
	return []byte(unique)
}

// Put implements parser.IDs.
func (used headingIDs) Put(value []byte) { used[string(value)] = true }

// docsLink turns a link to a source, FILE.md#ID, into one to its page.
func docsLink(to string) string {
	file, id, _ := strings.Cut(to, "#")
	name, ok := strings.CutSuffix(file, ".md")
	if !ok || strings.Contains(name, "/") {
		return to
	}
	if id != "" {
		id = "#" + id
	}
	return docsHref(name) + id
}

func docsHref(name string) string {
	if name == "index" {
		return "./"
	}
	return name
}

// docsWords are those of the frame around a page, by its language.
var docsWords = map[string]struct{ skip, pages, contents, source string }{
	"en":    {"Skip to the text", "Pages", "On this page", "This page as Markdown"},
	"zh-TW": {"跳到內文", "頁面", "本頁內容", "本頁的 Markdown 原始檔"},
	"zh-CN": {"跳到正文", "页面", "本页内容", "本页的 Markdown 源文件"},
}

// render returns the page as HTML, with the navigation between all pages.
func (p docsPage) render(all []docsPage) []byte {
	words := docsWords[p.language]
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!doctype html>
<html lang="%s">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s – tintype</title>
<link rel="icon" href="../console/mark.svg" type="image/svg+xml">
<link rel="stylesheet" href="docs.css">
<a class="skip" href="#text">%s</a>
<header><a href="./">tintype</a></header>
<nav class="pages" aria-label="%s"><ul>
`, p.language, html.EscapeString(p.title), words.skip, words.pages)
	for _, o := range all {
		current := ""
		if o.name == p.name {
			current = ` aria-current="page"`
		}
		fmt.Fprintf(&b, "<li><a href=\"%s\" lang=\"%s\"%s>%s</a></li>\n", docsHref(o.name), o.language, current, html.EscapeString(o.title))
	}
	body, contents := p.body()
	title, rest, _ := strings.Cut(body, "</h1>\n")
	fmt.Fprintf(&b, "</ul></nav>\n<main id=\"text\" tabindex=\"-1\">\n%s</h1>\n", title)
	if len(contents) > 2 {
		fmt.Fprintf(&b, "<nav class=\"contents\" aria-label=\"%[1]s\"><h2>%[1]s</h2><ul>\n%[2]s\n</ul></nav>\n", words.contents, strings.Join(contents, "\n"))
	}
	fmt.Fprintf(&b, "%s</main>\n<footer><a href=\"%s.md\">%s</a></footer>\n</html>\n", rest, p.name, words.source)
	return b.Bytes()
}

// body returns the page's text as HTML, and the entries of its table of contents.
func (p docsPage) body() (body string, contents []string) {
	ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Link:
			if entering {
				n.Destination = []byte(docsLink(string(n.Destination)))
			}
		case *ast.Heading:
			if id, ok := n.AttributeString("id"); entering && ok && n.Level == 2 {
				contents = append(contents, fmt.Sprintf(`<li><a href="#%s">%s</a></li>`, url.PathEscape(string(id.([]byte))), html.EscapeString(p.plain(n))))
			}
		}
		return ast.WalkContinue, nil
	})
	var b strings.Builder
	if err := docsMarkdown.Renderer().Render(&b, p.source, p.tree); err != nil {
		panic(err) // of a writer that has none
	}
	return scrolling.Replace(b.String()), contents
}

// scrolling lets what is wider than the page scroll by itself, by the keyboard too. The
// sources hold no HTML, so these tags are the renderer's own.
var scrolling = strings.NewReplacer(
	"<pre>", `<pre tabindex="0">`,
	"<table>", `<div class="wide" tabindex="0"><table>`, "</table>", "</table></div>",
)
