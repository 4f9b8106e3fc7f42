package png

import (
	"bytes"
	stdpng "image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// benchFiles reads the PNG files that TINTYPE_BENCH_PNG names, separated by colons.
func benchFiles(b *testing.B) map[string][]byte {
	found := map[string][]byte{}
	for _, name := range strings.Split(os.Getenv("TINTYPE_BENCH_PNG"), ":") {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Skip("TINTYPE_BENCH_PNG names no PNG: ", err)
		}
		found[filepath.Base(name)] = data
	}
	return found
}

func BenchmarkRows(b *testing.B) {
	for name, data := range benchFiles(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := Parse(data)
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Rows(never, func(int, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, data := range benchFiles(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Parse(data)
			}
		})
	}
}

func BenchmarkRowsStdlib(b *testing.B) {
	for name, data := range benchFiles(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stdpng.Decode(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnfilter(b *testing.B) {
	src := bytes.Repeat([]byte{3, 250, 0, 9, 17, 1, 255}, 12_000/7+1)[:12_000]
	above, dst := bytes.Repeat([]byte{70, 90, 200, 13, 101}, 2400), make([]byte, 12_000+rowSlack)
	for filter, name := range []string{"none", "sub", "up", "average", "paeth"} {
		for _, pixel := range []int{1, 3, 4} {
			b.Run(name+string(rune('0'+pixel)), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					unfilter(uint8(filter), pixel, dst, above, src)
				}
			})
		}
	}
}
