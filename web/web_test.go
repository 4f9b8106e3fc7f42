package web

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxGzip is what the whole console may take on its way, in bytes.
const maxGzip = 60_000

// assets returns every file of the console but licences, by its path.
func assets(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path.Base(name), "LICENSE") {
			return err
		}
		data, err := Files.ReadFile(name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSize(t *testing.T) {
	sum := 0
	for name, text := range assets(t) {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
		w.Close()
		sum += packed.Len()
		if !utf8.ValidString(text) {
			t.Errorf("%s is not UTF-8", name)
		}
	}
	t.Logf("%d bytes with gzip", sum)
	if sum > maxGzip {
		t.Errorf("got %d bytes with gzip, want at most %d", sum, maxGzip)
	}
}

func TestNoOtherOrigin(t *testing.T) {
	origin := regexp.MustCompile(`(?i)(https?|wss?)://[^\s"'` + "`" + `]*`)
	for name, text := range assets(t) {
		for _, found := range origin.FindAllString(text, -1) {
			if !strings.HasPrefix(found, "http://www.w3.org/") { // names of XML namespaces, which nobody asks for
				t.Errorf("%s names %s", name, found)
			}
		}
	}
}

// TestStrictPolicy looks for what the content security policy would refuse.
func TestStrictPolicy(t *testing.T) {
	refused := regexp.MustCompile(`<style|\bstyle="|\bon[a-z]+="|<script(>| [^>]*type="importmap")|\beval\(|new Function|javascript:|dangerouslySetInnerHTML|\.innerHTML\s*=`)
	for name, text := range assets(t) {
		if found := refused.FindString(text); found != "" && !strings.HasPrefix(name, "vendor/") {
			t.Errorf("%s has %q", name, found)
		}
	}
}

// TestImports holds that every module names files that are there, and that each is
// reached from index.html.
func TestImports(t *testing.T) {
	files := assets(t)
	named := regexp.MustCompile(`(?:from|import\() ?["` + "`" + `](\.[^"` + "`" + `]+)["` + "`" + `]|(?:href|src)="([a-z][^":$]*)"`)
	reached := map[string]bool{"index.html": true}
	for todo := []string{"index.html"}; len(todo) > 0; todo = todo[1:] {
		for _, m := range named.FindAllStringSubmatch(files[todo[0]], -1) {
			name := path.Join(path.Dir(todo[0]), m[1]+m[2])
			if strings.HasSuffix(todo[0], ".js") && m[2] != "" { // seen from the page
				name = m[2]
			}
			if strings.Contains(name, "$") || reached[name] {
				continue
			}
			if _, ok := files[name]; !ok {
				t.Errorf("%s names %s, which is not there", todo[0], name)
			}
			reached[name] = true
			todo = append(todo, name)
		}
	}
	for name := range files {
		if !reached[name] && path.Dir(name) != "lang" {
			t.Errorf("nothing names %s", name)
		}
	}
}

var (
	group       = regexp.MustCompile(`^  (\w+): \{$`)
	entry       = regexp.MustCompile(`^    "?([\w-]+)"?: (.*),$`)
	placeholder = regexp.MustCompile(`\{(\w+)\}`)
)

// words returns the texts of a dictionary by their keys.
func words(t *testing.T, text string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	within := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := group.FindStringSubmatch(line); m != nil {
			within = m[1] + "."
		} else if m := entry.FindStringSubmatch(line); m != nil {
			if _, ok := all[within+m[1]]; ok {
				t.Errorf("key %q is there twice", within+m[1])
			}
			all[within+m[1]] = m[2]
		} else if strings.HasPrefix(line, "   ") {
			t.Errorf("no entry of a dictionary: %s", line)
		}
	}
	return all
}

func TestKeys(t *testing.T) {
	files := assets(t)
	english := words(t, files["lang/en-us.js"])
	if len(english) == 0 {
		t.Fatal("no words")
	}
	for _, lang := range []string{"zh-tw", "zh-cn"} {
		other := words(t, files["lang/"+lang+".js"])
		for key, text := range english {
			if other[key] == "" {
				t.Errorf("%s has no %q", lang, key)
			} else if got, want := placeholders(other[key]), placeholders(text); !mayStand(got, want) {
				t.Errorf("%s %q: got values %v, want %v", lang, key, got, want)
			}
		}
		for key := range other {
			if english[key] == "" {
				t.Errorf("%s has %q, which English has not", lang, key)
			}
		}
	}

	used := make(map[string]bool)
	call := regexp.MustCompile("\\bt(?:Or)?\\((?:\"([^\"]+)\"|`([\\w.]+)\\$\\{)")
	for name, text := range files {
		if !strings.HasSuffix(name, ".js") || strings.HasPrefix(name, "lang/") || strings.HasPrefix(name, "vendor/") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			found := false
			for key := range english {
				if key == m[1] || m[2] != "" && strings.HasPrefix(key, m[2]) {
					used[key], found = true, true
				}
			}
			if !found {
				t.Errorf("%s uses %q, which no dictionary has", name, m[1]+m[2])
			}
		}
	}
	for key := range english {
		if !used[key] {
			t.Errorf("nothing uses %q", key)
		}
	}
}

// placeholders returns the values that a text shows, each once.
func placeholders(text string) []string {
	set := make(map[string]bool)
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// mayStand says whether a translation shows what the English text does. The number
// alone may be more or less: English says "Moved to the trash" of one.
func mayStand(got, want []string) bool {
	but := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "n" })
	}
	return slices.Equal(but(got), but(want))
}
