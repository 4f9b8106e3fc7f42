package inflate

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// streams returns the zlib streams of the PNG files that TINTYPE_BENCH_PNG names, separated by colons.
func streams(b *testing.B) map[string][]byte {
	found := map[string][]byte{}
	for _, name := range strings.Split(os.Getenv("TINTYPE_BENCH_PNG"), ":") {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Skip("TINTYPE_BENCH_PNG names no PNG: ", err)
		}
		var stream []byte
		for data = data[8:]; len(data) >= 12; {
			n := int(binary.BigEndian.Uint32(data))
			if string(data[4:8]) == "IDAT" {
				stream = append(stream, data[8:8+n]...)
			}
			data = data[12+n:]
		}
		found[filepath.Base(name)] = stream
	}
	return found
}

func BenchmarkInflate(b *testing.B) {
	for name, stream := range streams(b) {
		b.Run(name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				r := NewReader(slices(stream, 64<<10), 12_000)
				total = 0
				for {
					p, err := r.Next(12_000)
					total += len(p)
					if err == io.ErrUnexpectedEOF || err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.SetBytes(int64(total))
		})
	}
}

func BenchmarkInflateStdlib(b *testing.B) {
	row := make([]byte, 12_000)
	for name, stream := range streams(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := zlib.NewReader(bytes.NewReader(stream))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = io.ReadFull(r, row)
				}
			}
		})
	}
}
