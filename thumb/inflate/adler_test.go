package inflate

import (
	"bytes"
	stdadler "hash/adler32"
	"testing"
)

func TestAdler(t *testing.T) {
	noise := samples()["noise"]
	for _, p := range [][]byte{noise, bytes.Repeat([]byte{255}, 6_000_000), make([]byte, 100_000)} {
		for n := 0; n <= len(p); n += 1 + n/3 {
			s := newAdler()
			s.write(p[:n/3])
			s.write(p[n/3 : n])
			if got, want := s.sum(), stdadler.Checksum(p[:n]); got != want {
				t.Fatalf("%d bytes: %08x, want %08x", n, got, want)
			}
		}
	}
}

func BenchmarkAdler(b *testing.B) {
	p := samples()["noise"]
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		s := newAdler()
		s.write(p)
	}
}
