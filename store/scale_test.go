package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestGenerate makes a data directory at TINTYPE_SCALE_DIR whose index has
// TINTYPE_SCALE pictures, one in 500 of which has bytes: for the test of the server's
// scale, which knows their names. The others are rows alone, as a file for each would
// say nothing about the index.
func TestGenerate(t *testing.T) {
	dir := os.Getenv("TINTYPE_SCALE_DIR")
	n, err := strconv.Atoi(os.Getenv("TINTYPE_SCALE"))
	if err != nil || dir == "" {
		t.Skip("TINTYPE_SCALE and TINTYPE_SCALE_DIR are not set")
	}
	data, err := OpenData(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := data.Pictures.(*Disk)
	const batch = 2000
	now := time.Now().UTC().Truncate(time.Microsecond)
	for from := 0; from < n; from += batch {
		err := d.changeBase(func(c *change) error {
			for i := from; i < min(from+batch, n); i++ {
				if i%500 == 0 {
					continue
				}
				o := Object{
					Name: scaleName(i), Owner: "1234567890", MediaType: "image/jpeg", Width: 1600, Height: 1200,
					Created: now, Size: 2000,
				}
				if i%2 == 0 {
					o.ID = fmt.Sprintf("%032x", i)
				}
				binary.BigEndian.PutUint64(o.Digest[:], uint64(i)*0x9e3779b97f4a7c15)
				binary.BigEndian.PutUint64(o.Digest[8:], uint64(i))
				if err := c.put(o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < n; i += 500 {
		put(t, d, Item{Object: Object{Name: scaleName(i), Owner: "1234567890", MediaType: "image/jpeg"}, Body: &pattern{uint64(i), 2000}})
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir + "/pictures/meta.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pictures, the index has %d bytes", n, info.Size())
}

// scaleName is the name of the i-th generated picture, anywhere among the others.
func scaleName(i int) string {
	return fmt.Sprintf("1234567890-blobs/%013x/%d_full.jpg", uint64(i)*0x9e3779b97f4a7c15>>12, i)
}

// pattern reads as n bytes that differ with seed.
type pattern struct {
	seed uint64
	n    int
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.n == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.n)
	for i := range b[:n] {
		b[i] = byte(p.seed >> (uint(p.n-i) % 8 * 8))
	}
	p.n -= n
	return n, nil
}
