package main

import (
	"bytes"
	"image/jpeg"
	"testing"
)

func TestPicturesAreOfTheirSizeAndDecode(t *testing.T) {
	for _, size := range []int{5000, 50_000, 65_000, 70_000, 200_000, 500_000, 500_001} {
		p, err := newPicture(size)
		if err != nil {
			t.Fatal(err)
		}
		p.stamp(1)
		one := bytes.Clone(p.data)
		p.stamp(2)
		for _, data := range [][]byte{one, p.data} {
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil || len(data) != size {
				t.Errorf("%d bytes: got %d, %v", size, len(data), err)
			}
		}
		if bytes.Equal(one, p.data) {
			t.Errorf("%d bytes: two ids have one picture", size)
		}
	}
}

func TestAFramedPictureIsStampedInside(t *testing.T) {
	p, err := newPicture(50_000)
	if err != nil {
		t.Fatal(err)
	}
	f := p.framed([]byte("before"), []byte("after"))
	p.stamp(7)
	f.stamp(7)
	if want := "before" + string(p.data) + "after"; string(f.data) != want {
		t.Error("the frame's picture is not the picture")
	}
}

func TestATooSmallPictureIsRefused(t *testing.T) {
	if p, err := newPicture(700); err == nil {
		t.Errorf("got %d bytes", len(p.data))
	}
}
