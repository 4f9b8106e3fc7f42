package jpeg

import (
	"bytes"
	"fmt"
	stdjpeg "image/jpeg"
	"os"
	"syscall"
	"testing"
	"time"

	"tintype/thumb/sample"
)

// benchmarkPicture is the file in JPEG_BENCH: a photo of 12 megapixels, say.
func benchmarkPicture(b *testing.B) []byte {
	data, err := os.ReadFile(os.Getenv("JPEG_BENCH"))
	if err != nil {
		b.Skip("JPEG_BENCH names no picture")
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	return data
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 2, 3, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := benchmarkPicture(b)
			defer reportCPU(b)()
			for b.Loop() {
				p, err := Parse(data)
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Decode(n, noCheck, func(int, int, sample.Plane) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImageJPEG(b *testing.B) {
	data := benchmarkPicture(b)
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := stdjpeg.Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// reportCPU reports the CPU time from now to its result's call: on a busy machine, all that is worth comparing.
func reportCPU(b *testing.B) func() {
	start := cpuTime()
	return func() { b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/1e6, "cpu-ms/op") }
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
