//go:build fire && linux

package command

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tintype/store/redistest"
)

// TestScaleFaults runs three servers over one S3 under load, and kills and halts parts of it: nothing that was acknowledged is
// lost, no answer has wrong bytes, nothing is readable that is deleted or has expired, and no 15 seconds pass without a success.
// TINTYPE_SCALE_ENGINE says what S3 is: versitygw, or ceph, where storage daemons die too.
func TestScaleFaults(t *testing.T) {
	name := cmp.Or(os.Getenv("TINTYPE_SCALE_ENGINE"), "versitygw")
	e := startEngine(t, name)
	useKeys(t)
	for _, schedule := range []struct {
		name, engine string // engine: "" is any
		run          func(*engine, *load)
		skew         string // of one node's clock
	}{
		{"one gateway killed, one halted", "versitygw", (*engine).quickFaults, ""},
		{"kills", "ceph", (*engine).kills, ""},
		{"halts", "ceph", (*engine).halts, ""},
		{"a clock ahead", "", (*engine).noFaults, "10m"},
		{"a clock behind", "", (*engine).noFaults, "-10m"},
	} {
		if schedule.engine != "" && schedule.engine != name {
			continue
		}
		t.Run(schedule.name, func(t *testing.T) {
			e := e.in(t)
			e.heal()
			l := e.newLoad(t, fmt.Sprint(time.Now().UnixNano()))
			if schedule.skew != "" {
				l.nodes[0].env = []string{"TINTYPE_SKEW=" + schedule.skew}
				l.early = time.Second // S3 tells the time in seconds
			}
			l.startAll()
			l.run(func() { schedule.run(e, l) })
			if name == "versitygw" { // where there is no time to wait until no node remembers what is deleted
				l.replaceAll()
			}
			l.verify()
			l.report()
		})
	}
}

// useKeys puts the keys of the engines into the environment.
func useKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "tintype")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a-secret-for-tests")
}

// newLoad returns clients of a fleet that keeps its pictures under a prefix of its own.
func (e *engine) newLoad(t *testing.T, prefix string, args ...string) *load {
	store := strings.Replace(e.url, "?", "/"+prefix+"?", 1)
	return newLoad(t, newFleet(t, append(args, "--store", store)...))
}

// noFaults is a load for a while, with Ceph until what has expired is swept.
func (e *engine) noFaults(l *load) {
	if l.at(4 * time.Second); e.name == "ceph" {
		l.at(80 * time.Second)
	}
}

// quickFaults kills one gateway, and halts the other for longer than a stall may be, and kills a node meanwhile.
func (e *engine) quickFaults(l *load) {
	l.at(2 * time.Second)
	e.signal(syscall.SIGKILL, "gateway.a")
	l.at(4 * time.Second)
	e.start("gateway.a")
	l.at(5 * time.Second)
	e.signal(syscall.SIGSTOP, "gateway.b")
	l.at(11 * time.Second)
	l.killInUpload(l.nodes[1])
	l.at(14 * time.Second)
	l.start(l.nodes[1])
	l.at(21 * time.Second)
	e.signal(syscall.SIGCONT, "gateway.b")
	l.at(22 * time.Second)
}

// kills kills two storage daemons, one after the other, a gateway, and a node.
func (e *engine) kills(l *load) {
	l.at(6 * time.Second)
	e.signal(syscall.SIGKILL, "osd.0", "gateway.a")
	l.at(12 * time.Second)
	l.killInUpload(l.nodes[1])
	l.at(16 * time.Second)
	e.start("osd.0", "gateway.a")
	e.settle()
	e.signal(syscall.SIGKILL, "osd.1")
	time.Sleep(10 * time.Second)
	l.start(l.nodes[1])
	time.Sleep(15 * time.Second)
}

// halts halts a storage daemon, a gateway and a node, each for 20 seconds.
func (e *engine) halts(l *load) {
	const long = 20 * time.Second
	halt := func(what string, signal func(syscall.Signal)) {
		signal(syscall.SIGSTOP)
		time.Sleep(long)
		signal(syscall.SIGCONT)
		e.settle()
		l.t().Logf("T+%.0f: after %s", time.Since(l.began).Seconds(), what)
	}
	l.at(5 * time.Second)
	halt("osd.0", func(sig syscall.Signal) { e.signal(sig, "osd.0") })
	halt("gateway.a", func(sig syscall.Signal) { e.signal(sig, "gateway.a") })
	halt("a tintype", l.nodes[1].signal)
	time.Sleep(5 * time.Second)
}

// TestScaleRedis runs three servers with short-lived pictures in a Redis cluster, and kills one of its masters: 10 seconds later
// every request succeeds again, no answer has wrong bytes, and nothing is readable after its time. How many short-lived pictures
// are lost is told: what no replica has yet dies with its master.
func TestScaleRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("wants redis-server: apt-get install redis-server")
	}
	redis := redistest.Cluster(t)
	useKeys(t)
	l := startEngine(t, "versitygw").newLoad(t, "redis", "--cache", "redis://"+strings.Join(redis.Addresses(), ","))
	l.relaxed = true
	const back = 10 * time.Second
	var mu sync.Mutex // guards killed, last
	var killed, last time.Time
	l.failed = func(what string, s *known) {
		mu.Lock()
		defer mu.Unlock()
		if last = time.Now(); last.Sub(killed) > back {
			l.wrongly(s, "%v after the kill: %s", last.Sub(killed), what)
		}
	}
	l.startAll()
	l.run(func() {
		l.at(3 * time.Second)
		mu.Lock()
		killed = time.Now()
		mu.Unlock()
		redis[0].Kill()
		l.at(15 * time.Second)
		redis[0].Start(t)
		l.at(17 * time.Second)
	})
	l.failed = nil
	l.replaceAll()
	l.verify()
	l.report()
	t.Logf("the last request failed %.1f s after a master was killed", max(0, last.Sub(killed).Seconds()))
}
