package sign

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFastDFSTokenVectors(t *testing.T) {
	file := readFastDFSVectors(t)
	for _, v := range file.Tokens {
		if got := FastDFSToken(v.SignedPath, v.Secret, v.TS); got != v.Token {
			t.Errorf("%s at %d: got %s, want %s", v.SignedPath, v.TS, got, v.Token)
		}
		id, err := ParseFileID(v.FileID)
		if err != nil || id.Path() != v.SignedPath {
			t.Errorf("%s: signed path: got %s, %v, want %s", v.FileID, id.Path(), err, v.SignedPath)
		}
		now := time.Unix(v.TS, 0)
		ts := strconv.FormatInt(v.TS, 10)
		if err := VerifyFastDFSToken(v.SignedPath, v.Secret, v.Token, ts, 900*time.Second, now); err != nil {
			t.Errorf("%s at %d: got %v, want nil", v.SignedPath, v.TS, err)
		}
		e := ExplainFastDFS("/"+v.FileID, v.Query, v.Secret, 900*time.Second, now)
		if !e.Valid || e.Signature != OK || e.Time != OK || e.StringToSign != v.SignedPath+"{secret}"+ts || strings.Contains(e.StringToSign, v.Secret) && len(v.Secret) > 1 {
			t.Errorf("%s: explained as %+v", v.FileID, e)
		}
	}
}

func TestFastDFSTokenChecks(t *testing.T) {
	for _, v := range readFastDFSVectors(t).Checks {
		want := map[int]error{0: nil, 1: ErrSignature, 22: ErrMalformed, 110: ErrExpired}[v.Result]
		if v.TS < 0 {
			want = ErrMalformed // FastDFS calls it expired; here a ts that is not digits is refused before (dfsapi.md 2.2, [rec])
		}
		ts, ttl, now := strconv.FormatInt(v.TS, 10), time.Duration(v.TTL)*time.Second, time.Unix(v.Now, 0)
		if err := VerifyFastDFSToken(v.SignedPath, v.Secret, v.Token, ts, ttl, now); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", v.Case, err, want)
		}
		e := ExplainFastDFS("/group1/"+v.SignedPath, "token="+v.Token+"&ts="+ts, v.Secret, ttl, now)
		if e.Valid != (want == nil) {
			t.Errorf("%s: explained as valid=%v, want %v", v.Case, e.Valid, want == nil)
		}
	}
}

func TestVerifyFastDFSToken(t *testing.T) {
	const path, secret = "M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4", "invented"
	const ttl = 900 * time.Second
	now := time.Unix(1700001000, 500_000_000)
	for _, tt := range []struct {
		name, secret, ts string
		signedTS         int64
		want             error
	}{
		{"half a second over the age still counts as the age", secret, "1700000100", 1700000100, nil},
		{"the largest number", secret, "9223372036854775807", 1<<63 - 1, nil},
		{"zeros before it change nothing", secret, "01700000100", 1700000100, nil},
		{"digits and letters, which atoi would take", secret, "1700001000abc", 1700001000, ErrMalformed},
		{"letters, which atoi takes for 0", secret, "abc", 0, ErrMalformed},
		{"nothing", secret, "", 0, ErrMalformed},
		{"a plus", secret, "+1700001000", 1700001000, ErrMalformed},
		{"a blank", secret, " 1700001000", 1700001000, ErrMalformed},
		{"an underscore", secret, "1_700001000", 1700001000, ErrMalformed},
		{"too large a number", secret, "9223372036854775808", 0, ErrMalformed},
		{"1970", secret, "1", 1, ErrExpired},
		{"another time stamp", secret, "1700001001", 1700001000, ErrSignature},
		{"an empty secret", "", "1700001000", 1700001000, ErrSignature},
	} {
		token := FastDFSToken(path, tt.secret, tt.signedTS)
		if err := VerifyFastDFSToken(path, tt.secret, token, tt.ts, ttl, now); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	// A link that ends at E: its ts lies ahead for as long as it lives longer than the ttl.
	end := now.Add(30 * 24 * time.Hour).Truncate(time.Second)
	ts := end.Add(-ttl).Unix()
	token := FastDFSToken(path, secret, ts)
	for _, tt := range []struct {
		name string
		at   time.Time
		want error
	}{{"now", now, nil}, {"at its end", end, nil}, {"after its end", end.Add(time.Second), ErrExpired}} {
		if err := VerifyFastDFSToken(path, secret, token, strconv.FormatInt(ts, 10), ttl, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("a link for 30 days, %s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}
