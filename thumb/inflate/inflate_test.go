package inflate

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// slices returns a next that hands out data in pieces of the given size.
func slices(data []byte, size int) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(data) == 0 {
			return nil, io.EOF
		}
		n := min(size, len(data))
		piece := data[:n]
		data = data[n:]
		return piece, nil
	}
}

// readAll reads a stream by Next(step), and byte by byte when fewer are left.
func readAll(r *Reader, step int) ([]byte, error) {
	var all []byte
	for {
		p, err := r.Next(step)
		if err == nil {
			all = append(all, p...)
			continue
		}
		if step > 1 {
			step = 1
			continue
		}
		if err == io.EOF {
			err = nil
		}
		return all, err
	}
}

func compress(tb testing.TB, data []byte, level int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := zlib.NewWriterLevel(&buf, level)
	if err != nil {
		tb.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// samples are bytes of several kinds: flat, noisy, skewed, repeating at every distance.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	skew := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for i := range skew {
		skew[i] = byte(rng.NormFloat64() * 3)
	}
	long := make([]byte, 0, 400_000)
	for i := 0; len(long) < cap(long)-70_000; i++ {
		long = append(long, noise[:1+rng.IntN(400)]...)
		if back := 1 + rng.IntN(33_000); back <= len(long) {
			for range rng.IntN(600) {
				long = append(long, long[len(long)-back])
			}
		}
	}
	var periods []byte
	for d := 1; d < 40; d++ {
		for i := range 1000 + d {
			periods = append(periods, noise[d*50+i%d])
		}
	}
	return map[string][]byte{
		"empty": nil, "one": {7}, "zeros": make([]byte, 1<<20), "noise": noise, "skew": skew, "matches": long, "periods": periods,
	}
}

func TestReader(t *testing.T) {
	for name, data := range samples() {
		for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
			packed := compress(t, data, level)
			for _, piece := range []int{1, 3, 17, 100, 8192, 1 << 30} {
				for _, step := range []int{1, 7, 1000, 12001, 200_000} {
					if piece == 1 && step != 1000 {
						continue
					}
					r := NewReader(slices(packed, piece), step)
					got, err := readAll(r, step)
					if err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%s, level %d, pieces of %d, steps of %d: %d bytes and %v, want %d", name, level, piece, step,
							len(got), err, len(data))
					}
				}
			}
		}
	}
}

func TestTruncatedStreamIsUnexpectedEOF(t *testing.T) {
	packed := compress(t, samples()["matches"][:20_000], 6)
	for n := 0; n < len(packed); n += 1 + n/300 {
		_, err := readAll(NewReader(slices(packed[:n], 1000), 100), 100)
		if err != io.ErrUnexpectedEOF {
			t.Errorf("cut to %d of %d bytes: error %v, want %v", n, len(packed), err, io.ErrUnexpectedEOF)
		}
	}
}

func TestChecksum(t *testing.T) {
	for i := range 4 {
		packed := compress(t, samples()["skew"], 6)
		packed[len(packed)-1-i] ^= 1
		if _, err := readAll(NewReader(slices(packed, 1000), 100), 100); err != ErrChecksum {
			t.Errorf("byte %d of the checksum changed: error %v, want %v", 3-i, err, ErrChecksum)
		}
	}
}

func TestErrorOfNextIsReturned(t *testing.T) {
	packed := compress(t, samples()["skew"], 6)
	broken := errors.New("broken")
	next := slices(packed[:5000], 1000)
	r := NewReader(func() ([]byte, error) {
		p, err := next()
		if err == io.EOF {
			err = broken
		}
		return p, err
	}, 100)
	for range 2 {
		if _, err := readAll(r, 100); err != broken {
			t.Errorf("error %v, want that of next", err)
		}
	}
}

func TestRest(t *testing.T) {
	packed := compress(t, samples()["skew"], 6)
	for _, piece := range []int{1, 2, 3, 5, 8, 13, 100, 1 << 20} {
		for junk := range 30 {
			data := append(packed[:len(packed):len(packed)], make([]byte, junk)...)
			given := 0
			next := slices(data, piece)
			r := NewReader(func() ([]byte, error) {
				p, err := next()
				given += len(p)
				return p, err
			}, 100)
			if _, err := readAll(r, 100); err != nil {
				t.Fatal(err)
			}
			if got, want := r.Rest(), given-len(packed); got != want || want >= piece {
				t.Errorf("pieces of %d, %d bytes after the stream: rest %d, want %d", piece, junk, got, want)
			}
		}
	}
}

func TestMemory(t *testing.T) {
	packed := compress(t, make([]byte, 1<<20), 6)
	got := testing.AllocsPerRun(10, func() {
		r := NewReader(slices(packed, 1000), 10_000)
		for {
			if _, err := r.Next(10_000); err != nil {
				break
			}
		}
	})
	if got > 5 {
		t.Errorf("%v allocations, want the reader, its buffer and what next needs", got)
	}
}

// FuzzReader holds the package against compress/zlib.
func FuzzReader(f *testing.F) {
	for name, data := range samples() {
		for level := zlib.HuffmanOnly; level <= 9; level += 3 {
			f.Add(compress(f, data[:min(len(data), 3000)], level), uint16(len(name)), uint16(100))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, piece, step uint16) {
		compare(t, data, int(piece)+1, int(step)+1)
	})
}

// most is how many bytes of a stream are looked at.
const most = 4 << 20

func compare(t *testing.T, data []byte, piece, step int) {
	t.Helper()
	var want []byte
	zr, wantErr := zlib.NewReader(bytes.NewReader(data))
	if wantErr == nil {
		want, wantErr = io.ReadAll(io.LimitReader(zr, most))
		if len(want) == most {
			return
		}
	}
	got, err := readAll(NewReader(slices(data, piece), step), step)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("error %v, compress/zlib has %v; %d and %d bytes", err, wantErr, len(got), len(want))
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%d bytes that differ from the %d of compress/zlib", len(got), len(want))
	}
}

// TestMutations does what the fuzz target does, on more streams than its seeds and in every run.
func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var packed [][]byte
	for _, data := range samples() {
		for level := zlib.HuffmanOnly; level <= 9; level++ {
			for _, n := range []int{10, 300, 5000, 70_000} {
				packed = append(packed, compress(t, data[:min(len(data), n)], level))
			}
		}
	}
	for range 4000 {
		data := bytes.Clone(packed[rng.IntN(len(packed))])
		for range 1 + rng.IntN(4) {
			data[rng.IntN(min(len(data), 1<<(4+rng.IntN(12))))] ^= 1 << rng.IntN(8)
		}
		compare(t, data, 1+rng.IntN(3000), 1+rng.IntN(300))
	}
}
