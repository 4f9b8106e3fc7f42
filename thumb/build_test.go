package thumb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
)

// Markers of a JPEG.
const (
	markerRST0 = 0xd0
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP1 = 0xe1
)

// file returns a picture of testdata/pictures.
func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// corners returns a picture of w x h that looks different from every side: red to the right, green to the bottom, a blue corner at
// the top left.
func corners(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(255 * x / w), uint8(255 * y / h), 0, 255}
			if x < w/2 && y < h/3 {
				c.B = 255
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func encoded(t testing.TB, f Format, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch f {
	case JPEG:
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
	case PNG:
		err = png.Encode(&b, m)
	case GIF:
		err = gif.Encode(&b, m, nil)
	case BMP:
		err = bmp.Encode(&b, m)
	default:
		t.Fatalf("no encoder for %v", f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decoded returns the pixels of what the package made, and fails when its bytes are not of the format that it says.
func decoded(t testing.TB, made Thumbnail) image.Image {
	t.Helper()
	if got := Sniff(made.Data); got != made.Format {
		t.Fatalf("the bytes are %v, the thumbnail says %v", got, made.Format)
	}
	m, _, err := image.Decode(bytes.NewReader(made.Data))
	if err != nil {
		t.Fatalf("decode a thumbnail: %v", err)
	}
	if got, want := m.Bounds(), image.Rect(0, 0, made.Width, made.Height); got != want {
		t.Fatalf("pixels %v, the thumbnail says %v", got, want)
	}
	return m
}

// difference returns the mean difference of two pictures of one size, in 1/255.
func difference(t testing.TB, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		t.Fatalf("compare %v with %v", a.Bounds(), b.Bounds())
	}
	p, q := image.NewRGBA(image.Rectangle{Max: a.Bounds().Size()}), image.NewRGBA(image.Rectangle{Max: a.Bounds().Size()})
	draw.Draw(p, p.Rect, a, a.Bounds().Min, draw.Src)
	draw.Draw(q, q.Rect, b, b.Bounds().Min, draw.Src)
	sum := 0
	for i := range p.Pix {
		sum += max(int(p.Pix[i]), int(q.Pix[i])) - min(int(p.Pix[i]), int(q.Pix[i]))
	}
	return float64(sum) / float64(len(p.Pix))
}

// exifBlock returns an EXIF block with one entry, the orientation.
func exifBlock(order binary.AppendByteOrder, o int) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, uint16(o))
	return append(b, 0, 0, 0, 0, 0, 0)
}

// segment returns a JPEG marker with its payload.
func segment(marker byte, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(payload))), payload...)
}

// withExif puts an EXIF block behind the first two bytes of a JPEG.
func withExif(data, exif []byte) []byte {
	app1 := segment(markerAPP1, append([]byte("Exif\x00\x00"), exif...)...)
	return append(append(bytes.Clone(data[:2]), app1...), data[2:]...)
}

