package store

import (
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// tallyEvery is how often a server tells the others what it has counted, and asks them. A
// stop without warning costs it what it has counted since.
const tallyEvery = 30 * time.Second

// tally counts what each owner has in a Bucket: each server what it has put and removed
// itself, under a key of its own. The sum of all is what there is, but for what a server had
// ownerCount when it was killed, and what two removed at the same moment.
type tally struct {
	mu      sync.Mutex // guards what follows
	own     map[string]ownerCount
	others  map[string]ownerCount
	changed bool      // own, since it was told
	told    time.Time // when it was
	asked   time.Time // when others was
}

// ownerCount is a usage as JSON. Of one server alone it may be negative.
type ownerCount struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (c ownerCount) plus(o ownerCount) ownerCount {
	return ownerCount{c.Objects + o.Objects, c.Bytes + o.Bytes}
}

func (b *Bucket) atTally(node string) address {
	return address{b.bucket(0), string(appendKey([]byte(b.key(keyTally)), node)) + nameEnd}
}

func (b *Bucket) openTally() (*tally, error) {
	own, err := b.readTally(b.opt.Node)
	if err != nil {
		return nil, err
	}
	return &tally{own: own, told: b.opt.Now()}, nil
}

func (b *Bucket) readTally(node string) (map[string]ownerCount, error) {
	all := make(map[string]ownerCount)
	data, err := b.s3.getSmall(b.atTally(node))
	if errors.Is(err, ErrNotFound) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	return all, err
}

// add counts n of o, which may be negative.
func (t *tally) add(o Object, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own[o.Owner] = t.own[o.Owner].plus(ownerCount{n, n * o.Size})
	t.changed = true
}

// flush tells the others what was counted, if that was not done for so long.
func (t *tally) flush(b *Bucket, every time.Duration) error {
	t.mu.Lock()
	if !t.changed || b.opt.Now().Sub(t.told) < every {
		t.mu.Unlock()
		return nil
	}
	data, err := json.Marshal(t.own)
	t.changed, t.told = false, b.opt.Now()
	t.mu.Unlock()
	if err == nil {
		err = b.s3.putSmall(b.atTally(b.opt.Node), data, false)
	}
	if err != nil {
		t.mu.Lock()
		t.changed = true
		t.mu.Unlock()
	}
	return err
}

// all returns the sum of what all servers have counted.
func (t *tally) all(b *Bucket) (map[string]ownerCount, error) {
	t.mu.Lock()
	stale := t.others == nil || b.opt.Now().Sub(t.asked).Abs() > tallyEvery
	if stale {
		t.asked = b.opt.Now() // one asks
	}
	t.mu.Unlock()
	if stale {
		others, err := b.otherTallies()
		t.mu.Lock()
		if err == nil {
			t.others = others
		}
		known := t.others != nil
		t.mu.Unlock()
		if !known {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := make(map[string]ownerCount, len(t.own))
	for _, part := range []map[string]ownerCount{t.own, t.others} {
		for owner, n := range part {
			sum[owner] = sum[owner].plus(n)
		}
	}
	return sum, nil
}

func (b *Bucket) otherTallies() (map[string]ownerCount, error) {
	base, own := b.key(keyTally), b.atTally(b.opt.Node).key
	sum := make(map[string]ownerCount)
	for after, more := "", true; more; {
		keys, truncated, err := b.s3.list(b.bucket(0), base, after, listPage)
		if err != nil {
			return nil, err
		}
		more = truncated
		for _, key := range keys {
			if after = key; key == own {
				continue
			}
			node, err := parseKey(key[len(base):])
			if err != nil {
				continue
			}
			part, err := b.readTally(node)
			if err != nil {
				return nil, err
			}
			for owner, n := range part {
				sum[owner] = sum[owner].plus(n)
			}
		}
	}
	return sum, nil
}

// Usage implements View: about, see tally.
func (b *Bucket) Usage(owner string) (objects, bytes int64, err error) {
	all, err := b.tally.all(b)
	n := all[owner]
	return max(n.Objects, 0), max(n.Bytes, 0), err
}

// Stats implements Store: about, see tally. Each object has a blob of its own.
func (b *Bucket) Stats() (s Stats, err error) {
	all, err := b.tally.all(b)
	for _, n := range all {
		s.Objects, s.ObjectBytes = s.Objects+n.Objects, s.ObjectBytes+n.Bytes
	}
	s.Objects, s.ObjectBytes = max(s.Objects, 0), max(s.ObjectBytes, 0)
	s.Blobs, s.BlobBytes = s.Objects, s.ObjectBytes
	return s, err
}
