package sign

import (
	"errors"
	"fmt"
	"time"
)

// ClockSkew is how far ahead of the server's clock a token may start, because clients choose its start by their own clock.
// Nothing is added to the expiry.
const ClockSkew = 300 * time.Second

var (
	// ErrTime is returned when a token or request is not valid at this time, or its times cannot be read. The error is a
	// *TimeError, which says which.
	ErrTime = errors.New("sign: not valid at this time")

	// ErrExpired is returned when the time of a token or request has passed. It is an ErrTime too.
	ErrExpired = fmt.Errorf("%w: expired", ErrTime)

	errTimeFormat = errors.New("sign: not a time")
)

// TimeError is an ErrTime with what a caller needs to tell the client about it.
type TimeError struct {
	Verdict       Verdict   // Early, Expired or Malformed
	Start, Expiry time.Time // UTC; zero when absent or unreadable
	Now           time.Time // the time that was compared with
}

func (e *TimeError) Error() string {
	return fmt.Sprintf("%v: %s: start %s, expiry %s, now %s", ErrTime, e.Verdict,
		orNone(e.Start), orNone(e.Expiry), orNone(e.Now))
}

// Is reports whether target is ErrTime, or ErrExpired for what has expired.
func (e *TimeError) Is(target error) bool {
	return target == ErrTime || target == ErrExpired && e.Verdict == Expired
}

func orNone(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return FormatTime(t)
}

// FormatTime returns t in the one form of time that every SDK signs and sends unchanged: "2018-03-14T07:50:33Z". A fraction of a
// second is dropped. The zero time gives "", which is an absent field.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// ParseTime reads a time that a client asks a token to start or end at: the forms of SAS (blob.md section 2, step 7), with up to
// nine digits of a fraction, because clients forget to cut it. The fraction is dropped; the result is in UTC.
func ParseTime(s string) (time.Time, error) {
	t, err := parseTime(s, 9)
	if err != nil {
		return time.Time{}, err
	}
	return t.Truncate(time.Second), nil
}

// parseTime reads "YYYY-MM-DD" (midnight UTC), "YYYY-MM-DDThh:mm" and "YYYY-MM-DDThh:mm:ss[.fraction]", the latter two with "Z" or
// "±hh:mm". It is not time.Parse: that also takes a comma for the dot, and a fraction of any length.
func parseTime(s string, maxFraction int) (time.Time, error) {
	bad := func() (time.Time, error) { return time.Time{}, fmt.Errorf("%w: %q", errTimeFormat, s) }
	p := timeParser{rest: s}
	year, month, day := p.number(4), p.after('-'), p.after('-')
	var hour, minute, second, nanosecond, offset int
	if p.rest != "" {
		hour, minute = p.after('T'), p.after(':')
		if p.at(':') {
			second = p.after(':')
			nanosecond = p.fraction(maxFraction)
		}
		offset = p.zone()
	}
	if p.failed || p.rest != "" || hour > 23 || minute > 59 || second > 59 {
		return bad()
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, time.UTC)
	if t.Month() != time.Month(month) || t.Day() != day { // time.Date makes the 30th of February a day in March
		return bad()
	}
	t = t.Add(-time.Duration(offset) * time.Minute)
	if t.Year() < 2 || t.Year() > 9999 { // the year 1 holds the zero time, and FormatTime writes four digits
		return bad()
	}
	return t, nil
}

// timeParser eats a time from the left. After a failure its results mean nothing, so that one look at failed is enough.
type timeParser struct {
	rest   string
	failed bool
}

func (p *timeParser) at(c byte) bool { return p.rest != "" && p.rest[0] == c }

// number reads exactly n digits.
func (p *timeParser) number(n int) int {
	if len(p.rest) < n {
		p.failed = true
		return 0
	}
	v := 0
	for _, c := range []byte(p.rest[:n]) {
		if c < '0' || c > '9' {
			p.failed = true
			return 0
		}
		v = v*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return v
}

// after reads c and two digits.
func (p *timeParser) after(c byte) int {
	if !p.at(c) {
		p.failed = true
		return 0
	}
	p.rest = p.rest[1:]
	return p.number(2)
}

// fraction reads nothing, or a dot and up to maxDigits digits, as nanoseconds.
func (p *timeParser) fraction(maxDigits int) int {
	if !p.at('.') {
		return 0
	}
	digits := 0
	for digits+1 < len(p.rest) && '0' <= p.rest[digits+1] && p.rest[digits+1] <= '9' {
		digits++
	}
	if digits == 0 || digits > maxDigits {
		p.failed = true
		return 0
	}
	p.rest = p.rest[1:]
	nanosecond := p.number(digits)
	for range 9 - digits {
		nanosecond *= 10
	}
	return nanosecond
}

// zone reads "Z" or "±hh:mm", as minutes east of UTC.
func (p *timeParser) zone() int {
	if p.at('Z') {
		p.rest = p.rest[1:]
		return 0
	}
	sign := 1
	c := byte('+')
	if p.at('-') {
		sign, c = -1, '-'
	}
	hour, minute := p.after(c), p.after(':')
	if hour > 23 || minute > 59 {
		p.failed = true
	}
	return sign * (hour*60 + minute)
}