func pngChunk(kind string, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(append(b, kind...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngOf returns a PNG of any size that has rows of zeros only, and as many of them as asked.
func pngOf(w, h int, depth, colourType byte, rows int) []byte {
	channels := map[byte]int{0: 1, 2: 3, 3: 1, 6: 4}[colourType]
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	head = append(head, depth, colourType, 0, 0, 0)
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	for range rows {
		zw.Write(make([]byte, 1+(w*channels*int(depth)+7)/8))
	}
	zw.Close()
	b := append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", head)...)
	b = append(b, pngChunk("IDAT", z.Bytes())...)
	return append(b, pngChunk("IEND", nil)...)
}

// flatHuffman returns a table of one code of one bit, 0, which means value.
func flatHuffman(class, value byte) []byte {
	return segment(0xc4, append([]byte{class, 1}, append(make([]byte, 15), value)...)...)
}

// jpegHead returns the beginning of a gray JPEG: tables and frame.
func jpegHead(frame byte, w, h int) []byte {
	b := append([]byte{0xff, markerSOI}, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	b = append(b, segment(frame, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)...)
	b = append(b, flatHuffman(0x00, 0)...)       // the brightness does not change
	return append(b, flatHuffman(0x10, 0x60)...) // the next 64 blocks and more are empty
}

// scansJPEG returns a whole progressive JPEG of 64x64 that claims to be w x h and has so many scans.
func scansJPEG(w, h, scans int) []byte {
	b := jpegHead(0xc2, w, h)
	b = append(append(b, segment(markerSOS, 1, 1, 0, 0, 0, 0)...), make([]byte, 8)...)
	for range scans - 1 {
		b = append(append(b, segment(markerSOS, 1, 1, 0, 1, 63, 0)...), 0x01) // code 0, six bits 0, one bit of padding
	}
	return append(b, 0xff, markerEOI)
}

// hugeJPEG returns a JPEG of any size with hardly a pixel.
func hugeJPEG(frame byte, w, h int) []byte {
	last := byte(63)
	if frame == 0xc2 {
		last = 0
	}
	b := append(jpegHead(frame, w, h), segment(markerSOS, 1, 1, 0, 0, last, 0)...)
	return append(append(b, make([]byte, 64)...), 0xff, markerEOI)
}

// hidingJPEG returns a progressive JPEG of 2000x2000 that hides its scans from whoever walks its markers. Its first scan lacks a
// restart marker before the last block. A decoder that looked for it beyond the next marker would find one inside of the segment
// that follows, and go on there.
func hidingJPEG(scans int) []byte {
	const blocks = 250 * 250
	b := append([]byte{0xff, markerSOI}, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	b = append(b, segment(0xc2, 8, 2000>>8, 2000&0xff, 2000>>8, 2000&0xff, 1, 1, 0x11, 0)...)
	b = append(append(b, flatHuffman(0x00, 0)...), flatHuffman(0x10, 0xe0)...)
	b = append(b, segment(0xdd, (blocks-1)>>8, (blocks-1)&0xff)...)
	b = append(append(b, segment(markerSOS, 1, 1, 0, 0, 0, 0)...), make([]byte, blocks/8+1)...)
	hidden := []byte{0xff, markerRST0, 0}
	for range scans {
		hidden = append(hidden, segment(markerSOS, 1, 1, 0, 1, 63, 0)...)
		hidden = append(hidden, 0x55, 0x54, 0xaa, 0xa9, 0x55, 0x50) // three times 27306 empty blocks, which is enough
		hidden = append(hidden, 0xff, markerRST0, 0x55, 0x54)
	}
	b = append(b, segment(markerAPP1, hidden...)...)
	return append(b, 0xff, markerEOI)
}

// framesGIF returns an animation in which every frame has another colour.
func framesGIF(t testing.TB, w, h, frames int) []byte {
	t.Helper()
	g := &gif.GIF{Config: image.Config{Width: w, Height: h, ColorModel: color.Palette(palette.WebSafe)}}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, w, h), palette.WebSafe)
		for p := range m.Pix {
			m.Pix[p] = uint8(5 + i%200)
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// headerBMP returns a bitmap that ends with its header.
func headerBMP(w, h int32, bits, compression uint16) []byte {
	b := append([]byte("BM"), make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 54)
	b = binary.LittleEndian.AppendUint32(b, 40)
	b = binary.LittleEndian.AppendUint32(b, uint32(w))
	b = binary.LittleEndian.AppendUint32(b, uint32(h))
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, bits)
	b = binary.LittleEndian.AppendUint16(b, compression)
	return append(b, make([]byte, 22)...)
}

// riff returns a WebP of chunks.
func riff(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	return append(append(b, "WEBP"...), body...)
}

func chunk(kind string, payload ...byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(payload)))
	return append(append(b, payload...), make([]byte, len(payload)%2)...)
}

func vp8x(flags byte, w, h int) []byte {
	w, h = w-1, h-1
	return chunk("VP8X", flags, 0, 0, 0, byte(w), byte(w>>8), byte(w>>16), byte(h), byte(h>>8), byte(h>>16))
}

// vp8l returns the beginning of a lossless picture.
func vp8l(w, h int) []byte {
	return chunk("VP8L", append(binary.LittleEndian.AppendUint32([]byte{0x2f}, uint32(w-1|(h-1)<<14)), make([]byte, 32)...)...)
}

// vp8 returns the beginning of a lossy picture.
func vp8(w, h int) []byte {
	b := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
	return chunk("VP8 ", append(b, make([]byte, 32)...)...)
}
