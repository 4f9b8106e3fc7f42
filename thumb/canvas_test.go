package thumb

import (
	"image"
	"image/color"
	"testing"
)

// The upper or left half is red, the other blue: a thumbnail of one pixel has the mean of both, by whatever planes it was made.
func TestAStripHasTheColourOfThePicture(t *testing.T) {
	for _, size := range []image.Point{{4800, 48}, {48, 4800}, {4800, 144}, {144, 4800}} {
		m := image.NewRGBA(image.Rectangle{Max: size})
		for i := range size.X * size.Y {
			x, y := i%size.X, i/size.X
			m.SetRGBA(x, y, color.RGBA{200, 40, 40, 255})
			if size.X > size.Y && y >= size.Y/2 || size.X < size.Y && x >= size.X/2 {
				m.SetRGBA(x, y, color.RGBA{40, 40, 200, 255})
			}
		}
		var made [2]image.Image
		for i, f := range []Format{PNG, JPEG} {
			thumbs, err := Make(encoded(t, f, m), Limits{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			made[i] = decoded(t, thumbs[0])
		}
		if d := difference(t, made[0], made[1]); d > 4 {
			t.Errorf("%v: the thumbnails of a PNG and a JPEG differ by %.1f of 255", size, d)
		}
	}
}
