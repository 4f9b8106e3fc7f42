package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"tintype/store"
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

// BenchmarkGet reads a picture with a token again and again, over one connection whose client allocates nothing: allocs/op is the
// server's.
func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 50_000, 200_000, 2_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := newTestServer(b, func(c *Config) { c.CacheSize = 64 << 20 })
			s.putBlob("a.jpg", strings.Repeat("x", size))
			if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
				b.Fatal(err)
			}
			conn, err := s.dial()
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			request := []byte("GET " + strings.TrimPrefix(s.at("a.jpg", "r"), publicURL) + " HTTP/1.1\r\nHost: h\r\n\r\n")
			buf := make([]byte, size+4096)
			get := func() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				for n, end := 0, -1; n != end; {
					got, err := conn.Read(buf[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += got
					if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); end < 0 && i >= 0 {
						end = i + 4 + size
					}
				}
			}
			for range 100 {
				get()
			}
			if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200 OK\r\n")) {
				b.Fatalf("%.1000s", buf)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				get()
			}
		})
	}
}
