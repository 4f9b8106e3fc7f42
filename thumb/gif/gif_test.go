package gif

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	stdgif "image/gif"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func never() error { return nil }

// decodeAll returns all rows as one.
func decodeAll(data []byte) (*Picture, []uint8, error) {
	p, err := Parse(data)
	if err != nil {
		return nil, nil, err
	}
	var pix []uint8
	next := 0
	err = p.Rows(never, func(y int, row []uint8) error {
		if y != next || len(row) != p.Frame.Dx() {
			return fmt.Errorf("row %d of %d bytes, want %d of %d", y, len(row), next, p.Frame.Dx())
		}
		next++
		pix = append(pix, row...)
		return nil
	})
	if want := p.Frame.Dy(); err == nil && next != want && !p.Frame.Empty() {
		err = fmt.Errorf("%d rows of %d", next, want)
	}
	return p, pix, err
}

// compare holds data against image/gif.
func compare(t *testing.T, name string, data []byte) {
	t.Helper()
	conf, confErr := stdgif.DecodeConfig(bytes.NewReader(data))
	img, wantErr := stdgif.Decode(bytes.NewReader(data))
	p, pix, err := decodeAll(data)
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
		t.Errorf("%s: error %v is neither ErrDamaged nor ErrFormat", name, err)
		return
	}
	if (err != nil) != (wantErr != nil) || (p == nil) != (confErr != nil) {
		t.Errorf("%s: error %v, image/gif says %v and %v", name, err, confErr, wantErr)
		return
	}
	if p != nil && (p.Width != conf.Width || p.Height != conf.Height) {
		t.Errorf("%s: screen of %dx%d, want %dx%d", name, p.Width, p.Height, conf.Width, conf.Height)
	}
	if err != nil {
		return
	}
	m := img.(*image.Paletted)
	if p.Frame != m.Rect || !bytes.Equal(pix, m.Pix) {
		t.Errorf("%s: frame %v, want %v; pixels %v, want %v", name, p.Frame, m.Rect, first(pix), first(m.Pix))
	}
	comparePalettes(t, name, p, m.Palette)
}

func first(pix []uint8) []uint8 { return pix[:min(len(pix), 100)] }

func comparePalettes(t *testing.T, name string, p *Picture, want color.Palette) {
	t.Helper()
	transparent := false
	for i, got := range p.Palette {
		c := color.NRGBA{A: 255}
		if i < len(want) {
			c = color.NRGBAModel.Convert(want[i]).(color.NRGBA)
		}
		transparent = transparent || c.A == 0
		if got != [4]uint8{c.R, c.G, c.B, c.A} {
			t.Errorf("%s: colour %d is %v, want %v", name, i, got, c)
			return
		}
	}
	if p.Transparent != transparent {
		t.Errorf("%s: Transparent is %v, want %v", name, p.Transparent, transparent)
	}
}

func TestFilesAsImageGIF(t *testing.T) {
	for _, pattern := range []string{"../../testdata/pictures/*.gif", "../../testdata/pictures/broken/*.gif"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, data)
			for n := 0; n < len(data); n += 97 {
				compare(t, fmt.Sprintf("%s cut to %d", name, n), data[:n])
			}
		}
	}
}

func TestEverySize(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for w := 1; w <= 33; w++ {
		for h := 1; h <= 33; h++ {
			f := file{w: w, h: h, colours: 2 << rnd.IntN(8), interlaced: rnd.IntN(2) == 0, local: rnd.IntN(2) == 0, transparent: -1}
			if rnd.IntN(2) == 0 {
				f.left, f.top = rnd.IntN(5), rnd.IntN(5)
			}
			if rnd.IntN(2) == 0 {
				f.transparent = rnd.IntN(256)
			}
			f.version = []string{"GIF87a", "GIF89a"}[rnd.IntN(2)]
			f.block = 1 + rnd.IntN(255)
			compare(t, fmt.Sprintf("%+v", f), f.encode())
		}
	}
}

