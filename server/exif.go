package server

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"github.com/bep/imagemeta"
)

// exifNames are the tags that are told, in this order: what a photographer would want to
// know, and where it was.
var exifNames = []string{
	"Make", "Model", "LensModel", "DateTimeOriginal", "ExposureTime", "FNumber", "ISO", "FocalLength",
	"GPSLatitude", "GPSLongitude", "Software", "Artist", "Copyright", "ImageDescription",
}

// exifFormats are the formats of which EXIF is read, by media type.
var exifFormats = map[string]imagemeta.ImageFormat{"image/jpeg": imagemeta.JPEG, "image/png": imagemeta.PNG, "image/webp": imagemeta.WebP}

// Limits of what a picture may have its reader do.
const (
	exifReads = 10_000   // calls of its reader, which end a loop that a file leads it into
	exifCount = 500      // tags
	exifSize  = 10 << 10 // bytes of one
	exifText  = 200      // characters of a value that are told
)

// exifTag is what a picture tells of itself.
type exifTag struct {
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// readEXIF returns what the EXIF of a picture tells. What cannot be read tells nothing.
func readEXIF(r io.ReadSeeker, mediaType string) (tags []exifTag) {
	format, ok := exifFormats[mediaType]
	if !ok {
		return nil
	}
	defer func() {
		if recover() != nil { // bytes of strangers in a library
			tags = nil
		}
	}()
	found := make(map[string]string)
	imagemeta.Decode(imagemeta.Options{ // an error may come behind what was found
		R: &countedReads{r, exifReads}, ImageFormat: format, Sources: imagemeta.EXIF, LimitNumTags: exifCount, LimitTagSize: exifSize,
		HandleTag: func(tag imagemeta.TagInfo) error {
			if found[tag.Tag] == "" { // IFD0 comes before that of the thumbnail inside
				found[tag.Tag] = exifValue(tag.Tag, tag.Value)
			}
			return nil
		},
	})
	for _, name := range exifNames {
		if found[name] != "" {
			tags = append(tags, exifTag{name, found[name]})
		}
	}
	return tags
}

// countedReads fails when it has been read so many times.
type countedReads struct {
	io.ReadSeeker
	left int
}

func (c *countedReads) Read(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, errRation
	}
	return c.ReadSeeker.Read(p)
}

// exifValue writes a value for people.
func exifValue(tag string, value any) string {
	var number float64
	switch v := value.(type) {
	case float64:
		number = v
	case interface{ Float64() float64 }:
		number = v.Float64()
	default:
		return plainText(fmt.Sprint(value))
	}
	switch {
	case math.IsNaN(number) || math.IsInf(number, 0):
		return ""
	case tag == "ExposureTime" && number > 0 && number < 0.5:
		return fmt.Sprintf("1/%.0f s", 1/number)
	case tag == "ExposureTime":
		return fmt.Sprintf("%.4g s", number)
	case tag == "FNumber":
		return fmt.Sprintf("f/%.3g", number)
	case tag == "FocalLength":
		return fmt.Sprintf("%.4g mm", number)
	case strings.HasPrefix(tag, "GPS"):
		return fmt.Sprintf("%.5f", number)
	}
	return fmt.Sprintf("%.6g", number)
}

// plainText is what can be shown of a text.
func plainText(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s))
	if runes := []rune(s); len(runes) > exifText {
		s = string(runes[:exifText]) + "…"
	}
	return s
}
