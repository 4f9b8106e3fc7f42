package thumb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		name         string
		w, h, max    int
		wantW, wantH int
	}{
		{"a wide picture is as wide as allowed", 1600, 1067, 1024, 1024, 683},
		{"a tall picture is as tall as allowed", 1067, 1600, 1024, 683, 1024},
		{"a square picture stays square", 2000, 2000, 100, 100, 100},
		{"a picture of the size stays", 1024, 700, 1024, 1024, 700},
		{"a small picture is not enlarged", 30, 20, 1024, 30, 20},
		{"one pixel too many shrinks", 1025, 1025, 1024, 1024, 1024},
		{"the short side is rounded up from a half", 200, 25, 100, 100, 13},
		{"the short side is rounded down below a half", 1000, 334, 100, 100, 33},
		{"a line keeps one pixel", 5000, 1, 1024, 1024, 1},
		{"an upright line keeps one pixel", 1, 5000, 1024, 1, 1024},
		{"one pixel is the least to ask for", 400, 300, 0, 1, 1},
		{"less than nothing is one pixel", 400, 300, -5, 1, 1},
		{"nothing counts as one pixel", 0, 0, 10, 1, 1},
		{"sides of any size do not overflow", math.MaxInt, math.MaxInt, 10, 10, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h := Fit(tt.w, tt.h, tt.max)
			if w != tt.wantW || h != tt.wantH {
				t.Errorf("Fit(%d, %d, %d) = %dx%d, want %dx%d", tt.w, tt.h, tt.max, w, h, tt.wantW, tt.wantH)
			}
		})
	}
}

func TestParseScaling(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Scaling
		ok       bool
	}{
		{"three numbers", "400x300x1", Scaling{400, 300, 1}, true},
		{"the smallest sides", "10x10x0", Scaling{10, 10, 0}, true},
		{"the largest sides", "5000x5000x4", Scaling{5000, 5000, 4}, true},
		{"leading zeros", "0400x00300x01", Scaling{400, 300, 1}, true},
		{"a mode that nobody knows yet", "64x64x9", Scaling{64, 64, 9}, true},
		{"a mode beyond all numbers", "64x64x99999999999999999999", Scaling{64, 64, math.MaxInt}, true},
		{"a side one too small", "9x64x0", Scaling{}, false},
		{"a side one too large", "64x5001x0", Scaling{}, false},
		{"a side beyond all numbers", "99999999999999999999x64x0", Scaling{}, false},
		{"nothing", "", Scaling{}, false},
		{"two numbers", "400x300", Scaling{}, false},
		{"four numbers", "400x300x1x1", Scaling{}, false},
		{"a missing number", "400xx1", Scaling{}, false},
		{"a missing mode", "400x300x", Scaling{}, false},
		{"a large X", "400X300X1", Scaling{}, false},
		{"a sign", "+400x300x1", Scaling{}, false},
		{"a negative mode", "400x300x-1", Scaling{}, false},
		{"a space", "400x300x1 ", Scaling{}, false},
		{"a fraction", "400.0x300x1", Scaling{}, false},
		{"a hexadecimal number", "0x10x10", Scaling{}, false},
		{"digits of another script", "４００x300x1", Scaling{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseScaling(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("ParseScaling(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			}
			if err != nil && !errors.Is(err, ErrScaling) {
				t.Errorf("the error is %v, want ErrScaling", err)
			}
		})
	}
}

// The vectors were recorded from the service that dfsapi describes.
func TestScalingAsTheServiceDid(t *testing.T) {
	data, err := os.ReadFile("../testdata/vectors/geometry_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			W       int    `json:"src_w"`
			H       int    `json:"src_h"`
			Scaling string `json:"scaling"`
			Status  int    `json:"status"`
			OutW    int    `json:"out_w"`
			OutH    int    `json:"out_h"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) < 20 {
		t.Fatalf("%d vectors, want all", len(vectors.Cases))
	}
	for _, v := range vectors.Cases {
		t.Run(fmt.Sprintf("%s of %dx%d", v.Scaling, v.W, v.H), func(t *testing.T) {
			w, h := 0, 0
			s, err := ParseScaling(v.Scaling)
			if err == nil {
				w, h, err = s.Size(v.W, v.H)
			}
			if w != v.OutW || h != v.OutH {
				t.Errorf("%dx%d, want %dx%d", w, h, v.OutW, v.OutH)
			}
			if refused := v.Status == 403; errors.Is(err, ErrScaling) != refused || !refused && err != nil {
				t.Errorf("error %v, the service answered %d", err, v.Status)
			}
		})
	}
}

func TestScalingSize(t *testing.T) {
	for _, tt := range []struct {
		name         string
		s            Scaling
		w, h         int
		wantW, wantH int
		ok           bool
	}{
		{"a picture of the size is not looked at further", Scaling{1000, 667, 9}, 1000, 667, 1000, 667, true},
		{"mode 5 is refused", Scaling{100, 100, 5}, 1000, 667, 0, 0, false},
		{"a computed side may pass 5000", Scaling{5000, 5000, 2}, 1000, 667, 7496, 5000, true},
		{"a side of 0 keeps the picture", Scaling{10, 10, 1}, 500, 3, 500, 3, true},
		{"no picture has no size", Scaling{10, 10, 1}, 0, 3, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h, err := tt.s.Size(tt.w, tt.h)
			if w != tt.wantW || h != tt.wantH || (err == nil) != tt.ok {
				t.Errorf("%+v.Size(%d, %d) = %dx%d, %v, want %dx%d", tt.s, tt.w, tt.h, w, h, err, tt.wantW, tt.wantH)
			}
		})
	}
}

func ExampleScaling_Size() {
	s, err := ParseScaling("500x400x1") // by width
	if err != nil {
		fmt.Println(err)
		return
	}
	w, h, _ := s.Size(1000, 667)
	fmt.Println(w, h)
	// Output: 500 333
}
