package command

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tintype/sign"
	"tintype/store"
)

// writeSample writes a picture to upload into dir and returns its path and length.
func writeSample(dir string) (path string, length int, err error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, samplePicture(640, 480), nil); err != nil {
		return "", 0, err
	}
	path = filepath.Join(dir, "sample.jpg")
	return path, b.Len(), os.WriteFile(path, b.Bytes(), 0o600)
}

// samplePicture is a sunrise in the browns of a tintype.
func samplePicture(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			light := 0.25 + 0.55*v
			if math.Hypot(float64(x-w/2), float64(y-h*2/3)) < float64(h)/5 {
				light = 0.95
			}
			if v > 0.72+0.06*math.Sin(7*u)+0.03*math.Sin(19*u+1) {
				light = 0.18 - 0.08*(v-0.72)
			}
			edge := 1 - 0.6*math.Pow(math.Hypot(u-0.5, v-0.5)*1.3, 3)
			l := light * edge * 255
			img.SetRGBA(x, y, color.RGBA{uint8(l), uint8(l * 0.84), uint8(l * 0.66), 255})
		}
	}
	return img
}

// curlUpload returns a shell command that stores the file for good.
func curlUpload(publicURL string, app store.App, file string, length int) string {
	fields := []sign.Field{
		{Name: "appKey", Value: app.Key},
		{Name: "length", Value: strconv.Itoa(length)},
		{Name: "isStorage", Value: "true"},
	}
	var b strings.Builder
	b.WriteString("curl")
	for _, f := range append(fields, sign.Field{Name: "sign", Value: sign.DFSAPISign(app.Secret, fields)}) {
		fmt.Fprintf(&b, " -F %s=%s", f.Name, f.Value)
	}
	// in double quotes for curl, to which "," and ";" mean something
	inner := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(file)
	fmt.Fprintf(&b, " -F %s %s/dfsapi/v2/saveImage", shellQuote(`mmfile=@"`+inner+`"`), publicURL)
	return b.String()
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
