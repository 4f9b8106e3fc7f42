package server

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"tintype/store"
	"tintype/thumb"
)

// original is the suffix of the picture as it was sent; those made from it have
// their size in its place.
const original = "full"

// errReplaced is returned when an original was replaced while a variant was made
// of it; it is a store.ErrNotFound.
var errReplaced = fmt.Errorf("%w: its original has been replaced", store.ErrNotFound)

// variantName is a name of the form {path}/{folder}/{folder}_{suffix}.{ext}. stem
// ends with the second folder; suffix is original or a size.
type variantName struct{ stem, suffix, ext string }

func (v variantName) String() string { return v.stem + "_" + v.suffix + "." + v.ext }

// parseVariant takes a name apart; ok is false for one of another form. That the
// folder comes twice and ext is that of a picture keeps photo_1.jpg and photo_2.jpg,
// or logs/logs_1.txt, which somebody put, from being taken for one picture.
func parseVariant(name string) (v variantName, ok bool) {
	dir, file, _ := cutLast(name, "/")
	_, folder, _ := cutLast(dir, "/")
	rest, isVariant := strings.CutPrefix(file, folder+"_")
	suffix, ext, dotted := strings.Cut(rest, ".")
	isSize := suffix != "" && strings.Trim(suffix, "0123456789") == ""
	if !isVariant || !dotted || folder == "" || suffix != original && !isSize || thumb.FormatOf(ext) == 0 {
		return variantName{}, false
	}
	return variantName{dir + "/" + folder, suffix, ext}, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// variants returns the names of the picture that name is a variant of: name
// itself, and where there is an original everything made from it. ErrNotFound:
// there is no such object.
func variants(now store.View, name string) ([]string, error) {
	if _, err := now.Stat(name); err != nil {
		return nil, err
	}
	v, ok := parseVariant(name)
	if !ok {
		return []string{name}, nil
	}
	all, err := family(now, v.stem)
	var names []string
	hasOriginal := false
	for _, m := range all {
		names = append(names, m.Name)
		hasOriginal = hasOriginal || m.suffix == original
	}
	if !hasOriginal {
		names = []string{name}
	}
	return names, err
}

// member is an object with its name taken apart.
type member struct {
	variantName
	store.Object
}

// family returns the original and the variants of a stem.
func family(now store.View, stem string) ([]member, error) {
	objs, err := now.List(stem+"_", "", "/", 1000)
	var all []member
	for _, o := range objs {
		if v, ok := parseVariant(o.Name); ok && v.stem == stem {
			all = append(all, member{v, o})
		}
	}
	return all, err
}

// replace adds to ch what goes when the blob called name is put anew: staged blocks,
// and the variants made of it.
func replace(now store.View, ch *store.Change, name string) error {
	return errors.Join(dropBlocks(now, ch, name), dropMade(now, ch, name))
}

// dropMade adds to ch what removes the variants made from the original called
// name, which is to be replaced: they show what was. What clients put beside it stays.
func dropMade(now store.View, ch *store.Change, name string) error {
	v, ok := parseVariant(name)
	if !ok || v.suffix != original {
		return nil
	}
	all, err := family(now, v.stem)
	for _, m := range all {
		if m.Original != (store.Digest{}) && m.Name != name {
			ch.Delete = append(ch.Delete, m.Name)
		}
	}
	return err
}

// makeVariant makes the variant called name from its original, if it has one of
// the configured sizes, and stores it. However many ask at once, it is made once.
// ErrNotFound: it cannot be made, or has another extension.
func (s *Server) makeVariant(name string) error {
	v, size, ok := wantedVariant(name, s.cfg.Thumbs)
	if !ok {
		return store.ErrNotFound
	}
	made, err, _ := s.making.Do(v.stem+"_"+v.suffix, func() (any, error) { return s.madeVariant(v, size) })
	if err == nil && made != name {
		err = store.ErrNotFound
	}
	return err
}

// wantedVariant takes the name of a variant apart that may be made: of one of sizes,
// and not in the trash.
func wantedVariant(name string, sizes []int) (v variantName, size int, ok bool) {
	v, ok = parseVariant(name)
	size, err := strconv.Atoi(v.suffix)
	ok = ok && err == nil && strconv.Itoa(size) == v.suffix && slices.Contains(sizes, size) && !strings.HasPrefix(name, trashPrefix)
	return v, size, ok
}

// isMadeOnRequest says whether a blob that is missing is made when it is read: a
// variant of one of sizes, with an original that is a picture.
func isMadeOnRequest(now store.View, name string, sizes []int) bool {
	v, _, ok := wantedVariant(name, sizes)
	if !ok {
		return false
	}
	_, there, err := lookForVariant(now, v)
	return err == nil && there == ""
}

// madeVariant makes and stores the variant of a size and returns its name, or
// that of the one which is there.
func (s *Server) madeVariant(v variantName, size int) (string, error) {
	from, there, err := lookForVariant(s.cfg.Pictures, v)
	if err != nil || there != "" {
		return there, err
	}
	_, body, err := s.cfg.Pictures.Open(from.Name)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var made []thumb.Thumbnail
	err = s.decoding(func() error {
		data, err := io.ReadAll(body)
		if err == nil {
			made, err = thumb.Make(data, s.cfg.Limits, size)
		}
		return err
	})
	if errors.Is(err, errBusy) {
		return "", err
	}
	if err != nil { // it is no picture that can be made smaller
		return "", fmt.Errorf("%w: %v", store.ErrNotFound, err)
	}
	t := made[0]
	v.ext = t.Format.Ext()
	_, err = s.cfg.Pictures.Apply(store.Change{
		Put: []store.Item{{
			Object: store.Object{
				Name: v.String(), Owner: from.Owner, MediaType: t.Format.MediaType(), Width: t.Width, Height: t.Height,
				MD5: md5.Sum(t.Data), Original: from.Digest, Created: s.cfg.Now(),
			},
			Body: bytes.NewReader(t.Data), New: true,
		}},
		Decide: func(now store.View, _ *store.Change) error { // it may have been deleted or replaced meanwhile
			o, err := now.Stat(from.Name)
			if err == nil && o.Digest != from.Digest {
				err = errReplaced
			}
			return err
		},
	})
	if errors.Is(err, store.ErrExists) {
		err = nil
	}
	return v.String(), err
}

// lookForVariant returns the original of a variant, or the name of the variant
// where there is one already, perhaps with another extension.
func lookForVariant(now store.View, v variantName) (from store.Object, there string, err error) {
	all, err := family(now, v.stem)
	if err != nil {
		return store.Object{}, "", err
	}
	for _, m := range all {
		switch {
		case m.suffix == v.suffix:
			return store.Object{}, m.Name, nil
		case m.suffix == original && m.Width > 0 && from.Name == "":
			from = m.Object
		}
	}
	if from.Name == "" {
		return store.Object{}, "", store.ErrNotFound
	}
	return from, "", nil
}