// TestLargeFrames has several times what is decoded ahead, rows longer than that, tables that are full and, of one colour, codes as
// long as can be.
func TestLargeFrames(t *testing.T) {
	for _, size := range [][2]int{{300, 400}, {40_011, 5}, {65_535, 3}, {1, 65_535}, {2, 40_000}} {
		for _, colours := range []int{2, 4, 32, 256} {
			for _, flat := range []bool{false, true} {
				for _, full := range []bool{false, true} {
					f := file{w: size[0], h: size[1], colours: colours, flat: flat, keepFull: full, transparent: -1}
					compare(t, fmt.Sprintf("%+v", f), f.encode())
					f.interlaced, f.block = true, 7
					data := f.encode()
					compare(t, fmt.Sprintf("%+v", f), data)
					if _, _, err := decodeAll(data); err != nil {
						t.Errorf("%+v: %v", f, err)
					}
				}
			}
		}
	}
}

func TestVerdictsAsImageGIF(t *testing.T) {
	base := file{w: 9, h: 7, colours: 16, transparent: -1}
	with := func(change func(*file)) []byte {
		f := base
		change(&f)
		return f.encode()
	}
	cases := map[string][]byte{"nothing": nil, "a signature": []byte("GIF89a"), "another version": []byte("GIF88a       ")}
	for name, change := range map[string]func(*file){
		"as it should be":                 func(*file) {},
		"no trailer":                      func(f *file) { f.after = []byte{} },
		"rubbish for a trailer":           func(f *file) { f.after = []byte("rubbish") },
		"a row too few":                   func(f *file) { f.rows = 6 },
		"a row too many":                  func(f *file) { f.rows = 8 },
		"no rows":                         func(f *file) { f.rows = -1 },
		"no end code":                     func(f *file) { f.noEnd = true },
		"no end code, a row too few":      func(f *file) { f.noEnd = true; f.rows = 6 },
		"no end code, a row too many":     func(f *file) { f.noEnd = true; f.rows = 8 },
		"clear before the end":            func(f *file) { f.clears = 5000 },
		"no clear at first":               func(f *file) { f.noClear = true },
		"a byte in the last block":        func(f *file) { f.junk = []byte{1} },
		"bytes in the last block":         func(f *file) { f.junk = make([]byte, 99) },
		"a block of one byte behind":      func(f *file) { f.blocks = []byte{1, 7} },
		"two blocks of one byte":          func(f *file) { f.blocks = []byte{1, 7, 1, 7} },
		"a block of two bytes":            func(f *file) { f.blocks = []byte{2, 7, 7} },
		"a block of two zeros":            func(f *file) { f.blocks = []byte{2, 0, 0} },
		"a byte and a block":              func(f *file) { f.junk = []byte{1}; f.blocks = []byte{1, 7} },
		"a block that is cut off":         func(f *file) { f.blocks = []byte{200, 7, 7}; f.after = []byte{} },
		"no last block":                   func(f *file) { f.noLast = true; f.after = []byte{} },
		"indices of 1 bit":                func(f *file) { f.codes = 1 },
		"indices of 9 bits":               func(f *file) { f.codes = 9 },
		"indices of more bits":            func(f *file) { f.codes = 8 },
		"an index beyond the palette":     func(f *file) { f.codes = 8; f.index = 16 },
		"one in a transparent extension":  func(f *file) { f.codes = 8; f.index = 16; f.transparent = 20 },
		"the transparent one itself":      func(f *file) { f.codes = 8; f.index = 20; f.transparent = 20 },
		"one beyond that":                 func(f *file) { f.codes = 8; f.index = 21; f.transparent = 20 },
		"no palette":                      func(f *file) { f.colours = 0; f.codes = 4 },
		"no palette, transparent":         func(f *file) { f.colours = 0; f.codes = 4; f.transparent = 3 },
		"a screen of 0x0":                 func(f *file) { f.screenW, f.screenH = -1, -1 },
		"an empty frame on one of 0x0":    func(f *file) { f.screenW, f.screenH, f.w, f.h = -1, -1, 0, 0 },
		"a narrow screen":                 func(f *file) { f.screenW = 8 },
		"a low screen":                    func(f *file) { f.screenH = 6 },
		"an empty frame":                  func(f *file) { f.w, f.h, f.screenW, f.screenH = 0, 0, 9, 9 },
		"an empty frame with pixels":      func(f *file) { f.w, f.h, f.rows, f.screenW, f.screenH = 0, 7, 7, 9, 9 },
		"a frame of no width":             func(f *file) { f.w, f.screenW = 0, 9 },
		"a frame of no height":            func(f *file) { f.h, f.screenH, f.interlaced = 0, 9, true },
		"an empty frame beyond":           func(f *file) { f.w, f.left, f.screenW = 0, 10, 9 },
		"a comment":                       func(f *file) { f.before = []byte("!\xfe\x03abc\x01d\x00") },
		"a comment that is cut off":       func(f *file) { f.before = []byte("!\xfe\x03abc\xff") },
		"a text":                          func(f *file) { f.before = []byte("!\x01\x0c123456789012\x02ab\x00") },
		"a loop":                          func(f *file) { f.before = []byte("!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00") },
		"a loop without blocks":           func(f *file) { f.before = []byte("!\xff\x0bNETSCAPE2.0\x00") },
		"an application of 10 bytes":      func(f *file) { f.before = []byte("!\xff\x0aABCDEFGHIJ\x01a\x00") },
		"an application of no bytes":      func(f *file) { f.before = []byte("!\xff\x00\x00") },
		"an unknown extension":            func(f *file) { f.before = []byte("!\x02\x00") },
		"an unknown block":                func(f *file) { f.before = []byte{0} },
		"a trailer first":                 func(f *file) { f.before = []byte{trailer} },
		"a control of 5 bytes":            func(f *file) { f.before = []byte("!\xf9\x05\x00\x00\x00\x00\x00") },
		"a control without its end":       func(f *file) { f.before = []byte("!\xf9\x04\x00\x00\x00\x00\x01") },
		"a control that takes back":       func(f *file) { f.before = []byte("!\xf9\x04\x01\x00\x00\x02\x00!\xf9\x04\x00\x00\x00\x03\x00") },
		"a control that changes":          func(f *file) { f.before = []byte("!\xf9\x04\x01\x00\x00\x02\x00!\xf9\x04\x01\x00\x00\x03\x00") },
		"transparent beyond the palette":  func(f *file) { f.transparent = 255 },
		"transparent, of a local palette": func(f *file) { f.transparent = 5; f.local = true },
	} {
		cases[name] = with(change)
	}
	for name, data := range cases {
		compare(t, name, data)
	}
	for name, want := range map[string]error{"as it should be": nil, "no end code": nil, "a block of one byte behind": nil,
		"no last block": ErrDamaged, "a row too many": ErrDamaged, "nothing": ErrFormat} {
		if _, _, err := decodeAll(cases[name]); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestTruncated(t *testing.T) {
	for _, f := range []file{
		{w: 20, h: 30, colours: 4, transparent: 2},
		{w: 33, h: 31, colours: 256, transparent: -1, interlaced: true, local: true, block: 10},
		{w: 10, h: 10, left: 3, top: 3, colours: 16, transparent: 77, noEnd: true, block: 1},
	} {
		data := f.encode()
		for n := range data {
			compare(t, fmt.Sprintf("%d bytes of %+v", n, f), data[:n])
		}
	}
}

func TestFlippedBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 6000 {
		f := file{w: 1 + rnd.IntN(60), h: 1 + rnd.IntN(60), colours: 2 << rnd.IntN(8), interlaced: rnd.IntN(2) == 0, transparent: -1,
			flat: rnd.IntN(4) == 0, noEnd: rnd.IntN(4) == 0, block: 1 + rnd.IntN(255)}
		data := f.encode()
		for range 1 + rnd.IntN(3) {
			data[rnd.IntN(len(data))] ^= 1 << rnd.IntN(8)
		}
		if tooLarge(data) {
			continue
		}
		compare(t, fmt.Sprintf("%+v", f), data)
		if _, _, err := decodeAll(data); err == nil {
			taken++
		}
	}
	if taken < 600 {
		t.Errorf("only %d were not refused", taken)
	}
}

// tooLarge reports whether image/gif would take long.
func tooLarge(data []byte) bool {
	c, err := stdgif.DecodeConfig(bytes.NewReader(data))
	return err == nil && c.Width*c.Height > 1<<20
}

func FuzzRows(f *testing.F) {
	for _, bits := range []int{1, 2, 4, 8} {
		f.Add((&file{w: 9, h: 7, colours: 1 << bits, transparent: bits}).encode())
		f.Add((&file{w: 9, h: 17, left: 1, colours: 1 << bits, transparent: -1, interlaced: true, local: true, block: 5}).encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !tooLarge(data) {
			compare(t, "fuzzed", data)
		}
	})
}

func TestBombCostsNothingUntilRows(t *testing.T) {
	data := (&file{w: 65_535, h: 65_535, rows: -1, colours: 2, transparent: -1}).encode()
	if got := testing.AllocsPerRun(10, func() { Parse(data) }); got > 10 {
		t.Errorf("Parse allocates %v times", got)
	}
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if need := p.Need(); need > 1<<18 {
		t.Errorf("needs %d bytes", need)
	}
	stop := errors.New("too slow")
	if err := p.Rows(func() error { return stop }, nil); err != stop {
		t.Errorf("error %v, want that of check", err)
	}
	if err := p.Rows(never, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	data = (&file{w: 65_535, h: 65_535, rows: -1, colours: 2, transparent: -1, interlaced: true}).encode()
	if p, err = Parse(data); err != nil || p.Need() < 65_535*65_535 {
		t.Errorf("interlaced: needs %d bytes, %v", p.Need(), err)
	}
}

// TestCheckIsCalled has a file that is nothing but clear codes, and one whose codes are as long as can be.
func TestCheckIsCalled(t *testing.T) {
	for name, f := range map[string]file{
		"clear codes": {w: 1, h: 1, colours: 2, clears: 4 << 20, transparent: -1},
		"long codes":  {w: 4000, h: 1000, colours: 2, flat: true, transparent: -1},
		"noise":       {w: 1000, h: 1000, colours: 256, transparent: -1},
	} {
		p, err := Parse(f.encode())
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		count := func() error { total++; return nil }
		if err := p.Rows(count, func(int, []uint8) error { return nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := max(len(p.pixels), int(p.pixelCount())) >> 16; total < want {
			t.Errorf("%s: check is called %d times, want at least %d", name, total, want)
		}
		for _, want := range []error{errors.New("stop"), io.EOF} {
			for at := 1; at <= total; at += 1 + total/7 {
				calls := 0
				err := p.Rows(func() error {
					if calls++; calls == at {
						return want
					}
					return nil
				}, func(int, []uint8) error { return nil })
				if err != want {
					t.Errorf("%s, call %d of check: error %v, want %v", name, at, err, want)
				}
			}
			if err := p.Rows(never, func(int, []uint8) error { return want }); err != want {
				t.Errorf("%s: error %v, want that of sink", name, err)
			}
		}
	}
}

// TestNeed holds what is promised against what is allocated.
func TestNeed(t *testing.T) {
	for _, f := range []file{
		{w: 10, h: 10, colours: 2, transparent: -1},
		{w: 2000, h: 300, colours: 256, transparent: -1},
		{w: 60_000, h: 3, colours: 256, transparent: -1},
		{w: 2000, h: 300, colours: 256, transparent: -1, interlaced: true},
	} {
		p, err := Parse(f.encode())
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := p.Rows(never, func(int, []uint8) error { return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		got := int64(after.TotalAlloc - before.TotalAlloc)
		// The allocator rounds up, by an eighth and to pages of 8 KiB.
		if need := p.Need(); got > need+need/8+16<<10 || got < need*9/10 {
			t.Errorf("%+v: %d bytes, Need says %d", f, got, need)
		}
	}
}
