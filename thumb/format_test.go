package thumb

import "testing"

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		f                    Format
		name, ext, mediaType string
	}{
		{0, "unknown", "", "application/octet-stream"},
		{JPEG, "JPEG", "jpg", "image/jpeg"},
		{PNG, "PNG", "png", "image/png"},
		{GIF, "GIF", "gif", "image/gif"},
		{BMP, "BMP", "bmp", "image/bmp"},
		{WebP, "WebP", "webp", "image/webp"},
		{99, "unknown", "", "application/octet-stream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.f.String() != tt.name || tt.f.Ext() != tt.ext || tt.f.MediaType() != tt.mediaType {
				t.Errorf("got %q %q %q", tt.f.String(), tt.f.Ext(), tt.f.MediaType())
			}
			if got := FormatOf(tt.ext); tt.f <= WebP && got != tt.f {
				t.Errorf("FormatOf(%q) = %v", tt.ext, got)
			}
		})
	}
}

func TestFormatOf(t *testing.T) {
	for ext, want := range map[string]Format{
		"JPG": JPEG, "jpeg": JPEG, "JpEg": JPEG, "WEBP": WebP,
		".jpg": 0, "jpe": 0, "tiff": 0, "svg": 0, "": 0, "jpg ": 0,
	} {
		if got := FormatOf(ext); got != want {
			t.Errorf("FormatOf(%q) = %v, want %v", ext, got, want)
		}
	}
}

func TestSniff(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       Format
	}{
		{"nothing", "", 0},
		{"a JPEG", "\xff\xd8\xff\xe0", JPEG},
		{"half of what begins a JPEG", "\xff\xd8", 0},
		{"a PNG", "\x89PNG\r\n\x1a\n", PNG},
		{"a PNG that went through a text transfer", "\x89PNG\n\x1a\n", 0},
		{"a GIF of 1987", "GIF87a", GIF},
		{"a GIF of 1989", "GIF89a", GIF},
		{"a GIF of no year", "GIF88a", 0},
		{"a lossy WebP", "RIFF\x00\x00\x00\x00WEBPVP8 ", WebP},
		{"an extended WebP", "RIFF\x00\x00\x00\x00WEBPVP8X", WebP},
		{"another RIFF", "RIFF\x00\x00\x00\x00WAVEfmt ", 0},
		{"a bitmap", string(headerBMP(1, 1, 24, 0)), BMP},
		{"a text that begins like a bitmap", "BMW is a maker of cars", 0},
		{"a TIFF", "II*\x00\x08\x00\x00\x00", 0},
		{"an SVG", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 0},
		{"a PDF", "%PDF-1.7", 0},
		{"a HEIC", "\x00\x00\x00\x18ftypheic", 0},
		{"a JPEG behind a blank", " \xff\xd8\xff\xe0", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sniff([]byte(tt.data)); got != tt.want {
				t.Errorf("Sniff(%q) = %v, want %v", tt.data, got, tt.want)
			}
		})
	}
}
