package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkPut stores distinct bodies of 50 KB by 1, 8 and 64 callers. raw is the
// floor: write, fsync, rename, fsync of the directory, and no metadata.
func BenchmarkPut(b *testing.B) {
	var n atomic.Uint64
	body := func() []byte {
		p := bytes.Repeat([]byte("0123456789abcdef"), 50_000/16)
		binary.LittleEndian.PutUint64(p, n.Add(1))
		return p
	}
	raw := func(b *testing.B) func([]byte) error {
		dir := b.TempDir()
		for i := range 256 {
			os.Mkdir(filepath.Join(dir, fmt.Sprintf("%02x", i)), 0o700)
		}
		return func(p []byte) error { return rawPut(dir, p) }
	}
	disk := func(relaxed bool) func(b *testing.B) func([]byte) error {
		return func(b *testing.B) func([]byte) error {
			d, err := OpenDisk(b.TempDir(), Options{Relaxed: relaxed})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { d.Close() })
			return func(p []byte) error {
				_, err := d.Apply(Change{Put: []Item{{Object: Object{Name: fmt.Sprint("c/f/", binary.LittleEndian.Uint64(p))}, Body: bytes.NewReader(p)}}})
				return err
			}
		}
	}
	for _, callers := range []int{1, 8, 64} {
		for _, kind := range []struct {
			name string
			open func(*testing.B) func([]byte) error
		}{{"raw", raw}, {"durable", disk(false)}, {"relaxed", disk(true)}} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, callers), func(b *testing.B) {
				put := kind.open(b)
				b.SetBytes(50_000)
				b.ResetTimer()
				var group sync.WaitGroup
				for range callers {
					group.Go(func() {
						for range b.N/callers + 1 {
							if err := put(body()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
			})
		}
	}
}

// rawPut stores a body as the plainest durable server would.
func rawPut(dir string, p []byte) error {
	f, err := os.CreateTemp(dir, "*")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(p); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	sum := Sum(p).String()
	if err := os.Rename(f.Name(), filepath.Join(dir, sum[:2], sum)); err != nil {
		return err
	}
	return syncDir(filepath.Join(dir, sum[:2]))
}
