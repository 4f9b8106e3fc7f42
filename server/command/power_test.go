//go:build fire && linux

package command

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cutsPerVolume is how many power cuts one file system and its data directory see.
const cutsPerVolume = 6

// TestPowerCut takes the power from a file system under a loaded server, as often
// as TINTYPE_CUTS says: every fourth time from xfs, else from ext4. What was
// acknowledged has to be there whole, and no file that nothing names. Built with
// the tag seedbug, the server has the bug that TINTYPE_SEEDBUG names, and the test
// must notice.
func TestPowerCut(t *testing.T) {
	cuts := times(t, "TINTYPE_CUTS", 8)
	l := newLab(t, "mkfs.ext4", "mkfs.xfs", "e2fsck", "xfs_repair")
	began, total, bad := time.Now(), newKiller(t, ""), 0
	sites := make(map[string]*site)
	for round := range cuts {
		kind, options := "ext4", fmt.Sprintf("commit=%d", []int{1, 5, 1000}[round%3])
		if round%4 == 3 {
			kind, options = "xfs", ""
		}
		s := sites[kind]
		if s == nil {
			s = newSite(l, kind)
			sites[kind] = s
		}
		isBad := s.round(options) > 0
		if isBad {
			bad++
		}
		if isBad || s.rounds == cutsPerVolume {
			total.add(s.killer)
			delete(sites, kind)
		}
	}
	for _, s := range sites {
		total.add(s.killer)
	}
	t.Logf("%v a cut", (time.Since(began) / time.Duration(cuts)).Round(time.Millisecond))
	total.report(cuts, "power cuts", bad)
}

// add takes over what another killer has to tell.
func (k *killer) add(other *killer) {
	k.all = append(k.all, other.all...)
	k.slowest = max(k.slowest, other.slowest)
}

// site is a file system, and a data directory on it that lives through some cuts.
type site struct {
	*killer
	volume *volume
	rounds int
}

// newSite makes an empty one, in place of the last of its kind.
func newSite(l *lab, kind string) *site {
	v := l.volume(kind, kind)
	v.format(320) // mkfs.xfs wants 300
	return &site{killer: newKiller(l.t, filepath.Join(v.dir, "data")), volume: v}
}

// round runs a server until the power is cut, and counts what is not as promised
// when it is back.
func (s *site) round(options string) (bad int) {
	s.mount(options)
	m := s.loadUntilCut()
	s.volume.unmount()
	s.mount(options)
	bad = s.examineCut(m)
	if bad == 0 { // otherwise the store may be beyond reading
		var read func(*stored) reading
		if bad, read = s.autopsy(m); bad == 0 {
			s.settle(read)
		}
	}
	s.volume.unmount()
	if err := s.volume.fsck(); err != nil {
		s.log("%v", err)
		bad++
	}
	s.rounds++
	return bad
}

func (s *site) mount(options string) {
	s.t.Helper()
	if err := s.volume.mount(options); err != nil {
		s.t.Fatal(err)
	}
}

// loadUntilCut cuts the power at a moment that the number of the round chooses:
// first while the data directory is made, later under load, just after an
// acknowledgement when nobody else makes the disk sync, and so late that
// time-limited pictures are promised too.
func (s *site) loadUntilCut() moment {
	s.clients, s.acked = 8, nil
	power := &power{volume: s.volume, off: make(chan struct{})}
	cut := power.cut
	after := between(100, 600)
	switch s.rounds {
	case 0:
		after = between(0, 200)
	case 2, 4:
		s.clients, s.acked = 1, power.cutIfDue
		cut = func() { power.due.Store(true) }
	case 5:
		after = between(2000, 2500)
	}
	time.AfterFunc(after, cut)
	p, err := launch(s.t, append([]string{"--data", s.dir}, killArgs...)...)
	launched := time.Now()
	if err == nil {
		s.load(p.url, func() {
			power.wait()
			time.Sleep(20 * time.Millisecond) // for acknowledgements that are not true
			p.kill()
		})
	}
	power.wait()
	if err != nil && launched.Before(power.at) {
		s.t.Fatal(err)
	}
	if power.err != nil {
		s.t.Fatalf("cut the power: %v", power.err)
	}
	return powerCut(time.Now(), power.at)
}

// power is what a volume has until it is cut, once.
type power struct {
	volume *volume
	due    atomic.Bool // to be cut at the next chance
	once   sync.Once
	off    chan struct{} // closed with the cut
	at     time.Time
	err    error
}

func (p *power) cut() {
	p.once.Do(func() {
		p.at = time.Now()
		p.err = p.volume.cutPower()
		close(p.off)
	})
}

func (p *power) cutIfDue(s *stored) {
	if p.due.Load() && !s.relaxed {
		p.cut()
	}
}

// wait returns when the power is off, at the latest after 10 s.
func (p *power) wait() {
	defer time.AfterFunc(10*time.Second, p.cut).Stop()
	<-p.off
}
