package server

import (
	"encoding/binary"
	"os"
	"testing"
)

// BenchmarkUpload uploads a photo over HTTP until it is durable with its thumbnail, each time another one: TINTYPE_PHOTO, or that of
// testdata. With -cpuprofile it tells where the time goes; the client is part of it.
func BenchmarkUpload(b *testing.B) {
	s := newTestServer(b)
	path := os.Getenv("TINTYPE_PHOTO")
	if path == "" {
		path = "../testdata/pictures/photo.jpg"
	}
	photo, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(photo)))
	for i := uint64(0); b.Loop(); i++ {
		if reply := s.uploaded(binary.BigEndian.AppendUint64(photo, i)); reply.OriginalSize != len(photo)+8 {
			b.Fatalf("%+v", reply)
		}
	}
}
