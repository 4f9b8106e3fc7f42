package png

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	stdpng "image/png"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func never() error { return nil }

// decodeAll returns all rows as one, of RGBA.
func decodeAll(data []byte) (*Picture, []byte, error) {
	p, err := Parse(data)
	if err != nil {
		return nil, nil, err
	}
	var pix []byte
	next, n := 0, p.Channels()
	err = p.Rows(never, func(y int, row []byte) error {
		if y != next || len(row) != p.Width*n {
			return fmt.Errorf("row %d of %d bytes, want %d of %d", y, len(row), next, p.Width*n)
		}
		next++
		for i := 0; i < len(row); i += n {
			switch n {
			case 1:
				pix = append(pix, row[i], row[i], row[i], 255)
			case 3:
				pix = append(pix, row[i], row[i+1], row[i+2], 255)
			case 4:
				pix = append(pix, row[i:i+4]...)
			}
		}
		return nil
	})
	if err == nil && next != p.Height {
		err = fmt.Errorf("%d rows of %d", next, p.Height)
	}
	return p, pix, err
}

// nrgba returns the pixels that image/png decoded, the high bytes of 16 bits; color.NRGBAModel would multiply and divide them.
func nrgba(img image.Image) []byte {
	var pix []byte
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			switch c := img.At(x, y).(type) {
			case color.NRGBA64:
				pix = append(pix, byte(c.R>>8), byte(c.G>>8), byte(c.B>>8), byte(c.A>>8))
			default:
				n := color.NRGBAModel.Convert(c).(color.NRGBA)
				pix = append(pix, n.R, n.G, n.B, n.A)
			}
		}
	}
	return pix
}

// compare holds data against image/png.
func compare(t *testing.T, name string, data []byte) {
	t.Helper()
	img, wantErr := stdpng.Decode(bytes.NewReader(data))
	p, got, err := decodeAll(data)
	if wantErr != nil {
		if err == nil {
			t.Errorf("%s: no error, image/png says %v", name, wantErr)
		} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v is neither ErrDamaged nor ErrFormat", name, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v, image/png decodes it", name, err)
		return
	}
	if want := img.Bounds().Size(); p.Width != want.X || p.Height != want.Y {
		t.Errorf("%s: %dx%d, want %v", name, p.Width, p.Height, want)
	}
	want := nrgba(img)
	for i := range want {
		if got[i] != want[i] {
			x, y := i/4%p.Width, i/4/p.Width
			t.Errorf("%s: pixel %d,%d is %v, want %v", name, x, y, got[i/4*4:][:4], want[i/4*4:][:4])
			return
		}
		if i%4 == 3 && got[i] != 255 && !p.Alpha {
			t.Errorf("%s: not opaque, but Alpha is not set", name)
		}
	}
}

// pictures returns the PNG files that image/png is tested with, the PngSuite among them. They come with Go.
func pictures(tb testing.TB) map[string][]byte {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src/image/png/testdata")
	names, _ := filepath.Glob(filepath.Join(dir, "*.png"))
	suite, _ := filepath.Glob(filepath.Join(dir, "pngsuite", "*.png"))
	if names = append(names, suite...); len(names) < 40 {
		tb.Skipf("this Go comes without the test pictures of image/png: %d in %s", len(names), dir)
	}
	found := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		found[filepath.Base(name)] = data
	}
	return found
}

func TestFilesAsImagePNG(t *testing.T) {
	for name, data := range pictures(t) {
		compare(t, name, data)
		compare(t, name+" and trailing data", append(data[:len(data):len(data)], "trailing"...))
	}
	shared, _ := filepath.Glob("../../testdata/pictures/*.png")
	for _, name := range shared {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, name, data)
	}
}

func TestEveryKindFilterAndSize(t *testing.T) {
	sizes := [][2]int{{1, 1}, {2, 1}, {1, 5}, {3, 2}, {4, 4}, {5, 3}, {7, 9}, {8, 8}, {9, 1}, {16, 3}, {33, 17}}
	for _, f := range kinds() {
		for _, f.interlaced = range []bool{false, true} {
			for f.filter = mixed; f.filter <= filterPaeth; f.filter++ {
				for _, size := range sizes {
					f.w, f.h = size[0], size[1]
					name := fmt.Sprintf("type %d, %d bits, tRNS %d, interlaced %v, filter %d, %dx%d", f.kind, f.depth, len(f.trns),
						f.interlaced, f.filter, f.w, f.h)
					compare(t, name, f.encode(t))
				}
			}
		}
	}
}

