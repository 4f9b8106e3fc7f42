package thumb

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrScaling is returned when a text is no scaling, or a scaling or size is out of its range.
var ErrScaling = errors.New("thumb: bad scaling")

// Fit returns the size of a picture of w x h once its long side is at most max: never enlarged, in proportion, rounded to the
// nearest pixel, and at least 1x1.
func Fit(w, h, max int) (int, int) {
	w, h, max = atLeast1(w), atLeast1(h), atLeast1(max)
	if w <= max && h <= max {
		return w, h
	}
	if w >= h {
		return max, scaled(h, max, w)
	}
	return scaled(w, max, h), max
}

// scaled returns a*num/den, rounded, at least 1.
func scaled(a, num, den int) int {
	return atLeast1(int(math.Round(float64(a) * float64(num) / float64(den))))
}

func atLeast1(n int) int { return max(n, 1) }

// Scaling is what the gainImage call of dfsapi asks of a picture. Modes are 0: stretch to Width x Height, 1 and 3: to Width in
// proportion, 2 and 4: to Height in proportion.
type Scaling struct{ Width, Height, Mode int }

// dfsapi's gainImage takes sides in this range, in every mode, also for the side that its mode then ignores.
const (
	minScalingSide = 10
	maxScalingSide = 5000
)

// ParseScaling reads "WxHxM", such as "400x300x1": three decimal numbers and a small x between. W and H must lie within 10 and
// 5000, else it returns ErrScaling. M may be any number, as Size judges it.
func ParseScaling(s string) (Scaling, error) {
	parts := strings.Split(s, "x")
	if len(parts) != 3 {
		return Scaling{}, fmt.Errorf("%w: %q is not WxHxM", ErrScaling, s)
	}
	var n [3]int
	for i, p := range parts {
		var ok bool
		if n[i], ok = decimal(p); !ok {
			return Scaling{}, fmt.Errorf("%w: %q in %q is not a number", ErrScaling, p, s)
		}
	}
	for _, side := range n[:2] {
		if side < minScalingSide || side > maxScalingSide {
			return Scaling{}, fmt.Errorf("%w: %q, a side may have %d to %d", ErrScaling, s, minScalingSide, maxScalingSide)
		}
	}
	return Scaling{Width: n[0], Height: n[1], Mode: n[2]}, nil
}

// decimal reads a number of digits only. One that is too large to hold is the largest, since no number is too large for a mode.
func decimal(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil || errors.Is(err, strconv.ErrRange) // Atoi has set n to the largest int
}

// Size returns the size that a picture of w x h is to have. Where Width x Height is that size already, it is returned before the
// mode is looked at; after that a mode other than 0 to 4 is ErrScaling. Where the computed side would be 0, the picture keeps its
// size. A computed side may be larger than the picture's and than 5000: Convert has the limits.
//
// Modes 3 and 4 are documented as "by the larger value" and "by the smaller value"; the service always did what 1 and 2 do, and
// so do we.
func (s Scaling) Size(w, h int) (int, int, error) {
	if w < 1 || h < 1 {
		return 0, 0, fmt.Errorf("%w: of a picture of %dx%d", ErrScaling, w, h)
	}
	if s.Width == w && s.Height == h {
		return w, h, nil
	}
	// The service divides first and then cuts: 147 wide of 49x49 stays 147, and 7x300 by width 100 is 2 high, not 2.33. Another
	// order gives other sizes.
	width, height := s.Width, s.Height
	switch s.Mode {
	case 0:
	case 1, 3:
		height = int(float64(h) / float64(w) * float64(s.Width))
	case 2, 4:
		width = int(float64(w) / float64(h) * float64(s.Height))
	default:
		return 0, 0, fmt.Errorf("%w: mode %d", ErrScaling, s.Mode)
	}
	if width < 1 || height < 1 { // its resizer fails then, and nobody looks
		return w, h, nil
	}
	return width, height, nil
}
