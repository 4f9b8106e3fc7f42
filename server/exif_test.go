package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// entry is a field of an IFD; its value comes behind it.
type entry struct {
	tag, kind uint16
	count     uint32
	value     []byte
}

func ascii(tag uint16, s string) entry {
	return entry{tag, 2, uint32(len(s) + 1), append([]byte(s), 0)}
}

func rational(tag uint16, pairs ...uint32) entry {
	var b []byte
	for _, n := range pairs {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return entry{tag, 5, uint32(len(pairs) / 2), b}
}

func pointer(tag uint16, to uint32) entry {
	return entry{tag, 4, 1, binary.BigEndian.AppendUint32(nil, to)}
}

// ifd is a directory that lies at an offset of a TIFF file.
func ifd(at int, entries ...entry) []byte {
	head := binary.BigEndian.AppendUint16(nil, uint16(len(entries)))
	var values []byte
	behind := at + 2 + 12*len(entries) + 4
	for _, e := range entries {
		head = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(head, e.tag), e.kind)
		head = binary.BigEndian.AppendUint32(head, e.count)
		if len(e.value) <= 4 {
			head = append(head, append(e.value, make([]byte, 4-len(e.value))...)...)
			continue
		}
		head = binary.BigEndian.AppendUint32(head, uint32(behind+len(values)))
		values = append(values, e.value...)
	}
	return append(append(head, 0, 0, 0, 0), values...)
}

// withEXIF puts EXIF that a camera could have written into a JPEG.
func withEXIF(jpeg []byte) []byte {
	const exifAt, gpsAt = 300, 500
	tiff := append([]byte("MM\x00*\x00\x00\x00\x08"), ifd(8, ascii(0x10f, "Tintype"), ascii(0x110, "Model\x07 <b>"), pointer(0x8769, exifAt), pointer(0x8825, gpsAt))...)
	tiff = append(tiff, make([]byte, exifAt-len(tiff))...)
	tiff = append(tiff, ifd(exifAt, rational(0x829a, 1, 250), rational(0x829d, 28, 10), ascii(0x9003, "2024:05:06 07:08:09"), rational(0x920a, 50, 1))...)
	tiff = append(tiff, make([]byte, gpsAt-len(tiff))...)
	tiff = append(tiff, ifd(gpsAt, ascii(1, "N"), rational(2, 25, 1, 2, 1, 0, 1), ascii(3, "E"), rational(4, 121, 1, 30, 1, 0, 1))...)
	app1 := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(app1)+2))
	return append(append(head, app1...), jpeg[2:]...)
}

func TestEXIFIsToldForPeople(t *testing.T) {
	tags := readEXIF(bytes.NewReader(withEXIF(testPicture(t, "photo.jpg"))), "image/jpeg")
	want := "[{Make Tintype} {Model Model <b>} {DateTimeOriginal 2024:05:06 07:08:09} {ExposureTime 1/250 s} {FNumber f/2.8} " +
		"{FocalLength 50 mm} {GPSLatitude 25.03333} {GPSLongitude 121.50000}]"
	if got := fmt.Sprint(tags); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if tags := readEXIF(strings.NewReader("GIF89a"), "image/gif"); tags != nil {
		t.Errorf("of a GIF: %v", tags)
	}
}

func FuzzEXIF(f *testing.F) {
	f.Add(withEXIF([]byte{0xff, 0xd8, 0xff, 0xd9}), 0)
	f.Add([]byte("\x89PNG\r\n\x1a\n"), 1)
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8X"), 2)
	f.Fuzz(func(t *testing.T, data []byte, kind int) {
		for _, tag := range readEXIF(bytes.NewReader(data), []string{"image/jpeg", "image/png", "image/webp"}[uint(kind)%3]) {
			if tag.Value == "" || len([]rune(tag.Value)) > exifText+1 || strings.ContainsAny(tag.Value, "\x00\n\x1b") {
				t.Errorf("%s: %q", tag.Tag, tag.Value)
			}
		}
	})
}
