package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// body is what a client sends: a picture, and what is before and after it. A
// stamp makes it differ from all others in every 4 KiB, at next to no cost.
type body struct {
	data   []byte
	stamps []int // where 8 bytes may be anything
}

// maxComment is the most that a COM segment holds.
const maxComment = 65535 - 2

// newPicture returns a JPEG of exactly size bytes that decodes: a small picture,
// with random comments between its scan and its end.
func newPicture(size int) (body, error) {
	img := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for y := range 240 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x + y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		return body{}, err
	}
	scan, end := b.Bytes()[:b.Len()-2], b.Bytes()[b.Len()-2:]
	room := size - b.Len()
	comments := (room + maxComment + 3) / (maxComment + 4)
	if comments < 1 || room/comments < 4+8 {
		return body{}, fmt.Errorf("%d bytes are too few for a picture", size)
	}
	p := body{data: append(make([]byte, 0, size), scan...)}
	for i := range comments {
		p.comment((room+i)/comments - 4)
	}
	p.data = append(p.data, end...)
	return p, nil
}

// comment adds a COM segment with n random bytes.
func (b *body) comment(n int) {
	b.data = append(b.data, 0xff, 0xfe)
	b.data = binary.BigEndian.AppendUint16(b.data, uint16(n+2))
	random := make([]byte, n)
	rand.Read(random)
	for at := 0; at+8 <= n; at += 4096 {
		b.stamps = append(b.stamps, len(b.data)+at)
	}
	b.data = append(b.data, random...)
}

// framed returns a copy of b between prefix and suffix.
func (b body) framed(prefix, suffix []byte) body {
	f := body{data: bytes.Join([][]byte{prefix, b.data, suffix}, nil)}
	for _, at := range b.stamps {
		f.stamps = append(f.stamps, len(prefix)+at)
	}
	return f
}

// stamp makes b the body that id has, and no other one.
func (b body) stamp(id uint64) {
	for _, at := range b.stamps {
		binary.BigEndian.PutUint64(b.data[at:], id)
	}
}
