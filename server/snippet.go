package server

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tintype/store"
)

// ErrSnippet is returned for a language that there is no snippet of, and for an application
// that dfsapi cannot take pictures from.
var ErrSnippet = errors.New("no snippet")

// SnippetLanguages are the languages of Snippet.
var SnippetLanguages = []string{"curl", "python", "js", "go", "java", "php"}

// SnippetValues are what a program that uploads a picture has to know.
type SnippetValues struct {
	PublicURL string // of the server, without a slash at its end
	App       string // key of the application
	Secret    string // its secret; "": the program has a place for it
}

// snippetPlace is where the reader of a snippet puts the secret.
const snippetPlace = "SECRET OF THE APPLICATION"

//go:embed snippet
var snippetFiles embed.FS

// quotes write a text as a language does. JSON's strings are JavaScript's, Python's, Go's and
// Java's, but for what Java makes of \u where a line ends: a secret has no such character, and
// a URL none at all.
var quotes = map[string]func(string) string{
	"curl": func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
	"php":  func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" },
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // of a string
	}
	return string(b)
}

// SnippetApp returns the application with that key; for "" the first that can upload by
// dfsapi: store.ErrApp, ErrSnippet.
func SnippetApp(apps Apps, key string) (store.App, error) {
	if key != "" {
		return apps.App(key)
	}
	for _, app := range apps.Apps() {
		if len(app.Key) <= maxDFSAPIKey && !app.Disabled {
			return app, nil
		}
	}
	return store.App{}, fmt.Errorf("%w: no application has a key of up to %d characters, as dfsapi wants it", ErrSnippet, maxDFSAPIKey)
}

// Snippet returns the source of a program that stores the picture it is given by dfsapi's
// saveImage, for good, and prints its URL. It needs what its language comes with. ErrSnippet.
func Snippet(language string, v SnippetValues) (string, error) {
	switch {
	case !slices.Contains(SnippetLanguages, language):
		return "", fmt.Errorf("%w in %q: want one of %s", ErrSnippet, language, strings.Join(SnippetLanguages, ", "))
	case len(v.App) < 1 || len(v.App) > maxDFSAPIKey:
		return "", fmt.Errorf("%w for application %q: dfsapi takes keys of 1 to %d characters", ErrSnippet, v.App, maxDFSAPIKey)
	case strings.ContainsFunc(v.Secret, func(r rune) bool { return r < ' ' }):
		return "", fmt.Errorf("%w: the secret of application %q is no text", ErrSnippet, v.App)
	}
	if v.Secret == "" {
		v.Secret = snippetPlace
	}
	text, err := snippetFiles.ReadFile("snippet/" + language)
	quote := quotes[language]
	if quote == nil {
		quote = quoteJSON
	}
	return strings.NewReplacer("@url@", quote(v.PublicURL), "@key@", quote(v.App), "@secret@", quote(v.Secret)).Replace(string(text)), err
}
