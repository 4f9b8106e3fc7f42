package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"tintype/store/s3test"
)

// TestBucketModel has two servers do random changes over one S3 whose answers get lost, come
// late or not at all, and compares what both read with a map after each step.
// TINTYPE_BUCKET_MODEL is the number of rounds, TINTYPE_MODEL_SEED the first of their seeds.
// Nothing waits in earnest, not even for a call that hangs.
func TestBucketModel(t *testing.T) {
	seed := uint64(number("TINTYPE_MODEL_SEED", 1))
	for i := range number("TINTYPE_BUCKET_MODEL", 12) {
		t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newBucketModel(t, seed+uint64(i)).round() })
		})
	}
}

// network has servers in memory: see testing/synctest, for which one of the system does not do.
type network map[string]*fasthttputil.InmemoryListener

// serve has a server called host until the test ends.
func (n network) serve(t *testing.T, host string, h http.Handler) (url string) {
	ln := fasthttputil.NewInmemoryListener()
	n[host+":80"] = ln
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return "http://" + host
}

func (n network) dial(_ context.Context, _, addr string) (net.Conn, error) { return n[addr].Dial() }

// bucketModel is one round: an S3, the servers, and what must be there.
type bucketModel struct {
	*testing.T
	rand    *rand.Rand
	clock   *clock
	weather *weather
	servers []*Bucket
	workers []*bucketWorker

	mu     sync.Mutex // guards unsure
	unsure bool       // a change has failed: nobody knows how many objects there are, nor of which IDs
}

// bucketWorker changes names of its own by one of the servers.
type bucketWorker struct {
	*bucketModel
	rand   *rand.Rand
	server *Bucket
	names  []string
	world  world
	ids    []string // that were ever given
}

func newBucketModel(t *testing.T, seed uint64) *bucketModel {
	r := rand.New(rand.NewPCG(seed, 1))
	m := &bucketModel{T: t, rand: r, clock: newClock()}
	s, net := s3test.Unserved(), make(network)
	m.weather = &weather{
		inMemory: &inMemory{Server: s, endpoints: []string{net.serve(t, "a", s), net.serve(t, "b", s)}, attempt: attemptTime},
		clock:    m.clock, rand: rand.New(rand.NewPCG(seed, 2)), out: -1, hang: r.IntN(4) / 2, active: make(map[chan struct{}]bool),
	}
	s.Fault, s.Now = m.weather.fault, m.clock.Now
	buckets := []int{1, 3}[r.IntN(2)]
	for i := range 2 {
		m.servers = append(m.servers, openBucket(t, m.clock, func(opt *BucketOptions) {
			opt.Endpoints, opt.Node, opt.Prefix, opt.Buckets = m.weather.endpoints, fmt.Sprint("n", i), "p", buckets
			opt.dial, opt.Log = net.dial, slog.New(slog.DiscardHandler)
		}))
	}
	for i := range 3 {
		w := &bucketWorker{bucketModel: m, server: m.servers[i/2], world: make(world)}
		w.rand = rand.New(rand.NewPCG(seed, uint64(3+i)))
		for _, name := range []string{"f/a_1024", "f/a_full", "f/b", "g/A.jpg", "g", "照/" + strings.Repeat("x", 200)} {
			name = fmt.Sprintf("w%d/%s", i, name)
			w.names = append(w.names, name, "delete-"+name)
		}
		m.workers = append(m.workers, w)
	}
	return m
}

func (m *bucketModel) round() {
	for range 12 {
		if m.Failed() {
			break
		}
		m.step()
		m.compare()
		m.clock.add(time.Duration([]int{0, 1, 60, 600}[m.rand.IntN(4)]) * time.Second)
	}
	m.weather.set(0, -1)
	m.weather.calm(true)
	m.compare()
	m.leftOver()
	for _, b := range m.servers {
		if err := b.Close(); err != nil || b.damage.Load() > 0 {
			m.Errorf("Close: %v, %d damaged", err, b.damage.Load())
		}
	}
}

