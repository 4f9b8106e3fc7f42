package command

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"tintype/store"
)

// stored is a picture that the server has acknowledged. A zero time is that of
// what did not happen.
type stored struct {
	url, token string
	digest     [sha256.Size]byte
	relaxed    bool // time-limited: forced to the disk a moment after its acknowledgement

	acked     time.Time
	described time.Time // acknowledgement of its metadata
	deleting  time.Time // a delete began
	deleted   time.Time // acknowledgement of that
}

// moment is a stop: what was acknowledged later is not promised.
type moment struct {
	all     time.Time
	relaxed time.Time // for the time-limited
}

// reading is what the name of a picture leads to after a stop.
type reading struct {
	Digest   [sha256.Size]byte
	Metadata string
	Gone     bool
	Err      string // why it is neither there nor gone
}

// allows says whether a reading is as promised before m.
func (s *stored) allows(r reading, m moment) bool {
	before := func(t time.Time) bool { return !t.IsZero() && !t.After(m.all) }
	whole := !r.Gone && r.Err == "" && r.Digest == s.digest && (r.Metadata == "v" || !before(s.described))
	switch {
	case before(s.deleted):
		return r.Gone
	case before(s.deleting), !before(s.acked), s.relaxed && s.acked.After(m.relaxed):
		return whole || r.Gone
	}
	return whole
}

// examine starts the server on what a stop left, counts pictures that it does not
// serve as promised, and stops it.
func (k *killer) examine(pictures []*stored, m moment) (bad int) {
	began := time.Now()
	p, err := tryServer(k.t, k.dir, killArgs...)
	if err != nil {
		k.log("no start: %v", err)
		return 1
	}
	k.slowest = max(k.slowest, time.Since(began))
	bad = k.judge(pictures, m, k.from(p))
	if err := p.end(); err != nil {
		k.log("stop: %v", err)
		bad++
	}
	return bad
}

// check reads pictures back, and counts those that are not as acknowledged until now.
func (k *killer) check(p *proc, pictures []*stored) (bad int) {
	return k.judge(pictures, moment{time.Now(), time.Now()}, k.from(p))
}

// judge reads pictures and counts those that are not as promised before m.
func (k *killer) judge(pictures []*stored, m moment, read func(*stored) reading) (bad int) {
	for _, s := range pictures {
		if r := read(s); !s.allows(r, m) {
			bad++
			k.log("%s: gone %v, error %q, acknowledged %v, delete acknowledged %v, all that were until %v",
				s.url, r.Gone, r.Err, clock(s.acked), clock(s.deleted), clock(m.all))
		}
	}
	return bad
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("15:04:05.000")
}

// from reads pictures from a server.
func (k *killer) from(p *proc) func(*stored) reading {
	return func(s *stored) (r reading) {
		resp, err := k.http.Get(p.url + s.url + s.token)
		if err != nil {
			return reading{Err: err.Error()}
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			r.Err = err.Error()
		case resp.StatusCode != 200 && resp.StatusCode != 404:
			r.Err = resp.Status
		}
		r.Digest, r.Metadata, r.Gone = sha256.Sum256(data), resp.Header.Get("x-ms-meta-k"), resp.StatusCode == 404
		return r
	}
}

// recent returns the n last pictures.
func (k *killer) recent(n int) []*stored { return k.all[max(0, len(k.all)-n):] }

// leftOvers counts files that no name leads to in a store that was stopped cleanly.
func (k *killer) leftOvers() (bad int) {
	var files [2][]string
	for i, tier := range []string{"pictures", "cache"} {
		dir := filepath.Join(k.dir, tier)
		if left, _ := filepath.Glob(filepath.Join(dir, "tmp/*")); len(left) > 0 {
			k.log("left in tmp: %v", left)
			bad += len(left)
		}
		files[i], _ = filepath.Glob(filepath.Join(dir, "blobs/*/*"))
	}
	data, err := store.OpenData(k.dir, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		k.log("open: %v", err)
		return bad + 1
	}
	for i, tier := range []store.Tier{data.Pictures, data.Cache} {
		n, err := tier.Stats()
		// blobs of the cache may stay in its journal
		if more := int64(len(files[i])) - n.Blobs; err != nil || more > 0 || more < 0 && tier == data.Pictures {
			k.log("tier %d: %d blob files, %d in the index, %v", i, len(files[i]), n.Blobs, err)
			bad++
		}
		if _, unnamed, err := tier.Collect(time.Time{}, func(int64, int64) {}); err != nil || unnamed > 0 {
			k.log("tier %d: nothing names %d blob files, %v", i, unnamed, err)
			bad++
		}
	}
	if err := data.Close(); err != nil {
		k.log("close: %v", err)
		bad++
	}
	return bad
}

// log tells what is bad, unless it is wanted.
func (k *killer) log(format string, args ...any) {
	if !wantBad {
		k.t.Logf(format, args...)
	}
}

// report says in how many rounds a test has found something bad, and whether it
// had to.
func (k *killer) report(rounds int, what string, bad int) {
	k.t.Helper()
	k.t.Logf("%d %s, %d pictures acknowledged, %d bad, slowest start %v", rounds, what, len(k.all), bad, k.slowest.Round(time.Millisecond))
	if seeded := bad > 0; seeded != wantBad {
		k.t.Errorf("%d of %d %s bad; seeded bug: %v", bad, rounds, what, wantBad)
	}
}
