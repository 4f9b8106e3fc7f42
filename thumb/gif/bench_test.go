package gif

import (
	"bytes"
	stdgif "image/gif"
	"os"
	"testing"
)

// benchFile reads the GIF that TINTYPE_BENCH_GIF names.
func benchFile(b *testing.B) []byte {
	data, err := os.ReadFile(os.Getenv("TINTYPE_BENCH_GIF"))
	if err != nil {
		b.Skip("TINTYPE_BENCH_GIF names no GIF: ", err)
	}
	return data
}

func BenchmarkRows(b *testing.B) {
	data := benchFile(b)
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Rows(never, func(int, []uint8) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStandard(b *testing.B) {
	data := benchFile(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stdgif.Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