// step has every worker make a change, or one of the servers sweep, or both where the changes
// are made by the same server.
func (m *bucketModel) step() {
	m.weather.set([]int{0, 5, 10, 40}[m.rand.IntN(4)], -1)
	var sweeper *Bucket
	if m.rand.IntN(3) == 0 {
		sweeper = m.servers[m.rand.IntN(2)]
	}
	var changing sync.WaitGroup
	for _, w := range m.workers {
		w.forget(w.expired)
		if sweeper == nil || sweeper == w.server {
			changing.Go(w.change)
		}
	}
	if sweeper != nil {
		changing.Go(func() { m.sweep(sweeper, time.Time{}) })
	}
	if m.rand.IntN(20) == 0 {
		m.weather.set(10, m.rand.IntN(30)) // S3 goes away
	}
	changing.Wait()
	m.weather.set([]int{0, 10}[m.rand.IntN(2)], -1)
	if m.rand.IntN(6) == 0 {
		until := m.clock.Now().Add(-5 * time.Minute)
		if m.sweep(m.servers[m.rand.IntN(2)], until) {
			for _, w := range m.workers {
				w.forget(func(o Object) bool { return !o.Deleted.IsZero() && !o.Deleted.After(until) })
			}
		}
	}
	m.weather.calm(false)
}

func (m *bucketModel) sweep(b *Bucket, until time.Time) bool {
	_, err := b.Sweep(until)
	if err != nil && !errors.Is(err, ErrUnreachable) {
		m.Errorf("Sweep: %v", err)
	}
	if err != nil {
		m.mu.Lock()
		m.unsure = true // of what it has removed, and not counted
		m.mu.Unlock()
		if !until.IsZero() { // for the map, all or nothing is gone
			m.weather.set(0, -1)
			_, err = b.Sweep(until)
		}
	}
	return err == nil
}

func (w *bucketWorker) expired(o Object) bool { return o.Expired(w.clock.Now()) }

func (w *bucketWorker) forget(gone func(Object) bool) {
	maps.DeleteFunc(w.world, func(_ string, o Object) bool { return gone(o) })
}

// change makes a random change.
func (w *bucketWorker) change() {
	ch := w.draw()
	next, want := w.outcome(ch)
	touched := make(map[string]uint64)
	for _, name := range w.names {
		if !alike(next[name], w.world[name]) {
			touched[name] = w.server.Version(name)
		}
	}
	objs, err := w.server.Apply(ch)
	switch {
	case errors.Is(err, ErrUnreachable):
		if errors.Is(want, ErrExists) { // of which nobody could know, or remove what was put before that
			next = maps.Clone(next)
			for _, in := range ch.Put {
				if _, taken := next[in.Name]; !taken {
					next[in.Name] = in.Object
				}
			}
		}
		w.adopt(next)
		return
	case errors.Is(err, ErrField) && strings.Contains(err.Error(), "circle"):
		return
	case !errors.Is(err, want) || (err == nil) != (want == nil):
		w.Errorf("Apply(%s): %v, want %v", describe(ch), err, want)
		return
	case errors.Is(err, ErrExists): // nothing is promised of a try that comes when the name is free
		w.weather.take(func(c call) bool {
			return slices.ContainsFunc(ch.Put, func(in Item) bool { return strings.HasSuffix(c.URL.Path, "/o/"+keyOf(in.Name)) })
		})
		return
	case err != nil:
		return
	}
	w.world = next
	for name, before := range touched {
		if w.server.Version(name) == before {
			w.Errorf("the version of %q is the same", name)
		}
	}
	for i, o := range objs {
		if slices.ContainsFunc(objs[i+1:], func(later Object) bool { return later.Name == o.Name }) {
			continue
		}
		got, err := patiently(func() (Object, error) { return w.server.Stat(o.Name) })
		if errors.Is(err, ErrUnreachable) { // as the weather may have it
			continue
		}
		if alike(o, next[o.Name]) && (err != nil || !same(got, o)) {
			w.Errorf("Apply returned %v, and Stat %v, %v", brief(o), brief(got), err)
		}
	}
}

