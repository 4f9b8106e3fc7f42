package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMetadata is the most that names and values may have together, in bytes: Azure's limit.
const maxMetadata = 8 << 10

// readMetadata reads what was stored beside a file with fdfs_set_metadata, as headers of Put
// Blob; nil where there is nothing.
func readMetadata(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	return parseMetadata(data)
}

// parseMetadata splits records at 1 and names from values at 2, as FastDFS joins them.
func parseMetadata(data []byte) (map[string]string, error) {
	if len(data) == 0 {
		return nil, nil
	}
	all, size := make(map[string]string), 0
	for record := range strings.SplitSeq(string(data), "\x01") {
		name, value, _ := strings.Cut(record, "\x02")
		if err := addMetadata(all, name, value); err != nil {
			return nil, err
		}
		if size += len(name) + len(value); size > maxMetadata {
			return nil, fmt.Errorf("it has more than %d bytes", maxMetadata)
		}
	}
	return all, nil
}

// addMetadata adds a name, in small letters, and its value, as a header can carry them.
func addMetadata(header map[string]string, name, value string) error {
	key := "x-ms-meta-" + strings.ToLower(name)
	switch _, twice := header[key]; {
	case twice:
		return fmt.Errorf("the name %q is there twice", name)
	case !isMetadataName(name):
		return fmt.Errorf("the name %q is not of letters, digits and underscores", name)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("the value of %q is no plain text", name)
	}
	header[key] = value
	return nil
}

func isMetadataName(name string) bool {
	other := func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}
	return name != "" && !strings.ContainsFunc(name, other) && (name[0] < '0' || name[0] > '9')
}
