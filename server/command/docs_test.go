package command

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"tintype/web"
)

// Every command line in the documentation and the README names commands and flags that
// there are.
func TestDocumentedCommandsExist(t *testing.T) {
	n := 0
	for name, text := range documentation(t) {
		for _, words := range commandLines(text) {
			n++
			checkCommandLine(t, name, words)
		}
	}
	if n < 150 {
		t.Errorf("%d command lines", n)
	}
}

// documentation returns the pages and the README by name.
func documentation(t *testing.T) map[string]string {
	texts := make(map[string]string)
	pages, err := fs.Glob(web.Docs, "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		data, err := web.Docs.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts[page] = string(data)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts["README.md"] = string(readme)
	return texts
}

var (
	inlineCode  = regexp.MustCompile("`(tintype [^`]*)`")
	startOfLine = regexp.MustCompile(`(?:^|[\s(/])tintype +((?:[a-z][a-z-]*|--[a-z]).*)`)
	endOfLine   = regexp.MustCompile(`\s+#\s.*|[|;)<>].*|\s2$`)
	substituted = regexp.MustCompile(`\$\([^()]*\)`)
)

// commandLines returns the words behind "tintype" of what is a command line: in code
// blocks, and in spans that begin with it.
func commandLines(text string) (lines [][]string) {
	add := func(code string) {
		if m := startOfLine.FindStringSubmatch(code); m != nil && !strings.HasPrefix(m[1], "dev") { // the version that prints itself
			lines = append(lines, strings.Fields(endOfLine.ReplaceAllString(substituted.ReplaceAllString(m[1], "N"), "")))
		}
	}
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			add(strings.TrimRight(code, "\n"))
			continue
		}
		for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
			add(m[1])
		}
	}
	return lines
}

func checkCommandLine(t *testing.T, where string, words []string) {
	p := &program{set: newSettings()}
	root := p.root()
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root && !strings.HasPrefix(words[0], "--") || cmd != root && cmd.HasSubCommands() {
		t.Errorf("%s: no command: tintype %s", where, strings.Join(words, " "))
		return
	}
	cmd.InitDefaultHelpFlag()
	for _, word := range rest {
		word = strings.Trim(word, "[]")
		flag, long := strings.CutPrefix(word, "--")
		short := !long && len(word) == 2 && word[0] == '-'
		name, _, _ := strings.Cut(flag, "=")
		if long && name != "" && cmd.Flag(name) == nil || short && cmd.Flags().ShorthandLookup(word[1:]) == nil {
			t.Errorf("%s: no %s: tintype %s", where, word, strings.Join(words, " "))
		}
	}
}

// The table of settings in operations.md has all of them.
func TestDocumentedSettingsExist(t *testing.T) {
	_, table, _ := strings.Cut(documentation(t)["docs/operations.md"], "| Setting | Default | Means |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(first, -1) {
			documented = append(documented, m[1])
		}
	}
	all := newSettings().all
	all.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(documented, f.Name) {
			t.Errorf("operations.md does not have --%s", f.Name)
		}
	})
	for _, name := range documented {
		if all.Lookup(name) == nil {
			t.Errorf("operations.md has --%s, which there is not", name)
		}
	}
}