func TestEverySplit(t *testing.T) {
	for _, f := range kinds() {
		f.w, f.h = 33, 17
		for _, f.idat = range []int{1, 2, 7, 100} {
			for _, f.level = range []int{0, 1, 9} {
				compare(t, fmt.Sprintf("type %d, %d bits, IDAT of %d", f.kind, f.depth, f.idat), f.encode(t))
			}
		}
	}
}

// TestLargeRows has rows longer than the window, and more of them than the buffer.
func TestLargeRows(t *testing.T) {
	for _, f := range kinds() {
		f.w, f.h = 20_011, 7
		compare(t, fmt.Sprintf("type %d, %d bits", f.kind, f.depth), f.encode(t))
	}
	f := file{w: 300, h: 1000, depth: 8, kind: trueColor, filter: mixed, level: 6, idat: 8192}
	compare(t, "300x1000", f.encode(t))
}

func TestTruncated(t *testing.T) {
	for name, data := range pictures(t) {
		if _, _, err := decodeAll(data); err != nil {
			continue
		}
		for n := 0; n < len(data); n += 53 {
			_, _, err := decodeAll(data[:n])
			if n < 8 && !errors.Is(err, ErrFormat) || n >= 8 && !errors.Is(err, ErrDamaged) {
				t.Errorf("%s cut to %d of %d bytes: error %v", name, n, len(data), err)
			}
		}
	}
}

// TestTruncatedInside cuts the pixels but leaves every chunk whole.
func TestTruncatedInside(t *testing.T) {
	whole := file{w: 60, h: 50, depth: 8, kind: trueAlpha, filter: mixed, level: 6}
	for rows := 1; rows < whole.h; rows++ {
		f := whole
		f.rows = rows
		compare(t, fmt.Sprintf("%d rows of %d", rows, f.h), f.encode(t))
	}
}

