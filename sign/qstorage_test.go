package sign

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestVerifyQStorage(t *testing.T) {
	const secret, stamp = "invented-4", "1520329467"
	// printf 1520329467 | openssl dgst -sha256 -hmac invented-4 -binary | base64
	const good = "/WqcwOaKKhnYoDV8/bFxkN7UJkHJxAXeiu8p0XS53/E="
	if got := QStorageSignature(secret, stamp); got != good {
		t.Errorf("got %s, want %s", got, good)
	}
	for _, tt := range []struct {
		name, secret, stamp, signature string
		want                           error
	}{
		{"the right one", secret, stamp, good, nil},
		{"another second", secret, "1520329468", good, ErrSignature},
		{"the same second written otherwise", secret, "01520329467", good, ErrSignature},
		{"another secret", "invented-2", stamp, good, ErrSignature},
		{"no padding", secret, stamp, strings.TrimSuffix(good, "="), ErrSignature},
		{"other bits before the padding", secret, stamp, good[:42] + string(good[42]+1) + "=", ErrSignature},
		{"the URL alphabet", secret, stamp, strings.NewReplacer("+", "-", "/", "_").Replace(good), ErrSignature},
		{"a line break at the end", secret, stamp, good + "\n", ErrSignature},
		{"the document's own words, base64(sha256(..))", secret, stamp, "kTC59b6mTvgiaabWpZ5Jvi9Xqj/XmqGrWACw4VGOxI=", ErrSignature},
		{"empty", secret, stamp, "", ErrSignature},
		{"an empty secret", "", stamp, QStorageSignature("", stamp), ErrSignature},
	} {
		if err := VerifyQStorage(tt.secret, tt.stamp, tt.signature); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestVerifyQStorageTime(t *testing.T) {
	now := time.Unix(1520329467, 900_000_000)
	for _, tt := range []struct {
		name, stamp string
		want        error
		verdict     Verdict
	}{
		{"now", "1520329467", nil, ""},
		{"900 s ago", "1520328567", nil, ""},
		{"901 s ago", "1520328566", ErrExpired, Expired},
		{"900 s ahead", "1520330367", nil, ""},
		{"901 s ahead", "1520330368", ErrTime, Early},
		{"milliseconds", "1520329467000", ErrMalformed, ""},
		{"nine digits", "152032946", ErrMalformed, ""},
		{"a sign", "+520329467", ErrMalformed, ""},
		{"an underscore", "1520_29467", ErrMalformed, ""},
		{"a blank", " 520329467", ErrMalformed, ""},
		{"other digits", "１５２０", ErrMalformed, ""},
		{"empty", "", ErrMalformed, ""},
	} {
		err := VerifyQStorageTime(tt.stamp, now)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if te, ok := errors.AsType[*TimeError](err); ok != (tt.verdict != "") || ok && te.Verdict != tt.verdict {
			t.Errorf("%s: got %v, want verdict %q", tt.name, err, tt.verdict)
		}
	}
}
