//go:build fire && linux

package command

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/sign"
)

// Each client asks again at another node where one does not answer as it should.
const clientTries = 3

// pulse is the times of what succeeded.
type pulse struct {
	mu          sync.Mutex // guards what follows
	last, began time.Time  // began: of the longest stall
	longest     time.Duration
	n           int
}

// beat notes a success, or the start or end of the time that counts.
func (p *pulse) beat(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if stall := now.Sub(p.last); !p.last.IsZero() && stall > p.longest {
		p.longest, p.began = stall, p.last
	}
	p.last, p.n = now, p.n+n
}

// known is a picture that all nodes have to have.
type known struct {
	*held
	mu      sync.RWMutex  // held while it is read, or deleted
	by      *node         // that acknowledged it
	life    time.Duration // 0: for ever
	relaxed bool          // kept where it may be lost
	lost    atomic.Bool

	asked, acked, deleted time.Time
}

// load is clients of a fleet, and all that they remember.
type load struct {
	*fleet
	*uploader
	began   time.Time
	relaxed bool                        // short-lived pictures are where they may be lost
	early   time.Duration               // by which pictures may expire before their time
	lives   []time.Duration             // of pictures that have one
	mu      sync.Mutex                  // guards all, bad
	all     []*known                    // acknowledged
	bad     []string                    // what must not be
	failed  func(what string, s *known) // called after a request that failed; nil: nothing

	writes, reads, deletes                 pulse
	failedWrites, failedReads, failedTrash atomic.Int64 // requests
	wrong, late, undead, unsure            atomic.Int64
}

func newLoad(t *testing.T, f *fleet) *load {
	l := &load{fleet: f, uploader: newUploader(t), lives: []time.Duration{2 * time.Second, 5 * time.Second, 20 * time.Second, 5 * time.Minute, time.Hour}}
	l.uploader.http.Timeout = 10 * time.Second
	return l
}

// run runs 4 uploaders, 2 readers and a deleter while the schedule does.
func (l *load) run(schedule func()) {
	l.began = time.Now()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	client := func(do func(), pause func() time.Duration) {
		clients.Go(func() {
			for {
				do()
				select {
				case <-stop:
					return
				case <-time.After(pause()):
				}
			}
		})
	}
	for _, p := range []*pulse{&l.writes, &l.reads} {
		p.beat(0)
		defer p.beat(0)
	}
	for range 4 {
		client(l.upload, func() time.Duration { return between(20, 80) })
	}
	for range 2 {
		client(l.readOne, func() time.Duration { return between(2, 20) })
	}
	client(l.deleteOne, func() time.Duration { return between(50, 250) })
	schedule()
	close(stop)
	clients.Wait()
}

// at waits until the load has gone on for d.
func (l *load) at(d time.Duration) { time.Sleep(time.Until(l.began.Add(d))) }

// photo is large enough for a thumbnail to be smaller.
var photo = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 1400, 900)), nil)
	return b.Bytes()
})

// upload stores a picture of 2 to 300 KB in one of the ways that there are.
func (l *load) upload() {
	s := &known{held: &held{way: bySave}}
	data := uniquePicture()
	field := func(name, value string) { s.fields = append(s.fields, sign.Field{Name: name, Value: value}) }
	switch k := rand.IntN(8); {
	case k < 4:
		s.way = byUpload
		if k == 0 {
			data = photo()
		}
	case k < 6:
		field("isStorage", "true")
		if k == 5 {
			s.life = l.lives[rand.IntN(len(l.lives))]
		}
	default:
		field("isStorage", "false")
		s.life, s.relaxed = l.lives[rand.IntN(len(l.lives))], l.relaxed
	}
	if s.life > 0 {
		field("cacheTime", fmt.Sprint(s.life.Seconds()))
	}
	data = padded(data, 2000<<rand.IntN(7)+rand.IntN(2000))
	for range clientTries {
		n := l.some(s.by)
		s.by = n
		n.uploads.Add(1)
		s.asked = time.Now()
		got := l.store(n.url(), s.held, data)
		s.acked = time.Now()
		n.uploads.Add(-1)
		if got == accepted {
			l.writes.beat(1)
			l.mu.Lock()
			l.all = append(l.all, s)
			l.mu.Unlock()
			return
		}
		l.failedWrites.Add(1)
		l.fails("upload to "+n.name+": "+got, s)
	}
}

