package web

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outline is what a translation has in common with its original.
type outline struct {
	headings []int // their levels
	code     []string
	rows     []int // cells of each row of a table
	bullets  int
}

var (
	heading = regexp.MustCompile(`^(#+) `)
	// what a translation may change of a line of code: a comment, and in the tree of Layout what stands behind a path
	comment = regexp.MustCompile(`\s+# .*|\s*// .*|(?:(\s[\w/]+(?:\.go|/))|(\s[a-z]+/ [a-z]+/ [a-z]+/))\s{2,}\S.*`)
)

func outlineOf(text string) (o outline) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "    "):
			o.code = append(o.code, comment.ReplaceAllString(line, "$1$2"))
		case strings.HasPrefix(line, "#"):
			o.headings = append(o.headings, len(heading.FindStringSubmatch(line)[1]))
		case strings.HasPrefix(line, "|"):
			o.rows = append(o.rows, strings.Count(line, "|"))
		case strings.HasPrefix(line, "- "):
			o.bullets++
		}
	}
	return o
}

// The README's translations have its headings, its code but for comments, its tables and
// its lists, so that none falls behind unnoticed.
func TestTranslationsOfTheReadmeAreComplete(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := outlineOf(string(readme))
	if len(want.headings) < 10 || len(want.code) < 50 || len(want.rows) < 15 {
		t.Fatalf("the README: %d headings, %d lines of code, %d rows", len(want.headings), len(want.code), len(want.rows))
	}
	for _, name := range []string{"docs/README.zh-TW.md", "docs/README.zh-CN.md"} {
		text, err := Docs.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got := outlineOf(string(text))
		if !slices.Equal(got.headings, want.headings) {
			t.Errorf("%s: headings of the levels %v, want %v", name, got.headings, want.headings)
		}
		if !slices.Equal(got.rows, want.rows) || got.bullets != want.bullets {
			t.Errorf("%s: rows of %v cells and %d bullets, want %v and %d", name, got.rows, got.bullets, want.rows, want.bullets)
		}
		for i, line := range got.code {
			if i >= len(want.code) || line != want.code[i] {
				t.Errorf("%s: code\n%s\nwant\n%s", name, line, want.code[min(i, len(want.code)-1)])
				break
			}
		}
		if len(got.code) < len(want.code) {
			t.Errorf("%s: code ends before\n%s", name, want.code[len(got.code)])
		}
	}
}
