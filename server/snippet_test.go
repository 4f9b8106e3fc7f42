package server

import (
	"errors"
	"strings"
	"testing"
)

func TestSnippetsOfValues(t *testing.T) {
	for _, language := range SnippetLanguages {
		text, err := Snippet(language, SnippetValues{PublicURL: "https://pictures.example", App: "1234567890"})
		for _, want := range []string{"https://pictures.example", "1234567890", snippetPlace} {
			if err != nil || !strings.Contains(text, want) {
				t.Errorf("%s: no %q, %v", language, want, err)
			}
		}
	}
	for _, test := range []struct {
		name, language string
		v              SnippetValues
	}{
		{"another language", "cobol", SnippetValues{App: "1"}},
		{"no application", "go", SnippetValues{}},
		{"a key that dfsapi does not take", "go", SnippetValues{App: "12345678901"}},
		{"a secret that ends lines", "go", SnippetValues{App: "1", Secret: "a\nb"}},
	} {
		if text, err := Snippet(test.language, test.v); !errors.Is(err, ErrSnippet) || text != "" {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
