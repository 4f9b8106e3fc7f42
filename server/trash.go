package server

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tintype/store"
)

// Trashed is a picture in the trash, with all its variants.
type Trashed struct {
	Path    string    `json:"path"` // CONTAINER/FOLDER, as RestoreTrash takes it
	Deleted time.Time `json:"deleted"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
}

// trashFolder returns the path of the picture that a trashed object is part of.
func trashFolder(name string) string {
	dir, _, _ := cutLast(strings.TrimPrefix(name, trashPrefix), "/")
	return dir
}

// ListTrash calls f for every picture in the trash, by container and folder.
func ListTrash(pictures store.Store, f func(Trashed) error) error {
	var t Trashed
	for from := ""; ; {
		objs, err := pictures.List(trashPrefix, from, "", 1000)
		if err != nil {
			return err
		}
		for _, o := range objs {
			if path := trashFolder(o.Name); path != t.Path || t.Files == 0 {
				if err := told(t, f); err != nil {
					return err
				}
				t = Trashed{Path: path, Deleted: o.Deleted}
			}
			t.Files++
			t.Bytes += o.Size
		}
		if len(objs) == 0 {
			return told(t, f)
		}
		from = objs[len(objs)-1].Name + "\x00"
	}
}

func told(t Trashed, f func(Trashed) error) error {
	if t.Files == 0 {
		return nil
	}
	return f(t)
}

// ErrNoTrash is returned when there is nothing of that name in the trash.
var ErrNoTrash = errors.New("nothing in the trash has that name; see tintype trash list")

// again is what toTrash adds to a folder of which there was one in the trash.
var again = regexp.MustCompile(`\.[0-9a-f]{13}$`)

// RestoreTrash brings a picture, CONTAINER/FOLDER, back from the trash with all its
// variants, or one file of it, and returns their names. store.ErrExists: there is a picture of that name
// again, and nothing has changed.
func RestoreTrash(pictures store.Store, path string) (names []string, err error) {
	path = strings.Trim(strings.TrimPrefix(path, trashPrefix), "/")
	_, err = pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		names = nil
		objs, err := now.List(trashPrefix+path+"/", "", "", 100_000)
		if err != nil {
			return err
		}
		if o, err := now.Stat(trashPrefix + path); err == nil { // one file alone
			objs = append(objs, o)
		}
		for _, o := range objs {
			dir, file := trashFolder(o.Name), o.Name[strings.LastIndex(o.Name, "/")+1:]
			if dir != path && o.Name != trashPrefix+path {
				continue
			}
			name := strings.TrimSuffix(again.ReplaceAllString(dir, ""), "/") + "/" + file
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
		if len(names) == 0 {
			return fmt.Errorf("%w: %q", ErrNoTrash, path)
		}
		return nil
	}})
	return names, err
}