func TestVerdictsAsImagePNG(t *testing.T) {
	base := file{w: 9, h: 9, depth: 8, kind: trueColor, filter: mixed, level: 6}
	with := func(change func(*file)) []byte {
		f := base
		change(&f)
		return f.encode(t)
	}
	text := chunkOf("tEXt", []byte("a\x00b"))
	cases := map[string][]byte{
		"a row too many":               with(func(f *file) { f.more = make([]byte, 28) }),
		"a byte too many":              with(func(f *file) { f.more = []byte{0} }),
		"bytes after the stream":       with(func(f *file) { f.junk = []byte("junk") }),
		"5000 bytes after it":          with(func(f *file) { f.junk = make([]byte, 5000) }),
		"chunks after it":              with(func(f *file) { f.junk = make([]byte, 1000); f.idat = 100 }),
		"IDAT later on":                with(func(f *file) { f.after = append(text[:len(text):len(text)], chunkOf("IDAT", []byte{1})...) }),
		"a wrong checksum at its end":  with(func(f *file) { f.after = append(text[:len(text)-1:len(text)-1], 0) }),
		"filter 5":                     with(func(f *file) { f.filter = 5 }),
		"filter 255":                   with(func(f *file) { f.filter = 255 }),
		"palette after tRNS":           with(func(f *file) { f.before = chunkOf("PLTE", make([]byte, 3)); f.trns = make([]byte, 6) }),
		"palette after the pixels":     with(func(f *file) { f.after = chunkOf("PLTE", make([]byte, 3)) }),
		"two palettes":                 with(func(f *file) { f.palette = make([]byte, 3); f.before = chunkOf("PLTE", make([]byte, 3)) }),
		"two tRNS":                     with(func(f *file) { f.trns = make([]byte, 6); f.before = chunkOf("tRNS", make([]byte, 6)) }),
		"palette of a true colour":     with(func(f *file) { f.palette = make([]byte, 30) }),
		"palette of gray":              with(func(f *file) { f.kind = gray; f.palette = make([]byte, 3) }),
		"palette of 4 bytes":           with(func(f *file) { f.kind = indexed; f.palette = make([]byte, 4) }),
		"palette of 0 bytes":           with(func(f *file) { f.kind = indexed; f.palette = []byte{} }),
		"palette too long":             with(func(f *file) { f.kind = indexed; f.depth = 1; f.palette = make([]byte, 9) }),
		"no palette":                   with(func(f *file) { f.kind = indexed }),
		"tRNS without a palette":       with(func(f *file) { f.kind = indexed; f.trns = []byte{1} }),
		"tRNS longer than the palette": with(func(f *file) { f.kind = indexed; f.palette = make([]byte, 3); f.trns = []byte{1, 2, 3} }),
		"tRNS empty":                   with(func(f *file) { f.kind = indexed; f.palette = make([]byte, 3); f.trns = []byte{} }),
		"tRNS of 257":                  with(func(f *file) { f.kind = indexed; f.palette = make([]byte, 3); f.trns = make([]byte, 257) }),
		"tRNS of 5 bytes":              with(func(f *file) { f.trns = make([]byte, 5) }),
		"tRNS with alpha":              with(func(f *file) { f.kind = trueAlpha; f.trns = make([]byte, 6) }),
		"tRNS with high bits":          with(func(f *file) { f.kind = gray; f.depth = 2; f.trns = []byte{7, 1} }),
		"second IHDR":                  with(func(f *file) { f.before = base.header() }),
		"type 1":                       with(func(f *file) { f.kind = 1 }),
		"type 3 of 16 bits":            with(func(f *file) { f.kind = indexed; f.depth = 16; f.palette = make([]byte, 3) }),
		"IEND before the pixels":       with(func(f *file) { f.before = chunkOf("IEND", nil) }),
		"IEND with bytes":              with(func(f *file) { f.after = chunkOf("IEND", []byte{1}) }),
		"empty IDATs":                  with(func(f *file) { f.before = chunkOf("IDAT", nil); f.after = f.before }),
		"a chunk before IHDR":          append([]byte(signature), append(text, base.encode(t)[8:]...)...),
		"nothing":                      nil,
		"signature":                    []byte(signature),
		"no pixels":                    append([]byte(signature), base.header()...),
		"not a PNG":                    []byte("GIF89a is another format"),
	}
	for name, data := range cases {
		compare(t, name, data)
	}
}

func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	all := kinds()
	for range 3000 {
		f := all[rng.IntN(len(all))]
		f.w, f.h, f.interlaced = 1+rng.IntN(40), 1+rng.IntN(40), rng.IntN(4) == 0
		f.level, f.idat = rng.IntN(10), rng.IntN(300)
		data := repaired(mutated(f.encode(t), rng))
		compare(t, fmt.Sprintf("%+v", f), data)
	}
}

func mutated(data []byte, rng *rand.Rand) []byte {
	for range 1 + rng.IntN(3) {
		data[8+rng.IntN(len(data)-8)] ^= 1 << rng.IntN(8)
	}
	if len(data) > 25 {
		data[16+1], data[16+2], data[20+1], data[20+2] = 0, 0, 0, 0 // or image/png takes gigabytes
		data[16], data[20] = 0, 0
	}
	return data
}

// repaired corrects the checksums, so that damage is seen by what comes after them.
func repaired(data []byte) []byte {
	out := bytes.Clone(data[:8])
	for data = data[8:]; len(data) >= chunkFrame; {
		n := int(data[0])<<24 | int(data[1])<<16 | int(data[2])<<8 | int(data[3])
		if n > len(data)-chunkFrame {
			break
		}
		out = append(out, chunkOf(string(data[4:8]), data[8:8+n])...)
		data = data[chunkFrame+n:]
	}
	return append(out, data...)
}