// draw makes up a change, most often one that can be made.
func (w *bucketWorker) draw() (ch Change) {
	there := slices.Sorted(maps.Keys(w.world))
	w.rand.Shuffle(len(there), func(i, k int) { there[i], there[k] = there[k], there[i] })
	some := func() (name string) {
		if len(there) == 0 || w.rand.IntN(20) == 0 {
			return w.names[w.rand.IntN(len(w.names))]
		}
		name, there = there[0], there[1:]
		return name
	}
	if len(there) > 0 {
		for range w.rand.IntN(5) / 3 {
			ch.Delete = append(ch.Delete, some())
		}
		for range w.rand.IntN(min(3, len(there)+1)) {
			ch.Edit = append(ch.Edit, w.drawEdit(some()))
		}
	}
	if len(ch.Delete)+len(ch.Edit) == 0 || w.rand.IntN(2) == 0 {
		isNew := w.rand.IntN(2) == 0
		for range 1 + w.rand.IntN(2) {
			ch.Put = append(ch.Put, w.drawPut(isNew))
		}
	}
	if w.rand.IntN(3) == 0 { // as servers do: what goes is found out at that moment
		gone := ch.Delete
		ch.Delete, ch.Decide = nil, func(now View, c *Change) error {
			for _, name := range gone {
				if _, err := now.Stat(name); err != nil {
					return err
				}
				c.Delete = append(c.Delete, name)
			}
			return nil
		}
	}
	return ch
}

func (w *bucketWorker) drawEdit(name string) Edit {
	now, attributes := w.clock.Now(), w.drawAttributes()
	if w.rand.IntN(3) == 0 {
		return Edit{name, func(o *Object) error { o.Attributes, o.Modified = attributes, now; return nil }}
	}
	to, trashed := strings.CutPrefix(name, "delete-")
	deleted := time.Time{}
	if !trashed {
		to, deleted = "delete-"+name, now
	}
	if w.rand.IntN(4) == 0 {
		to = w.names[w.rand.IntN(len(w.names))]
	}
	return Edit{name, func(o *Object) error { o.Name, o.Deleted = to, deleted; return nil }}
}

func (w *bucketWorker) drawAttributes() map[string]string {
	switch w.rand.IntN(4) {
	case 0:
		return map[string]string{"k": strings.Repeat("v", 2000+w.rand.IntN(3000))}
	case 1:
		return map[string]string{"k": fmt.Sprint(w.rand.IntN(100))}
	}
	return nil
}

func (w *bucketWorker) drawPut(isNew bool) Item {
	content := contents()[w.rand.IntN(30)]
	in := item(w.names[w.rand.IntN(len(w.names))], content.bytes)
	in.Attributes, in.New, in.Created = w.drawAttributes(), isNew, w.clock.Now()
	in.Digest, in.Size, in.CRC = content.digest, int64(len(content.bytes)), crc32.Checksum([]byte(content.bytes), castagnoli)
	if strings.HasSuffix(in.Name, "1024") {
		in.Original = Sum([]byte("original"))
	}
	if w.rand.IntN(3) == 0 {
		in.ID = fmt.Sprintf("%s-%d", w.names[0], len(w.ids))
		w.ids = append(w.ids, in.ID)
	}
	if w.rand.IntN(4) == 0 {
		in.Expires = w.clock.Now().Add(time.Duration(1+w.rand.IntN(900)) * time.Second)
	}
	return in
}

// outcome is what a change makes of the world, and the error that it must have.
func (w *bucketWorker) outcome(ch Change) (world, error) {
	next := maps.Clone(w.world)
	if ch.Decide != nil {
		if err := ch.Decide(next, &ch); err != nil {
			return w.world, err
		}
	}
	for _, name := range ch.Delete {
		if _, ok := next[name]; !ok {
			return w.world, ErrNotFound
		}
		delete(next, name)
	}
	for _, edit := range ch.Edit {
		o, ok := next[edit.Name]
		if !ok {
			return w.world, ErrNotFound
		}
		edit.Do(&o)
		delete(next, edit.Name)
		next[o.Name] = o
	}
	for _, in := range ch.Put {
		if _, taken := next[in.Name]; taken && in.New {
			return w.world, ErrExists
		}
		next[in.Name] = in.Object
	}
	return next, nil
}
