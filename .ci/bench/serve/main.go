// Command serve measures reads of signed pictures beside nginx with secure_link. The script run beside it prepares both, and says
// what is measured.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() {
	// the kernel sends Pdeathsig when the thread that started a server ends, which the main thread never does before us
	runtime.LockOSThread()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// bench is what to measure, in a directory of its own.
type bench struct {
	dir      string
	rounds   int
	seconds  int
	servers  [2]*server // tintype, nginx
	distinct int
}

func run() error {
	dir := flag.String("dir", "", "empty `directory`")
	tintype := flag.String("tintype", "tintype", "the `binary`")
	sizes := flag.String("sizes", "4000 50000 200000 2000000", "`bytes` of a picture")
	files := flag.String("files", "1 10000", "`numbers` of pictures that are read in turn; of more than 1 MB, at most 400")
	conns := flag.String("conns", "16 128", "`numbers` of connections")
	rounds := flag.Int("rounds", 3, "`times` that each server is measured in a cell")
	seconds := flag.Int("seconds", 4, "`seconds` measured each time")
	flag.Parse()
	b := &bench{dir: *dir, rounds: *rounds, seconds: *seconds}
	t, err := startTintype(*dir, *tintype)
	if err != nil {
		return err
	}
	defer t.stop()
	n, err := startNginx(*dir)
	if err != nil {
		return err
	}
	defer n.stop()
	b.servers = [2]*server{t, n}
	missed := false
	title := func(peer string) {
		fmt.Printf("\n%s\n%-30s | %9s %22s | %22s | %22s\n", strings.Repeat("=", 100), "", "per s", "of "+peer, "CPU us", "p99 ms")
	}
	title("nginx")
	for _, size := range numbers(*sizes) {
		for _, distinct := range numbers(*files) {
			if size > 1_000_000 {
				distinct = min(distinct, 400)
			}
			if err := b.fill(size, distinct); err != nil {
				return err
			}
			for _, c := range numbers(*conns) {
				ok, err := b.cell(n, "", size, distinct, c, limits{bars[size], mostCPU, mostP99})
				if err != nil {
					return err
				}
				missed = missed || !ok
			}
		}
	}
	title("redis")
	ok, err := b.timeLimited(numbers(*conns))
	if err != nil {
		return err
	}
	if missed || !ok {
		return errors.New("a bar is missed")
	}
	return nil
}

func numbers(list string) (all []int) {
	for _, s := range strings.Fields(list) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "%q is no positive number\n", s)
			os.Exit(2)
		}
		all = append(all, n)
	}
	return all
}

// result is what wrk and the kernel say of one turn.
type result struct{ rate, cpu, p99 float64 }

// bars are the least rate beside nginx's, by size; of CPU per request and of the 99th percentile, the most.
var bars = map[int]float64{4000: 1.1, 50000: 1.0, 200000: 1.1, 2000000: 1.5}

const (
	mostCPU = 1.05
	mostP99 = 1.3
)

// limits are the least rate beside the peer's, the most CPU time and the highest 99th percentile; 0: any.
type limits struct{ rate, cpu, p99 float64 }