func FuzzRows(f *testing.F) {
	for _, k := range kinds() {
		k.w, k.h = 9, 7
		f.Add(k.encode(f))
		k.interlaced = true
		f.Add(k.encode(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := stdpng.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width*c.Height > 1<<22 {
			return
		}
		compare(t, "fuzzed", data)
	})
}

func TestExif(t *testing.T) {
	f := file{w: 2, h: 2, depth: 8, kind: gray, level: 6}
	f.before = chunkOf("eXIf", []byte("first"))
	f.after = chunkOf("eXIf", []byte("second"))
	if p, err := Parse(f.encode(t)); err != nil || string(p.Exif) != "first" {
		t.Errorf("before the pixels: %q, %v", p.Exif, err)
	}
	f.before = nil
	if p, err := Parse(f.encode(t)); err != nil || string(p.Exif) != "second" {
		t.Errorf("after the pixels: %q, %v", p.Exif, err)
	}
}

func TestChannels(t *testing.T) {
	for _, f := range kinds() {
		f.w, f.h = 2, 2
		p, err := Parse(f.encode(t))
		if err != nil {
			t.Fatal(err)
		}
		want := 3
		switch {
		case f.trns != nil || f.kind == grayAlpha || f.kind == trueAlpha:
			want = 4
		case f.kind == gray:
			want = 1
		}
		if got := p.Channels(); got != want {
			t.Errorf("type %d, tRNS %v: %d channels, want %d", f.kind, f.trns, got, want)
		}
	}
}

func TestBombCostsNothingUntilRows(t *testing.T) {
	bomb := file{w: 50_000, h: 50_000, depth: 8, kind: trueAlpha, level: 9, rows: 1}
	bomb.filter = filterNone
	data := bomb.encode(t)
	if got := testing.AllocsPerRun(10, func() { Parse(data) }); got > 20 {
		t.Errorf("Parse allocates %v times", got)
	}
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if need := p.Need(); need > 2<<20 {
		t.Errorf("needs %d bytes", need)
	}
	stop := errors.New("too slow")
	if err := p.Rows(func() error { return stop }, nil); err != stop {
		t.Errorf("error %v, want that of check", err)
	}
	if err := p.Rows(never, func(int, []byte) error { return nil }); !errors.Is(err, ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	bomb.interlaced, bomb.rows = true, 1
	if p, err = Parse(bomb.encode(t)); err != nil {
		t.Fatal(err)
	}
	if need := p.Need(); need < 4*50_000*50_000 {
		t.Errorf("interlaced: needs %d bytes", need)
	}
}

func TestErrorsOfCheckAndSinkAreReturned(t *testing.T) {
	f := file{w: 1000, h: 500, depth: 8, kind: trueColor, filter: mixed, level: 6, idat: 5000}
	data := f.encode(t)
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{errors.New("stop"), io.EOF} {
		total := 0
		count := func() error { total++; return nil }
		if err := p.Rows(count, func(int, []byte) error { return nil }); err != nil || total < 20 {
			t.Fatalf("error %v, %d calls of check for 1.5 MB", err, total)
		}
		for at := 1; at <= total; at += 7 {
			calls := 0
			err := p.Rows(func() error {
				if calls++; calls == at {
					return want
				}
				return nil
			}, func(int, []byte) error { return nil })
			if err != want {
				t.Errorf("call %d of check: error %v, want %v", at, err, want)
			}
		}
		err := p.Rows(never, func(y int, _ []byte) error {
			if y == 100 {
				return want
			}
			return nil
		})
		if err != want {
			t.Errorf("error %v, want that of sink", err)
		}
	}
}

// TestNeed holds what is promised against what is allocated.
func TestNeed(t *testing.T) {
	for _, f := range kinds() {
		for _, f.interlaced = range []bool{false, true} {
			f.w, f.h = 2000, 60
			p, err := Parse(f.encode(t))
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := p.Rows(never, func(int, []byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			got := int64(after.TotalAlloc - before.TotalAlloc)
			// The allocator rounds up, by an eighth and to pages of 8 KiB.
			if need := p.Need(); got > need+need/8+16<<10 || got < need*9/10 {
				t.Errorf("type %d, %d bits, interlaced %v: %d bytes, Need says %d", f.kind, f.depth, f.interlaced, got, need)
			}
		}
	}
}
