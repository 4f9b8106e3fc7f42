//go:build fire && unix

package store

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tintype/store/redistest"
)

// TestRedisMasterKilled kills, and then stops, a master of a cluster under load. All of it is
// back within 10 seconds; no wrong bytes are read, and none after their time. Pictures that
// were acknowledged and are gone are counted, and no failure: replication comes later.
func TestRedisMasterKilled(t *testing.T) {
	for name, hit := range map[string]func(*redistest.Server){
		"killed":  (*redistest.Server).Kill,
		"stopped": func(s *redistest.Server) { s.Signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			servers := redistest.Cluster(t)
			f := newFire(t, servers)
			time.AfterFunc(hitAfter, func() { hit(servers[0]) })
			f.run()
			f.verify("after it")
			if name == "stopped" {
				servers[0].Signal(syscall.SIGCONT)
				f.verify("when the old master has just come back")
				if err := servers[0].Wait("role:slave", "INFO", "replication"); err != nil {
					t.Error(err)
				}
				f.verify("when it is a replica")
			}
			time.Sleep(longest)
			f.verify("when what is short-lived has expired")
		})
	}
}

const (
	hitAfter = 3 * time.Second
	backIn   = 10 * time.Second
	goesOn   = 3 * time.Second // after that

	shortest, longest = time.Second, 4 * time.Second
)

// redisFire is load on a cluster, from two servers.
type redisFire struct {
	t      *testing.T
	tiers  [2]*Redis
	begun  time.Time
	mu     sync.Mutex // guards what follows
	stored []Object
	failed int
	late   time.Duration // when the last failure ended
	slow   time.Duration // the longest that succeeded

	reads atomic.Int64
}

func newFire(t *testing.T, servers redistest.Servers) *redisFire {
	f := &redisFire{t: t, begun: time.Now()}
	for i := range f.tiers {
		rest := openBucket(t, nil, func(opt *BucketOptions) { opt.Now = nil })
		r, err := OpenRedis(RedisOptions{Addresses: servers.Addresses(), Temp: t.TempDir()}, rest)
		if err != nil {
			t.Fatal(err)
		}
		f.tiers[i] = r
		t.Cleanup(func() { r.Close() })
	}
	return f
}

func (f *redisFire) run() {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := 0; time.Since(f.begun) < hitAfter+backIn+goesOn; n++ {
				f.write(fmt.Sprintf("%d/%d", i, n))
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for time.Since(f.begun) < hitAfter+backIn+goesOn {
				f.mu.Lock()
				var o Object
				if len(f.stored) > 0 {
					o = f.stored[rand.IntN(len(f.stored))]
				}
				f.mu.Unlock()
				if o.Name != "" {
					f.done(f.read(o), "read", time.Now())
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	all.Wait()
	f.t.Logf("%d stored, %d read; the longest write took %v", len(f.stored), f.reads.Load(), f.slow.Round(time.Millisecond))
	if f.failed > 0 {
		f.t.Logf("%d calls failed, the last of them %v after the hit", f.failed, (f.late - hitAfter).Round(time.Millisecond))
	}
}

// storedUnder is what is stored under a name.
func storedUnder(name string) string {
	h := fnv.New32a()
	io.WriteString(h, name)
	return strings.Repeat(name+" ", int(h.Sum32()%2000))
}

func (f *redisFire) write(name string) {
	start := time.Now()
	in := Item{Object: Object{Name: name, ID: "id of " + name, Expires: start.Add(time.Hour)}, Body: strings.NewReader(storedUnder(name)), New: true}
	if rand.IntN(2) == 0 {
		in.Expires = start.Add(shortest + rand.N(longest-shortest))
	}
	objs, err := f.tiers[rand.IntN(2)].Apply(Change{Put: []Item{in}})
	f.done(err, "write", start)
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stored = append(f.stored, objs[0])
		f.slow = max(f.slow, time.Since(start))
	}
}

// done counts a failure, which may not begin when all has to be well again.
func (f *redisFire) done(err error, what string, start time.Time) {
	if err == nil || errors.Is(err, ErrNotFound) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed++
	f.late = max(f.late, time.Since(f.begun))
	if at := start.Sub(f.begun) - hitAfter; at > backIn || at < -time.Second || !errors.Is(err, ErrUnreachable) {
		f.t.Errorf("a %s %v after the hit: %v", what, at, err)
	}
}

// read reads an object as it was stored, and not after its time; ErrNotFound.
func (f *redisFire) read(want Object) error {
	before := time.Now()
	o, blob, err := f.tiers[rand.IntN(2)].Open(want.Name)
	if err != nil {
		return err
	}
	defer blob.Close()
	data, err := blob.Whole()
	f.reads.Add(1)
	if err != nil || string(data) != storedUnder(want.Name) || !same(o, want) {
		f.t.Errorf("%s: %d bytes of %+v, %v, want %+v", want.Name, len(data), o, err, want)
	}
	if want.Expired(before) {
		f.t.Errorf("%s was read %v after it has expired", want.Name, before.Sub(want.Expires))
	}
	return nil
}

// verify reads all of it, and counts what is gone.
func (f *redisFire) verify(when string) {
	lost := 0
	for _, o := range f.stored {
		switch err := f.read(o); {
		case errors.Is(err, ErrNotFound):
			if !o.Expired(time.Now()) {
				lost++
			}
		case err != nil:
			f.t.Errorf("%s: %s: %v", when, o.Name, err)
		}
	}
	f.t.Logf("%s: of %d that were acknowledged %d are lost", when, len(f.stored), lost)
}
