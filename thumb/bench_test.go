//go:build linux

package thumb_test

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nfnt/resize"

	"tintype/thumb"
)

// BenchmarkCorpus makes the thumbnail of each picture of TINTYPE_CORPUS. .ci/bench/run holds it against others.
func BenchmarkCorpus(b *testing.B) {
	eachPicture(b, "*", func(data []byte) error {
		_, err := thumb.Make(data, thumb.Limits{}, 1024)
		return err
	})
}

// BenchmarkStandard does the same as one would without this package.
func BenchmarkStandard(b *testing.B) {
	eachPicture(b, "*.jpg", func(data []byte) error {
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return jpeg.Encode(new(bytes.Buffer), resize.Thumbnail(1024, 1024, img, resize.Lanczos3), &jpeg.Options{Quality: 80})
	})
}

func eachPicture(b *testing.B, pattern string, work func([]byte) error) {
	dir := os.Getenv("TINTYPE_CORPUS")
	if dir == "" {
		b.Skip("TINTYPE_CORPUS names no directory of pictures")
	}
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		b.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	for _, path := range paths {
		b.Run(filepath.Base(path), func(b *testing.B) {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			measure(b, func() error { return work(data) })
		})
	}
}

// measure reports, besides the mean wall time, which says much of what else the machine does:
//
//	cpu-ms     the median CPU time, user and system, of all threads, so with what the collector does meanwhile
//	peak-MB    the highest resident memory of the whole process: the program, its input, and the work
//	growth-MB  how much of that came since before the first run, when the input was in memory and garbage was not
//
// Memory is that of a loop because the first thumbnail of a process finds an empty heap, and a server has made many. For the growth
// to be that of one picture, no other may have been before it in the process.
func measure(b *testing.B, work func() error) {
	b.ReportAllocs()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the peak is now
		b.Fatal(err)
	}
	idle := memory(b, "VmRSS")
	run := func() {
		if err := work(); err != nil {
			b.Fatal(err)
		}
	}
	run()
	run()
	var cpu []time.Duration
	for b.Loop() {
		before := cpuTime(b)
		run()
		cpu = append(cpu, cpuTime(b)-before)
	}
	slices.Sort(cpu)
	peak := memory(b, "VmHWM")
	b.ReportMetric(cpu[len(cpu)/2].Seconds()*1e3, "cpu-ms")
	b.ReportMetric(peak-idle, "growth-MB")
	b.ReportMetric(peak, "peak-MB")
}

func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// memory returns a field of this process's status in MB.
func memory(b *testing.B, field string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(fmt.Sprintf(`(?m)^%s:\s+(\d+) kB$`, field)).FindSubmatch(status)
	if m == nil {
		b.Fatalf("no %s in %s", field, status)
	}
	kB, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kB) / 1024
}
