//go:build fire && linux

package command

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tintype/store"
)

// engine is daemons that pictures are kept in, which a script of .ci/scale starts.
type engine struct {
	t         *testing.T
	name, dir string
	url       string          // what --store or --cache says
	dead      map[string]bool // daemons that were killed, and not started again
}

// startEngine starts one, until the test ends.
func startEngine(t *testing.T, name string) *engine {
	t.Helper()
	e := &engine{t: t, name: name, dir: filepath.Join(t.TempDir(), name), dead: make(map[string]bool)}
	t.Cleanup(func() { e.do("stop") })
	began := time.Now()
	e.url = e.do("start")
	t.Logf("%s runs after %v", name, time.Since(began).Round(time.Second/10))
	return e
}

// in returns the engine for a part of the test that it runs for.
func (e *engine) in(t *testing.T) *engine {
	part := *e
	part.t = t
	return &part
}

// do runs the script and returns what it printed.
func (e *engine) do(verb string, names ...string) string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"../../.ci/scale/" + e.name, verb, e.dir}, names...)...)
	cmd.WaitDelay = time.Second // for daemons that hold on to what they inherit
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		e.t.Fatalf("%s %s: %v\n%s", e.name, verb, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// start starts daemons that were killed.
func (e *engine) start(names ...string) {
	e.t.Helper()
	e.do("run", names...)
	for _, name := range names {
		delete(e.dead, name)
	}
}

// settle waits until killing another daemon is fair.
func (e *engine) settle() {
	e.t.Helper()
	began := time.Now()
	e.do("settle")
	if took := time.Since(began).Round(time.Second); took > 0 {
		e.t.Logf("%s has settled after %v", e.name, took)
	}
}

// heal starts all that was killed, and waits until it has settled.
func (e *engine) heal() {
	e.t.Helper()
	e.start(slices.Collect(maps.Keys(e.dead))...)
	e.settle()
}

// signal sends it to daemons.
func (e *engine) signal(sig syscall.Signal, names ...string) {
	e.t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(e.dir, "run", name+".pid"))
		if err != nil {
			e.t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil {
			err = syscall.Kill(pid, sig)
		}
		if err != nil {
			e.t.Fatalf("%v to %s: %v", sig, name, err)
		}
		if sig == syscall.SIGKILL {
			e.dead[name] = true
		}
	}
}

// node is one of several servers over one store: with each start another process, on another
// port, with an empty data directory.
type node struct {
	name    string
	env     []string // for a clock that is wrong
	proc    atomic.Pointer[proc]
	ready   atomic.Bool  // as it said last
	uploads atomic.Int32 // under way
}

func (n *node) url() string { return n.proc.Load().url }

// fleet is the nodes, and what a load balancer does with them.
type fleet struct {
	t      *testing.T
	args   []string
	nodes  []*node
	procs  []*proc       // all that were started
	memory time.Duration // for which a node may serve what another one has deleted
}

// remembered is what the documentation says of that.
const remembered = store.RememberFor

// newFleet returns three nodes, none of which runs yet.
func newFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, args: append(args, killArgs...), memory: remembered}
	for i := range 3 {
		f.nodes = append(f.nodes, &node{name: fmt.Sprintf("tintype %d", i)})
	}
	return f
}

// startAll starts every node, and asks it from then on whether it is ready.
func (f *fleet) startAll() {
	f.t.Helper()
	for _, n := range f.nodes {
		f.start(n)
		go n.ask(f.t.Context())
	}
	f.inUse()
}

// inUse waits until every node is ready whose clock is right, and returns those that are.
func (f *fleet) inUse() (ready []*node) {
	f.t.Helper()
	until(f.t, "all nodes are ready whose clock is right", func() bool {
		return !slices.ContainsFunc(f.nodes, func(n *node) bool { return n.env == nil && !n.ready.Load() })
	})
	time.Sleep(2 * askEvery) // for one that may be as well
	for _, n := range f.nodes {
		if n.ready.Load() {
			ready = append(ready, n)
		}
	}
	return ready
}

// start starts a node that does not run.
func (f *fleet) start(n *node) {
	f.t.Helper()
	p := &proc{t: f.t, cmd: asCommand(append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data", f.t.TempDir()}, f.args...)...)}
	p.cmd.Stderr, p.cmd.Env = &p.stderr, append(p.cmd.Env, n.env...)
	if err := p.start(); err != nil {
		f.t.Fatalf("%s: %v", n.name, err)
	}
	n.proc.Store(p)
	f.procs = append(f.procs, p)
}

// words returns what the nodes have logged that contains text, at most n lines.
func (f *fleet) words(text string, n int) (lines []string) {
	for _, p := range f.procs {
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, text) && len(lines) < n {
				lines = append(lines, p.url+" "+line)
			}
		}
	}
	return lines
}

const askEvery = 500 * time.Millisecond

// ask asks a node again and again whether it is ready, until ctx ends.
func (n *node) ask(ctx context.Context) {
	client := http.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		resp, err := client.Get(n.url() + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		n.ready.Store(err == nil && resp.StatusCode == 200)
		time.Sleep(askEvery)
	}
}

// some returns a node, by chance: one that is ready, and not the other one, if there is such.
func (f *fleet) some(other *node) *node {
	best := f.nodes[rand.IntN(len(f.nodes))]
	for _, i := range rand.Perm(len(f.nodes)) {
		n := f.nodes[i]
		if n.ready.Load() && (n != other || !best.ready.Load()) {
			best = n
			if n != other {
				break
			}
		}
	}
	return best
}

// killInUpload kills a node that uploads are under way to.
func (f *fleet) killInUpload(n *node) {
	f.t.Helper()
	until(f.t, "an upload is under way", func() bool { return n.uploads.Load() > 0 })
	n.proc.Load().kill()
}

// signal sends it to a node.
func (n *node) signal(sig syscall.Signal) { n.proc.Load().cmd.Process.Signal(sig) }

// replaceAll kills all nodes and starts others: none has anything in memory or on its disk.
func (f *fleet) replaceAll() {
	f.t.Helper()
	for _, n := range f.nodes {
		n.proc.Load().kill()
		f.start(n)
	}
	f.memory = 0
}
