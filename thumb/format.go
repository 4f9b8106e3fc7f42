package thumb

import (
	"encoding/binary"
	"errors"
	"strings"
)

// ErrFormat is returned when bytes are not a picture of a format that this package takes, or a format is asked for that it cannot
// write.
var ErrFormat = errors.New("thumb: not a picture that is taken")

// Format is a picture format. The zero Format is none.
type Format uint8

// The formats that are taken. WebP is only read, the others are also written.
const (
	JPEG Format = iota + 1
	PNG
	GIF
	BMP
	WebP
)

var formats = [...]struct{ name, ext, mediaType string }{
	0:    {"unknown", "", "application/octet-stream"},
	JPEG: {"JPEG", "jpg", "image/jpeg"},
	PNG:  {"PNG", "png", "image/png"},
	GIF:  {"GIF", "gif", "image/gif"},
	BMP:  {"BMP", "bmp", "image/bmp"},
	WebP: {"WebP", "webp", "image/webp"},
}

// MediaType returns the media type to serve f with, such as "image/jpeg"; for the zero Format "application/octet-stream".
func (f Format) MediaType() string { return f.row().mediaType }

// Ext returns the file extension of f in lower case and without a dot, such as "jpg"; for the zero Format "".
func (f Format) Ext() string { return f.row().ext }

// String returns the name of f as people write it; for the zero Format "unknown".
func (f Format) String() string { return f.row().name }

func (f Format) row() struct{ name, ext, mediaType string } {
	if int(f) >= len(formats) {
		f = 0
	}
	return formats[f]
}

// FormatOf returns the format that a file extension stands for. It comes without its dot, in any case; "jpeg" is "jpg". For any
// other text FormatOf returns 0.
func FormatOf(ext string) Format {
	ext = strings.ToLower(ext)
	if ext == "jpeg" {
		return JPEG
	}
	for f := JPEG; f <= WebP; f++ {
		if formats[f].ext == ext {
			return f
		}
	}
	return 0
}

// Sniff returns the format that data begins as, or 0. It looks at the leading bytes only: what it names may still be damaged.
func Sniff(data []byte) Format {
	s := string(data[:min(len(data), 18)])
	switch {
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		return JPEG
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		return PNG
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		return GIF
	case strings.HasPrefix(s, "RIFF") && len(s) >= 16 && s[8:15] == "WEBPVP8":
		return WebP
	case strings.HasPrefix(s, "BM") && len(s) == 18 && isBMP(data):
		return BMP
	}
	return 0
}

// isBMP reports whether data, which begins with "BM", goes on like a bitmap. Two letters alone would make a picture of every text
// that begins with "BMW".
func isBMP(data []byte) bool {
	reserved, header := binary.LittleEndian.Uint32(data[6:]), binary.LittleEndian.Uint32(data[14:])
	return reserved == 0 && (header == 12 || header >= 40 && header <= 124)
}