// cell measures tintype and a peer in turn, and says whether all bars are held.
func (b *bench) cell(peer *server, what string, size, distinct, conns int, bar limits) (ok bool, err error) {
	servers := [2]*server{b.servers[0], peer}
	var results [2][]result
	for round := range b.rounds {
		order := []int{0, 1}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			r, err := b.turn(servers[i], distinct, conns)
			if err != nil {
				return false, fmt.Errorf("%s: %w", servers[i].name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	ratios := func(of func(result) float64) (all []float64) {
		for round := range b.rounds {
			all = append(all, of(results[0][round])/of(results[1][round]))
		}
		slices.Sort(all)
		return all
	}
	values := func(i int, of func(result) float64) float64 {
		var all []float64
		for _, r := range results[i] {
			all = append(all, of(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	rate, cpu, p99 := func(r result) float64 { return r.rate }, func(r result) float64 { return r.cpu }, func(r result) float64 { return r.p99 }
	ok = true
	mark := func(all []float64, least, most float64) string {
		m := all[len(all)/2]
		word := "   "
		if m < least || most > 0 && m > most {
			word, ok = " !!", false
		}
		return fmt.Sprintf("%.2f (%.2f-%.2f)%s", m, all[0], all[len(all)-1], word)
	}
	fmt.Printf("%12s %7d B %5d %4d | %9.0f %22s | %6.1f %6.1f %s | %6.2f %6.2f %s\n", what, size, distinct, conns,
		values(0, rate), mark(ratios(rate), bar.rate, 0),
		values(0, cpu), values(1, cpu), mark(ratios(cpu), 0, bar.cpu),
		values(0, p99), values(1, p99), mark(ratios(p99), 0, bar.p99))
	return ok, nil
}

// turn has a server's client read from it, to warm up and then to measure.
func (b *bench) turn(s *server, distinct, conns int) (r result, err error) {
	for _, seconds := range []int{1, b.seconds} {
		before, err := s.cpu()
		if err != nil {
			return r, err
		}
		var requests float64
		if r, requests, err = s.load(b, s, distinct, conns, seconds); err != nil {
			return r, err
		}
		after, err := s.cpu()
		if err != nil {
			return r, err
		}
		r.cpu = float64((after - before).Microseconds()) / requests
	}
	return r, nil
}

// wrk has wrk read from a server.
func (b *bench) wrk(s *server, distinct, conns, seconds int) (r result, requests float64, err error) {
	args := []string{"-c", "1", "wrk", "-t1", "-c", strconv.Itoa(conns), "-d", fmt.Sprint(seconds, "s"), "--latency"}
	if distinct > 1 {
		args = append(args, "-s", filepath.Join(b.dir, "urls.lua"))
	}
	cmd := exec.Command("taskset", append(args, "http://"+s.addr+s.urls[0])...)
	cmd.Env = append(os.Environ(), "URLS="+s.list)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return r, 0, fmt.Errorf("%w: %s", err, out)
	}
	return parseWrk(out)
}

func parseWrk(out []byte) (r result, requests float64, err error) {
	if bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return r, 0, fmt.Errorf("not all were answered with 200: %s", out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "99%":
			d, err := time.ParseDuration(f[1])
			if err != nil {
				return r, 0, err
			}
			r.p99 = float64(d.Microseconds()) / 1000
		case len(f) == 2 && f[0] == "Requests/sec:":
			r.rate, err = strconv.ParseFloat(f[1], 64)
		case len(f) > 2 && f[1] == "requests":
			requests, err = strconv.ParseFloat(f[0], 64)
		}
		if err != nil {
			return r, 0, err
		}
	}
	if requests == 0 || r.rate == 0 || r.p99 == 0 {
		return r, 0, fmt.Errorf("cannot read %s", out)
	}
	return r, requests, nil
}

// server is one that runs, on core 0.
type server struct {
	name, addr string
	binary     string
	cmd        *exec.Cmd
	urls       []string
	list       string // file of them
	load       func(b *bench, s *server, distinct, conns, seconds int) (r result, requests float64, err error)
}

func launch(name, addr string, ready func(addr string) bool, args ...string) (*server, error) {
	s := &server{name: name, addr: addr, binary: args[0], load: (*bench).wrk, cmd: exec.Command("taskset", append([]string{"-c", "0"}, args...)...)}
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if ready(addr) {
			return s, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not answer", name)
}

func isHealthy(addr string) bool {
	resp, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

// cpu returns what the processes of s have spent, user and system.
func (s *server) cpu() (sum time.Duration, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	group := strconv.Itoa(s.cmd.Process.Pid)
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// as proc(5) numbers them behind the name: pgrp is 5, utime 14 and stime 15, in hundredths of a second
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) < 13 || string(f[2]) != group {
			continue
		}
		for _, field := range f[11:13] {
			n, err := strconv.Atoi(string(field))
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * (time.Second / 100)
		}
	}
	return sum, nil
}

var client = http.Client{Timeout: 20 * time.Second}

// put uploads to tintype.
func put(ctx context.Context, url string, data []byte) error {
	req, err := http.NewRequestWithContext(ctx, "PUT", url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 201 {
		return fmt.Errorf("PUT: %s", resp.Status)
	}
	return nil
}
