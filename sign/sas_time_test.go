package sign

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2018, 3, 14, 7, 50, 33, 0, time.UTC)
	for _, tt := range []struct {
		name, in string
		want     time.Time
		ok       bool
	}{
		{"seconds", "2018-03-14T07:50:33Z", want, true},
		{"an offset east", "2018-03-14T15:50:33+08:00", want, true},
		{"an offset west", "2018-03-14T03:20:33-04:30", want, true},
		{"milliseconds of JavaScript are dropped", "2018-03-14T07:50:33.999Z", want, true},
		{"seven digits of a fraction", "2018-03-14T07:50:33.1234567Z", want, true},
		{"nine digits of a fraction", "2018-03-14T07:50:33.123456789Z", want, true},
		{"a fraction and an offset", "2018-03-14T15:50:33.5+08:00", want, true},
		{"minutes", "2018-03-14T07:50Z", want.Add(-33 * time.Second), true},
		{"minutes with an offset", "2018-03-14T07:50+00:00", want.Add(-33 * time.Second), true},
		{"a date is midnight in UTC", "2018-03-14", time.Date(2018, 3, 14, 0, 0, 0, 0, time.UTC), true},
		{"a leap day", "2020-02-29", time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC), true},
		{"ten digits of a fraction", "2018-03-14T07:50:33.1234567890Z", time.Time{}, false},
		{"a dot without digits", "2018-03-14T07:50:33.Z", time.Time{}, false},
		{"a comma", "2018-03-14T07:50:33,5Z", time.Time{}, false},
		{"a fraction of a minute", "2018-03-14T07:50.5Z", time.Time{}, false},
		{"hours alone", "2018-03-14T07Z", time.Time{}, false},
		{"no zone", "2018-03-14T07:50:33", time.Time{}, false},
		{"a plus that became a space", "2018-03-14T15:50:33 08:00", time.Time{}, false},
		{"an offset without a colon", "2018-03-14T15:50:33+0800", time.Time{}, false},
		{"a small z", "2018-03-14T07:50:33z", time.Time{}, false},
		{"a space for the T", "2018-03-14 07:50:33Z", time.Time{}, false},
		{"a date with a zone", "2018-03-14Z", time.Time{}, false},
		{"a day that is none", "2018-02-29", time.Time{}, false},
		{"a month that is none", "2018-13-01", time.Time{}, false},
		{"the hour 24", "2018-03-14T24:00:00Z", time.Time{}, false},
		{"the minute 60", "2018-03-14T07:60:00Z", time.Time{}, false},
		{"the second 60", "2018-03-14T07:50:60Z", time.Time{}, false},
		{"an offset of 24 hours", "2018-03-14T07:50:33+24:00", time.Time{}, false},
		{"an offset of 60 minutes", "2018-03-14T07:50:33+00:60", time.Time{}, false},
		{"a signed year", "+018-03-14", time.Time{}, false},
		{"the zero time", "0001-01-01T00:00:00Z", time.Time{}, false},
		{"an offset out of the year 9999", "9999-12-31T23:59:59-00:01", time.Time{}, false},
		{"something behind", "2018-03-14T07:50:33Z ", time.Time{}, false},
		{"nothing", "", time.Time{}, false},
		{"a Unix time", "1521013833", time.Time{}, false},
	} {
		got, err := ParseTime(tt.in)
		if !got.Equal(tt.want) || (err == nil) != tt.ok {
			t.Errorf("%s: %q: got %v, %v, want %v, ok=%v", tt.name, tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestATokenMayHaveSevenDigitsOfAFractionAndNotEight(t *testing.T) {
	for digits, ok := range map[string]bool{"1234567": true, "12345678": false} {
		if _, err := parseTime("2018-03-14T07:50:33."+digits+"Z", 7); (err == nil) != ok {
			t.Errorf("%s: got %v, want ok=%v", digits, err, ok)
		}
	}
	got, err := parseTime("2018-03-14T07:50:33.0000001Z", 7)
	if err != nil || got.Nanosecond() != 100 {
		t.Errorf("got %v, %v, want 100 ns: Verify compares the fraction too", got, err)
	}
}

func TestFormatTimeIsInUTC(t *testing.T) {
	at := time.Date(2018, 3, 14, 15, 50, 33, 999, time.FixedZone("", 8*3600))
	if got := FormatTime(at); got != "2018-03-14T07:50:33Z" {
		t.Errorf("got %s, want 2018-03-14T07:50:33Z", got)
	}
	if got := FormatTime(time.Time{}); got != "" {
		t.Errorf("zero time: got %q, want an absent field", got)
	}
}

func TestTimeErrorTellsWhichAndWhen(t *testing.T) {
	for _, tt := range []struct {
		name          string
		start, expiry string
		want          Verdict
	}{
		{"expired", "2026-01-02T03:00:00Z", "2026-01-02T03:04:00Z", Expired},
		{"expired without a start", "", "2026-01-02T03:04:00Z", Expired},
		{"early", "2026-01-02T04:00:00Z", "2026-01-02T05:00:00Z", Early},
		{"turned around, and past", "2026-01-02T03:04:05Z", "2026-01-02T03:04:00Z", Expired},
		{"turned around, and to come", "2026-01-02T05:00:00Z", "2026-01-02T04:00:00Z", Malformed},
		{"unreadable", "", "soon", Malformed},
		{"missing", "2026-01-02T03:00:00Z", "", Malformed},
	} {
		token := testToken()
		token.Start, token.Expiry = tt.start, tt.expiry
		err := signed(testKey, testResource, token).Verify(testCheck())
		te, ok := errors.AsType[*TimeError](err)
		if !ok || te.Verdict != tt.want || !te.Now.Equal(testNow) || !errors.Is(err, ErrTime) {
			t.Errorf("%s: got %v, want verdict %s at %v", tt.name, err, tt.want, testNow)
			continue
		}
		if errors.Is(err, ErrExpired) != (tt.want == Expired) {
			t.Errorf("%s: is ErrExpired: got %v", tt.name, errors.Is(err, ErrExpired))
		}
		if FormatTime(te.Start) != tt.start || FormatTime(te.Expiry) != tt.expiry && tt.expiry != "soon" {
			t.Errorf("%s: got start %v, expiry %v, want %q, %q", tt.name, te.Start, te.Expiry, tt.start, tt.expiry)
		}
		if !strings.Contains(err.Error(), string(tt.want)) || !strings.Contains(err.Error(), "now 2026-01-02T03:04:05Z") {
			t.Errorf("%s: got text %q, want the verdict and the time in it", tt.name, err)
		}
	}
}
