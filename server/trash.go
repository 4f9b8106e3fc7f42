package server

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"tintype/store"
)

// Trashed is a picture in the trash, with all its variants, or one file that is no
// variant of another.
type Trashed struct {
	Path    string    `json:"path"` // CONTAINER/FOLDER, or CONTAINER/PATH of a file, as RestoreTrash takes it
	Deleted time.Time `json:"deleted"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Name    string    `json:"name"` // of its original as it lies in the trash
	Type    string    `json:"type"` // media type of that
}

// trashPath returns the path of what a trashed object is part of: for variants of a
// picture their folder, and whether it is the original of those.
func trashPath(name string) (path string, isOriginal bool) {
	name = strings.TrimPrefix(name, trashPrefix)
	dir, file, _ := cutLast(name, "/")
	if v, ok := parseVariant(again.ReplaceAllString(dir, "") + "/" + file); ok {
		return dir, v.suffix == original
	}
	return name, false
}

// TrashPage returns up to limit pictures of the trash, by container and folder, whose names
// there are not before from, and where to go on; "" at the end.
func TrashPage(pictures store.Store, from string, limit int) (found []Trashed, next string, err error) {
	for {
		objs, err := pictures.List(trashPrefix, from, "", 1000)
		if err != nil {
			return nil, "", err
		}
		for _, o := range objs {
			path, isOriginal := trashPath(o.Name)
			if n := len(found); n == 0 || found[n-1].Path != path {
				if n == limit {
					return found, o.Name, nil
				}
				found = append(found, Trashed{Path: path, Deleted: o.Deleted, Name: o.Name, Type: o.MediaType})
			}
			t := &found[len(found)-1]
			t.Files++
			t.Bytes += o.Size
			if isOriginal {
				t.Name, t.Type = o.Name, o.MediaType
			}
		}
		if len(objs) == 0 {
			return found, "", nil
		}
		from = objs[len(objs)-1].Name + "\x00"
	}
}

// ErrNoTrash is returned when there is nothing of that name in the trash.
var ErrNoTrash = errors.New("nothing in the trash has that name; see tintype trash list")

// again is what toTrash adds to a folder of which there was one in the trash.
var again = regexp.MustCompile(`\.[0-9a-f]{13}$`)

// trashed returns what is in the trash under a path: the files of a folder, or the one file,
// whose name may end with a slash.
func trashed(now store.View, path string) ([]store.Object, error) {
	var objs []store.Object
	if !strings.HasSuffix(path, "/") {
		var err error
		if objs, err = now.List(trashPrefix+path+"/", "", "/", 100_000); err != nil {
			return nil, err
		}
		objs = slices.DeleteFunc(objs, func(o store.Object) bool { return strings.HasSuffix(o.Name, "/") }) // a folder below
	}
	switch o, err := now.Stat(trashPrefix + path); {
	case err == nil:
		objs = append(objs, o)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	if folder, ok := strings.CutSuffix(path, "/"); ok && len(objs) == 0 {
		return trashed(now, folder)
	}
	if len(objs) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrNoTrash, path)
	}
	return objs, nil
}

func cleanTrashPath(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, trashPrefix), "/")
}

// nameBefore is the name that toTrash gave a trashed one for.
func nameBefore(name string) string {
	dir, file, _ := cutLast(strings.TrimPrefix(name, trashPrefix), "/")
	if before := again.ReplaceAllString(dir, ""); before != dir {
		dir = strings.TrimSuffix(before, "/")
	}
	return dir + "/" + file
}

// RestoreTrash brings back from the trash what TrashPage tells the path of, and returns the
// names. store.ErrExists: there is a picture of that name again, and nothing has changed.
func RestoreTrash(pictures store.Store, path string) (names []string, err error) {
	path = cleanTrashPath(path)
	_, err = pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		names = nil
		objs, err := trashed(now, path)
		if err != nil {
			return err
		}
		for _, o := range objs {
			name := nameBefore(o.Name)
			if _, err := now.Stat(name); err == nil {
				return fmt.Errorf("%w: %q", store.ErrExists, name)
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			names = append(names, name)
			ch.Edit = append(ch.Edit, store.Edit{Name: o.Name, Do: func(o *store.Object) error {
				o.Name, o.Deleted = name, time.Time{}
				return nil
			}})
		}
		return nil
	}})
	return names, err
}

// PurgeTrash removes for good what TrashPage tells the path of, and says how much it was.
func PurgeTrash(pictures store.Store, path string) (files int, bytes int64, err error) {
	_, err = pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		files, bytes = 0, 0
		objs, err := trashed(now, cleanTrashPath(path))
		for _, o := range objs {
			files, bytes = files+1, bytes+o.Size
			ch.Delete = append(ch.Delete, o.Name)
		}
		return err
	}})
	return files, bytes, err
}
