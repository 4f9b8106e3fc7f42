package store

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// BenchmarkBucket puts and opens pictures of 50 KB in the S3 that TINTYPE_S3 names; see
// openBucket.
func BenchmarkBucket(b *testing.B) {
	if os.Getenv("TINTYPE_S3") == "" {
		b.Skip("TINTYPE_S3 is not set")
	}
	s := openBucket(b, newClock(), nil)
	defer s.Close()
	data := bytes.Repeat([]byte("0123456789"), 5000)
	name := func(i int) string { return fmt.Sprintf("c/%d/a.jpg", i) }
	b.Run("put", func(b *testing.B) {
		for i := range b.N {
			in := Item{Object: Object{Name: name(i), Owner: "app", MediaType: "image/jpeg"}, Body: bytes.NewReader(data)}
			if _, err := s.Apply(Change{Put: []Item{in}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for range b.N {
			_, blob, err := s.Open(name(0))
			if err == nil {
				_, err = blob.Whole()
			}
			if err != nil {
				b.Fatal(err)
			}
			blob.Close()
		}
	})
}