func (l *load) fails(what string, s *known) {
	if l.failed != nil {
		l.failed(what, s)
	}
}

// pick returns a remembered picture, by chance; nil: there is none.
func (l *load) pick() *known {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return nil
	}
	return l.all[rand.IntN(len(l.all))]
}

// readOne reads a picture through another node than the one that took it.
func (l *load) readOne() {
	s := l.pick()
	if s == nil || !s.mu.TryRLock() { // it is being deleted
		return
	}
	defer s.mu.RUnlock()
	n := s.by
	for range clientTries {
		n = l.some(n)
		if l.look(n, s) && (s.small.URL == "" || rand.IntN(4) > 0 || l.lookSmall(n, s)) {
			l.reads.beat(1)
			return
		}
		l.failedReads.Add(1)
		l.fails("read from "+n.name, s)
	}
}

// deleteOne deletes a picture that has no other end.
func (l *load) deleteOne() {
	s := l.pick()
	for range 20 {
		if s == nil || s.way == byUpload {
			break
		}
		s = l.pick()
	}
	if s == nil || s.way != byUpload {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.going {
		return
	}
	n := s.by
	for try := range clientTries {
		n = l.some(n)
		switch got := l.remove(n.url(), s.held); {
		case got == accepted:
			s.deleted = time.Now()
			l.deletes.beat(1)
			return
		case got == "997909" && try > 0: // an earlier try has deleted it
			l.unsure.Add(1)
			return
		case got == "997909":
			l.lose(s, "%s says that there is none to delete", n.name)
			return
		default:
			l.failedTrash.Add(1)
			l.fails("delete at "+n.name+": "+got, s)
		}
	}
	l.unsure.Add(1)
}

// wrongly notes what must not be.
func (l *load) wrongly(s *known, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bad = append(l.bad, fmt.Sprintf("T+%.1f %s by %s, acknowledged by %s at T+%.1f: %s", time.Since(l.began).Seconds(), s.url, s.way,
		s.by.name, s.acked.Sub(l.began).Seconds(), fmt.Sprintf(format, args...)))
}

// lose notes that a picture is not there.
func (l *load) lose(s *known, format string, args ...any) {
	if first := s.lost.CompareAndSwap(false, true); first && !s.relaxed {
		l.wrongly(s, format, args...)
	}
}

// report tells all figures, and fails the test where something was as it must not be.
func (l *load) report() {
	l.t().Helper()
	lost, forgotten := 0, 0
	for _, s := range l.all {
		switch {
		case s.lost.Load() && s.relaxed:
			forgotten++
		case s.lost.Load():
			lost++
		}
	}
	stall := func(p *pulse) string {
		return fmt.Sprintf("%.1f s at T+%.1f", p.longest.Seconds(), p.began.Sub(l.began).Seconds())
	}
	l.t().Logf("%d acked, %d failed; %d reads, %d failed; %d deletes, %d failed, %d unsure; lost %d, wrong %d, undead %d, late %d; longest stall of uploads %s, of reads %s",
		l.writes.n, l.failedWrites.Load(), l.reads.n, l.failedReads.Load(), l.deletes.n, l.failedTrash.Load(), l.unsure.Load(),
		lost, l.wrong.Load(), l.undead.Load(), l.late.Load(), stall(&l.writes), stall(&l.reads))
	if l.relaxed {
		l.t().Logf("%d short-lived pictures lost before their time", forgotten)
	}
	if len(l.bad) > 0 {
		l.t().Errorf("%d bad:\n%s", len(l.bad), strings.Join(l.bad[:min(len(l.bad), 30)], "\n"))
	}
	if damaged := l.words("damaged", 10); len(damaged) > 0 {
		l.t().Errorf("taken for damaged:\n%s", strings.Join(damaged, ""))
	}
	if l.t().Failed() {
		l.t().Logf("from the logs:\n%s", strings.Join(l.words("", 60), ""))
	}
	if most := 15 * time.Second; l.writes.longest > most || l.reads.longest > most {
		l.t().Errorf("a stall of more than %v", most)
	}
	if l.writes.n < 50 || l.reads.n < 50 || l.deletes.n < 5 {
		l.t().Error("too few to prove anything")
	}
}

func (l *load) t() *testing.T { return l.fleet.t }
