package server

import (
	"strings"

	"tintype/store"
)

// original is the suffix of the picture as it was sent; those made from it have
// their size in its place.
const original = "full"

// variantName is a name of the form {path}/{folder}/{folder}_{suffix}.{ext}. stem
// ends with the second folder; suffix is original or a size.
type variantName struct{ stem, suffix, ext string }

func (v variantName) String() string { return v.stem + "_" + v.suffix + "." + v.ext }

// parseVariant takes a name apart; ok is false for one of another form. That the
// folder comes twice keeps photo_1.jpg and photo_2.jpg, which somebody put, from
// being taken for one picture.
func parseVariant(name string) (v variantName, ok bool) {
	dir, file, _ := cutLast(name, "/")
	_, folder, _ := cutLast(dir, "/")
	rest, isVariant := strings.CutPrefix(file, folder+"_")
	suffix, ext, dotted := strings.Cut(rest, ".")
	isSize := suffix != "" && strings.Trim(suffix, "0123456789") == ""
	if !isVariant || !dotted || folder == "" || suffix != original && !isSize {
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
	objs, err := now.List(v.stem+"_", "", "/", 1000)
	if err != nil {
		return nil, err
	}
	var names []string
	hasOriginal := false
	for _, o := range objs {
		if other, ok := parseVariant(o.Name); ok && other.stem == v.stem {
			names = append(names, o.Name)
			hasOriginal = hasOriginal || other.suffix == original
		}
	}
	if !hasOriginal {
		return []string{name}, nil
	}
	return names, nil
}
