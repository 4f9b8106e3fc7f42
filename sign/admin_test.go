package sign

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAdminTokenEndsAndIsBoundToItsKey(t *testing.T) {
	key, end := []byte("key of the console"), time.Unix(1800000000, 0)
	token := AdminToken(key, end)
	if token == AdminToken(key, end) {
		t.Error("two tokens are the same")
	}
	for _, c := range []struct {
		name, token string
		key         []byte
		now         time.Time
		want        error
	}{
		{"in its time", token, key, end.Add(-time.Nanosecond), nil},
		{"at its end", token, key, end, ErrTime},
		{"of another key", token, []byte("key"), end.Add(-1), ErrSignature},
		{"without a key", AdminToken(nil, end), nil, end.Add(-1), ErrSignature},
		{"cut", token[:len(token)-1], key, end.Add(-1), ErrMalformed},
		{"longer", token + "AAAA", key, end.Add(-1), ErrMalformed},
		{"with a line feed", token[:20] + "\n" + token[20:], key, end.Add(-1), ErrMalformed},
		{"with a carriage return", token + "\r", key, end.Add(-1), ErrMalformed},
		{"without its prefix", strings.TrimPrefix(token, adminPrefix), key, end.Add(-1), ErrMalformed},
		{"empty", "", key, end.Add(-1), ErrMalformed},
	} {
		got, err := VerifyAdminToken(c.key, c.token, c.now)
		if !errors.Is(err, c.want) || err == nil && !got.Equal(end) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, adminPrefix))
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, err := VerifyAdminToken(key, adminPrefix+base64.RawURLEncoding.EncodeToString(raw), end.Add(-1)); err == nil {
			t.Errorf("accepted with bit %d changed", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func FuzzAdminToken(f *testing.F) {
	key, now := []byte("key"), time.Unix(1800000000, 0)
	f.Add(AdminToken(key, now.Add(time.Hour)))
	f.Add("tintype1_")
	f.Fuzz(func(t *testing.T, token string) {
		if end, err := VerifyAdminToken(key, token, now); err != nil && !end.IsZero() {
			t.Errorf("%q: %v with %v", token, end, err)
		}
	})
}
