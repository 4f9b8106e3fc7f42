package server

import (
	"strings"
	"testing"
	"time"
)

// TestWhoAsksTooOftenIsToldSo has one request more than may be, by each API, and again when
// time has passed.
func TestWhoAsksTooOftenIsToldSo(t *testing.T) {
	photo := testPicture(t, "landscape_1.jpg")
	asked := map[string]struct {
		ask    func(*testServer) answer
		status int
		text   string
		app    bool // limited by application too
	}{
		"dfsapi": {func(s *testServer) answer { return s.save(saveParts(photo)...) }, 429,
			`{"ERRORCODE":"ME24700", "RESULT":"save file to dfs failed!"}`, true},
		"qstorage": {func(s *testServer) answer { return s.upload(photo) }, 429, `{"ResultCode":"997999","Message":"unknown error","Content":""}`, true},
		"blob":     {func(s *testServer) answer { return s.do("GET", s.at("none.jpg", "r"), nil) }, 503, "<Code>ServerBusy</Code>", false},
		"link":     {func(s *testServer) answer { return s.do("GET", publicURL+"/group1/M00/00/00/x.jpg", nil) }, 429, "Too Many Requests\n", false},
		"gain":     {func(s *testServer) answer { return s.do("GET", publicURL+"/dfsapi/v2/gainImage", nil) }, 429, "", false},
	}
	for api, a := range asked {
		for by, change := range map[string]func(*Config){
			"address": func(c *Config) { c.AddressRate = 1 },
			"app":     func(c *Config) { c.AppRate = 1 },
		} {
			if by == "app" && !a.app {
				continue
			}
			t.Run(api+" "+by, func(t *testing.T) {
				s := newTestServer(t, change)
				for range 2 {
					for range burstSeconds {
						if got := a.ask(s); got.status == a.status {
							t.Errorf("refused early: %d %s", got.status, got.body)
						}
					}
					got := a.ask(s)
					if got.status != a.status || !strings.Contains(got.body, a.text) || got.header.Get("Retry-After") != "1" {
						t.Errorf("%d %v %s", got.status, got.header, got.body)
					}
					s.clock.add(burstSeconds * time.Second)
				}
				if s.do("GET", publicURL+"/healthz", nil).status != 200 {
					t.Error("healthz is limited")
				}
			})
		}
	}
}

func TestBucketsAreForgotten(t *testing.T) {
	b, now := newBuckets[int](1), time.Now()
	for range burstSeconds {
		if err := b.take(-1, now); err != nil {
			t.Error(err)
		}
	}
	for i := range maxBuckets - 1 {
		b.take(i, now.Add(-time.Hour))
	}
	for i := range maxBuckets / 2 {
		b.take(-2-i, now)
	}
	if len(b.of) > maxBuckets {
		t.Errorf("%d buckets", len(b.of))
	}
	if b.of[-1] == nil || b.take(-1, now) == nil {
		t.Error("who asks too often was forgotten with the others")
	}
}
