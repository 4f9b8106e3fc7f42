package server

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	// errContainerLength and errContainerName are returned for a text that cannot
	// be a container: blob.md section 3.
	errContainerLength = errors.New("container name is not 3 to 63 characters long")
	errContainerName   = errors.New("container name has other than a-z, 0-9 and single hyphens between them")
)

// trashPrefix comes before the container of a deleted picture.
const trashPrefix = "delete-"

// CheckContainer returns nil if name can be a container: blob.md section 3.
func CheckContainer(name string) error {
	if n := utf8.RuneCountInString(name); n < 3 || n > 63 {
		return errContainerLength
	}
	for i, c := range []byte(name) {
		hyphen := c == '-'
		if !hyphen && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return errContainerName
		}
		if hyphen && (i == 0 || i == len(name)-1 || name[i-1] == '-') {
			return errContainerName
		}
	}
	return nil
}

// isGroup says whether a first path segment is a FastDFS group of ours: "group"
// or "cache" and digits. Such a segment is never a container.
func isGroup[T string | []byte](segment T) bool {
	if len(segment) <= len("group") || string(segment[:5]) != "group" && string(segment[:5]) != "cache" {
		return false
	}
	for _, c := range []byte(segment[5:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// owner returns the key of the application whose container it is, "" for
// nobody's. Containers are named {key}-..., and of two keys that fit, such as
// "a" and "a-b" for "a-b-picture-1", the longer one owns it.
func (s *Server) owner(container string) string { return ownerOf(s.cfg.Apps, container) }

func ownerOf(apps Apps, container string) string {
	owner := ""
	if strings.HasPrefix(container, trashPrefix) {
		return owner
	}
	for _, app := range apps.Apps() {
		if len(app.Key) > len(owner) && strings.HasPrefix(container, strings.ToLower(app.Key)+"-") {
			owner = app.Key
		}
	}
	return owner
}

// isPublic says whether a container is read without a token: that of the portraits
// of one of apps.
func isPublic(apps Apps, container string) bool {
	owner := ownerOf(apps, container)
	return owner != "" && container == portraitContainer(owner)
}

func portraitContainer(appKey string) string { return strings.ToLower(appKey) + "-portrait" }
