package command

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// size is a number of bytes: "8MiB", "500KB", "1048576".
type size int64

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

func (s *size) Type() string { return "SIZE" }

func (s *size) String() string {
	for i := 3; i >= 0; i-- {
		if unit := size(sizeUnits[i].bytes); *s >= unit && *s%unit == 0 {
			return strconv.FormatInt(int64(*s/unit), 10) + sizeUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

func (s *size) Set(text string) error {
	for _, u := range sizeUnits {
		if number, ok := cutSuffixFold(text, u.suffix); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || !(n >= 0) || n*u.bytes > math.MaxInt64/2 {
				break
			}
			*s = size(n * u.bytes)
			return nil
		}
	}
	return fmt.Errorf("%q is no size; write 8MiB, 500KB or a number of bytes", text)
}

// pixels is a number of pixels: "50MP", "50000000".
type pixels int

func (p *pixels) Type() string { return "PIXELS" }

func (p *pixels) String() string {
	if *p >= 1e6 && *p%1e6 == 0 {
		return strconv.Itoa(int(*p/1e6)) + "MP"
	}
	return strconv.Itoa(int(*p))
}

func (p *pixels) Set(text string) error {
	number, mega := cutSuffixFold(text, "MP")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if mega {
		n *= 1e6
	}
	if err != nil || !(n >= 1) || n > 1e10 {
		return fmt.Errorf("%q is no number of pixels; write 50MP or 50000000", text)
	}
	*p = pixels(n)
	return nil
}

// duration is a time with days: "30d", "900s", "1h30m".
type duration time.Duration

func (d *duration) Type() string { return "DURATION" }

func (d *duration) String() string {
	if t := time.Duration(*d); t >= day && t%day == 0 {
		return strconv.Itoa(int(t/day)) + "d"
	}
	s := time.Duration(*d).String()
	for _, zero := range []string{"m0s", "h0m"} { // 15m0s, 12h0m
		if strings.HasSuffix(s, zero) {
			s = strings.TrimSuffix(s, zero[1:])
		}
	}
	return s
}

func (d *duration) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n > 0 && n < 1e5 {
			*d = duration(n * float64(day))
			return nil
		}
	}
	t, err := time.ParseDuration(text)
	if err != nil || t <= 0 {
		return fmt.Errorf("%q is no duration; write 30d, 12h or 900s", text)
	}
	*d = duration(t)
	return nil
}

// choice is one word of several.
type choice struct {
	value string
	of    []string
}

func (c *choice) Type() string   { return strings.Join(c.of, "|") }
func (c *choice) String() string { return c.value }

func (c *choice) Set(text string) error {
	for _, word := range c.of {
		if strings.EqualFold(word, text) {
			c.value = word
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(c.of, ", "))
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n >= 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}
