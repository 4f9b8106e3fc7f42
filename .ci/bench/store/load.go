package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	warmUp      = time.Second
	settle      = time.Second // from a sync to the next server
	syncTimeout = 2 * time.Minute
)

// plan is everything to measure: a cell for each size and number of clients.
type plan struct {
	dir, tintype   string
	targets        []target
	sizes, clients []int
	rounds         int
	duration       time.Duration
	budget         int64 // bytes of disk to use at most
}

// cell has the results of each target, one a round.
type cell struct {
	size, clients int
	results       map[string][]result
}

// result is what one server did in one round.
type result struct {
	uploads       int // acknowledged
	elapsed       time.Duration
	cpu           time.Duration // of the server
	others        time.Duration // CPU of neither server nor clients
	flush         time.Duration // to stop the server and have all on the disk
	latencies     []time.Duration
	p50, p99      time.Duration
	rate, cpuEach float64 // uploads per second, microseconds per upload
}

// run measures everything and prints the tables.
func (p *plan) run(ctx context.Context) error {
	turns := len(p.sizes) * len(p.clients) * p.rounds * len(p.targets)
	fmt.Printf("\n%d turns, about %v\n", turns, (time.Duration(turns) * (warmUp + p.duration + settle + 500*time.Millisecond)).Round(time.Second))
	if err := p.forget(); err != nil { // what was deleted before us, by an earlier run
		return err
	}
	var cells []*cell
	for _, size := range p.sizes {
		for _, clients := range p.clients {
			c, err := p.measure(ctx, size, clients)
			if err != nil {
				return err
			}
			cells = append(cells, c)
		}
		printTable(os.Stdout, p.targets, cells[len(cells)-len(p.clients):])
	}
	return printBars(os.Stdout, cells)
}

// measure fills a cell. Data stay from round to round, so that what is measured
// is not always an empty server, unless they would outgrow the disk's budget.
func (p *plan) measure(ctx context.Context, size, clients int) (*cell, error) {
	picture, err := newPicture(size)
	if err != nil {
		return nil, err
	}
	c := &cell{size: size, clients: clients, results: map[string][]result{}}
	used := map[string]int64{}
	fmt.Printf("\n%d bytes, %s\n", size, plural(clients))
	for round := range p.rounds {
		order := slices.Clone(p.targets)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, t := range order {
			if t.fresh {
				if err := p.empty(t.name, used); err != nil {
					return nil, err
				}
			}
			if err := p.makeRoom(used); err != nil {
				return nil, err
			}
			r, err := p.turn(ctx, t, picture, clients)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			used[t.name] += int64(r.uploads * size)
			c.results[t.name] = append(c.results[t.name], r)
			fmt.Printf("  round %d %-13s %8.0f/s  p50 %7.2f  p99 %7.2f ms  %6.0f us CPU, others %.2f cores, %5.2f s to stop and sync\n",
				round+1, t.name, r.rate, ms(r.p50), ms(r.p99), r.cpuEach, r.others.Seconds()/r.elapsed.Seconds(), r.flush.Seconds())
		}
	}
	for _, t := range p.targets {
		if err := os.RemoveAll(filepath.Join(p.dir, t.name)); err != nil {
			return nil, err
		}
	}
	return c, p.forget()
}

// makeRoom empties directories, the fullest first, until half of the budget is left for the next turn.
func (p *plan) makeRoom(used map[string]int64) error {
	for {
		var sum int64
		fullest := ""
		for name, n := range used {
			if sum += n; n > used[fullest] {
				fullest = name
			}
		}
		if sum <= p.budget/2 {
			return nil
		}
		if err := p.empty(fullest, used); err != nil {
			return err
		}
	}
}

// empty removes the data of a target, if there are any.
func (p *plan) empty(name string, used map[string]int64) error {
	if used[name] == 0 {
		return nil
	}
	delete(used, name)
	if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
		return err
	}
	return p.forget()
}

// forget leaves the disk without work, and without the memory of deleted files. Where ext4 has no journal, it does not use an
// inode again for a minute or more after its deletion, and each new file searches past all of those; what it goes by is in the
// page cache. Without root that stays so.
func (p *plan) forget() error {
	if err := p.sync(); err != nil {
		return err
	}
	_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0)
	time.Sleep(settle)
	return nil
}

// sync forces the file system with the data to its disk. Others are left alone: one that hangs would hang us.
func (p *plan) sync() error {
	dir, err := os.Open(p.dir)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer dir.Close()
		done <- unix.Syncfs(int(dir.Fd()))
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(syncTimeout):
		return fmt.Errorf("the disk is not synced after %v", syncTimeout)
	}
}

// turn starts a server, measures it and leaves the disk at rest.
func (p *plan) turn(ctx context.Context, t target, picture body, clients int) (r result, err error) {
	dir := filepath.Join(p.dir, t.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	s, err := p.start(t, dir)
	if err != nil {
		return r, err
	}
	r, err = p.drive(ctx, t, s, picture, clients)
	began := time.Now()
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return r, s.explain(err)
	}
	err = p.sync()
	r.flush = time.Since(began)
	time.Sleep(settle)
	return r, err
}

// drive uploads to s, to warm up and then to measure.
func (p *plan) drive(ctx context.Context, t target, s *server, picture body, clients int) (r result, err error) {
	newClient, err := t.dial(s, picture)
	if err != nil {
		return r, err
	}
	all := make([]client, clients)
	for i := range all {
		if all[i], err = newClient(); err != nil {
			return r, err
		}
		defer all[i].close()
	}
	if _, err := uploadFor(ctx, all, warmUp); err != nil {
		return r, err
	}
	before, err := s.usage()
	if err != nil {
		return r, err
	}
	if r, err = uploadFor(ctx, all, p.duration); err != nil {
		return r, err
	}
	after, err := s.usage()
	r.cpu, r.others = after.server-before.server, after.others-before.others
	r.summarize()
	return r, err
}

// uploadFor lets all clients upload for d, and returns when the last is done. The
// first upload that fails ends it.
func uploadFor(ctx context.Context, clients []client, d time.Duration) (result, error) {
	var (
		wait   sync.WaitGroup
		failed atomic.Pointer[error]
	)
	latencies := make([][]time.Duration, len(clients))
	began := time.Now()
	for i, c := range clients {
		wait.Go(func() {
			own := make([]time.Duration, 0, 1<<14)
			for now := time.Now(); now.Sub(began) < d && ctx.Err() == nil && failed.Load() == nil; {
				if err := c.upload(lastID.Add(1)); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done := time.Now()
				own = append(own, done.Sub(now))
				now = done
			}
			latencies[i] = own
		})
	}
	wait.Wait()
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	r := result{elapsed: time.Since(began), latencies: slices.Concat(latencies...)}
	r.uploads = len(r.latencies)
	return r, ctx.Err()
}

// summarize fills in what follows from the rest, and drops the latencies.
func (r *result) summarize() {
	slices.Sort(r.latencies)
	r.p50, r.p99 = r.latencies[r.uploads/2], r.latencies[r.uploads*99/100]
	r.latencies = nil
	r.rate = float64(r.uploads) / r.elapsed.Seconds()
	r.cpuEach = float64(r.cpu.Microseconds()) / float64(r.uploads)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
