package server

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"tintype/sign"
)

// ErrName is returned for a name that no picture can have.
var ErrName = errors.New("no URL can have the name")

// InGroup says whether a name, or its beginning, is that of a FastDFS-style link.
func InGroup(name string) bool {
	group, _, ok := strings.Cut(name, "/")
	return ok && isGroup(group)
}

// CheckName returns nil if a picture can be stored under a name and read at its URL, with
// account as the name of the storage account: ErrName.
func CheckName(name, account string) error {
	if InGroup(name) {
		if _, err := sign.ParseFileID(name); err != nil {
			return fmt.Errorf("%w: it is no FastDFS file ID", ErrName)
		}
		return nil
	}
	a, err := parseAddress((&url.URL{Path: name}).EscapedPath(), "", account)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrName, err)
	case a.name() != name || a.blob == "" || strings.HasPrefix(name, trashPrefix):
		return ErrName
	case checkName(a.blob) != nil:
		return fmt.Errorf("%w: clients take . and .. between slashes away", ErrName)
	}
	return nil
}

// NameOf returns the name that a URL of this server has, whatever its host; the query does
// not count. ErrName: it is of no picture.
func NameOf(link, account string) (string, error) {
	link, _, _ = strings.Cut(link, "#")
	link, _, _ = strings.Cut(link, "?")
	_, rest, _ := strings.Cut(link, "://")
	host, path, _ := strings.Cut(rest, "/")
	if InGroup(path) {
		return path, nil
	}
	a, err := parseAddress(path, host, account)
	if err != nil || a.blob == "" {
		return "", fmt.Errorf("%w: %q", ErrName, link)
	}
	return a.name(), nil
}
