//go:build fire && linux

package command

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fileCalls are the calls that a store may make of the kernel and that may fail.
const fileCalls = "openat,read,pread64,write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range,syncfs," +
	"rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,ftruncate,fallocate,close,flock," +
	"fstat,newfstatat,statx,statfs,fstatfs,getdents64,lseek,copy_file_range"

// readingCalls change nothing, so that a kill there is one at the next call that does.
var readingCalls = []string{"read", "pread64", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "getdents64", "lseek", "flock"}

// lastingCalls also fail from then on, as on a full or broken disk.
var lastingCalls = []string{"write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "syncfs", "ftruncate", "fallocate"}

// injection is one fault in one run of the script: strace's syscall:fault:when=K.
type injection struct {
	call, fault, when string
	torn              bool // on the data directory that a kill has left
}

func (i injection) String() string {
	s := i.call + ":" + i.fault + ":when=" + i.when
	if i.torn {
		s += ":torn"
	}
	return s
}

// TestEachSyscallFails runs a script on a store again and again, on a new data
// directory and on one that a kill has left. Each time another one of its system
// calls ends the process, or fails, once or from then on. Then the store must open,
// hold exactly what it acknowledged, take pictures, and have no file that nothing
// names; nothing may be acknowledged after a failed sync. TINTYPE_SYSCALLS says how
// many runs are taken at random, is "all", or one run, as the log names it.
func TestEachSyscallFails(t *testing.T) {
	needTools(t, "strace", "cp")
	f := &syscallFaults{t: t, torn: filepath.Join(t.TempDir(), "torn")}
	runs := f.choose(os.Getenv("TINTYPE_SYSCALLS"))
	began, dir := time.Now(), t.TempDir()
	var workers sync.WaitGroup
	for w := range runtime.NumCPU() {
		workers.Go(func() {
			for n := w; n < len(runs); n += runtime.NumCPU() {
				f.run(filepath.Join(dir, strconv.Itoa(n)), runs[n])
			}
		})
	}
	workers.Wait()
	t.Logf("%d of %d runs in %v, %d hit, %d acks, %d bad, %d panics", len(runs), f.possible,
		time.Since(began).Round(time.Second), f.hit, f.acks, len(f.bad), f.panics)
	wantSeeded(t, f.bad, "early-name", "ack-on-error")
}

type syscallFaults struct {
	t        *testing.T
	torn     string  // data directory of a script that was killed
	before   []world // what torn may hold
	possible int

	mu     sync.Mutex // guards what follows
	hit    int        // runs in which the fault happened
	acks   int
	panics int
	bad    []string
}

// choose traces the script and returns the faults to try.
func (f *syscallFaults) choose(how string) []injection {
	calls := f.count(filepath.Join(f.t.TempDir(), "new"), false)
	f.tear(calls)
	if part := strings.Split(how, ":"); len(part) > 2 {
		return []injection{{part[0], part[1], strings.TrimPrefix(part[2], "when="), len(part) > 3}}
	}
	groups := make(map[string][]injection)
	f.group(groups, calls, false)
	f.group(groups, f.count(filepath.Join(f.t.TempDir(), "again"), true), true)
	n, err := strconv.Atoi(how)
	switch {
	case how == "all":
		n = f.possible
	case how == "":
		n = 100
	case err != nil:
		f.t.Fatalf("TINTYPE_SYSCALLS=%q: want a number, all, or CALL:FAULT:when=N", how)
	}
	return deal(groups, n)
}

// tear makes the data directory of a script that was killed at a sync: then the
// most is on its way to the disk.
func (f *syscallFaults) tear(calls map[string]int) {
	call := "fsync"
	if calls["fdatasync"] > calls[call] {
		call = "fdatasync"
	}
	var out string
	for when := calls[call] / 2; when > 0; when-- { // a late one may be of the end, with nothing on its way
		if err := os.RemoveAll(f.torn); err != nil {
			f.t.Fatal(err)
		}
		_, out, _ = f.script(f.torn, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, when))
		f.before = worldsAfter([]world{{}}, out)
		if len(f.before) > 1 && !strings.Contains(out, "no ") {
			return
		}
	}
	f.t.Fatalf("no kill tears anything: %s", out)
}

// group adds the faults of every call to groups, like to like.
func (f *syscallFaults) group(groups map[string][]injection, calls map[string]int, torn bool) {
	add := func(call, fault, when string) {
		name := fmt.Sprint(call, fault, torn, strings.HasSuffix(when, "+"))
		groups[name] = append(groups[name], injection{call, fault, when, torn})
		f.possible++
	}
	for call, n := range calls {
		for k := 1; k <= n; k++ {
			when := strconv.Itoa(k)
			add(call, "error=EIO", when)
			if slices.Contains(readingCalls, call) {
				continue
			}
			add(call, "signal=SIGKILL", when)
			add(call, "error=ENOSPC", when)
			if slices.Contains(lastingCalls, call) {
				add(call, "error=EIO", when+"+")
				add(call, "error=ENOSPC", when+"+")
			}
		}
	}
}

// deal takes n at random, from each group as many.
func deal(groups map[string][]injection, n int) (runs []injection) {
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		rand.Shuffle(len(groups[name]), func(i, j int) {
			groups[name][i], groups[name][j] = groups[name][j], groups[name][i]
		})
	}
	for len(groups) > 0 && len(runs) < n {
		names := slices.Collect(maps.Keys(groups))
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names[:min(len(names), n-len(runs))] {
			runs = append(runs, groups[name][0])
			if groups[name] = groups[name][1:]; len(groups[name]) == 0 {
				delete(groups, name)
			}
		}
	}
	return runs
}

var tracedCall = regexp.MustCompile(`(?m)^(\d+) +(\w+)\(`)

// count returns how often the thread that does it most often makes each call.
func (f *syscallFaults) count(dir string, torn bool) map[string]int {
	if torn {
		f.copyTorn(dir)
	}
	trace, out, stderr := f.script(dir)
	if !strings.HasSuffix(out, "closed\n") {
		f.t.Fatalf("without a fault: %s%s", out, stderr)
	}
	threads := make(map[[2]string]int)
	calls := make(map[string]int)
	for _, m := range tracedCall.FindAllStringSubmatch(trace, -1) {
		at := [2]string{m[1], m[2]}
		threads[at]++
		calls[m[2]] = max(calls[m[2]], threads[at])
	}
	return calls
}

func (f *syscallFaults) copyTorn(dir string) {
	if out, err := exec.Command("cp", "-a", f.torn, dir).CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, out)
	}
}

// script runs the script under strace and returns strace's log and its output.
func (f *syscallFaults) script(dir string, options ...string) (trace, out, stderr string) {
	log := dir + ".strace"
	defer os.Remove(log)
	args := append([]string{"-f", "-qq", "-y", "-o", log, "-e", "signal=none", "-e", "trace=" + fileCalls}, options...)
	if !strings.Contains(strings.Join(options, ""), "signal=") { // strace 6.1 injects none under seccomp
		args = slices.Insert(args, 1, "--seccomp-bpf")
	}
	cmd := exec.Command("strace", append(args, os.Args[0])...)
	cmd.Env = append(os.Environ(), asScript+"="+dir, "GOMAXPROCS=1")
	var stdout, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		f.t.Fatalf("strace has no log: %v\n%s", err, errs.String())
	}
	return string(data), stdout.String(), errs.String()
}

var crashed = regexp.MustCompile(`(?m)^(panic|fatal error|unexpected fault|SIG[A-Z]+):`)

// run does one run on dir, checks it and counts.
func (f *syscallFaults) run(dir string, in injection) {
	defer os.RemoveAll(dir)
	before := []world{{}}
	if in.torn {
		f.copyTorn(dir)
		before = f.before
	}
	trace, out, stderr := f.script(dir, "-e", "inject="+in.call+":"+in.fault+":when="+in.when)
	killed := in.fault[0] == 's' && !strings.HasSuffix(out, "closed\n")
	// Go's own pipe to itself is not what a store writes to
	panicked := crashed.MatchString(stderr) && !strings.Contains(stderr, "netpollBreak write failed")
	err := scriptBad(f.t, dir, worldsAfter(before, out))
	if step := ackAfterFailedSync(dir, trace); step >= 0 {
		err = errors.Join(err, fmt.Errorf("step %d was acknowledged after a failed sync", step))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acks += strings.Count(out, "ok ")
	if killed || strings.Contains(trace, "(INJECTED)") {
		f.hit++
	}
	if panicked {
		f.panics++
	}
	if err != nil || panicked {
		f.bad = append(f.bad, fmt.Sprintf("%v: %.1000v; the script printed\n%s%.2000s", in, err, out, stderr))
	}
}

var (
	syncCall    = regexp.MustCompile(`^(\d+) +(?:(\d+\.\d+) )?(?:fsync|fdatasync|syncfs)\(\d+<([^>]*)>`)
	syncResumed = regexp.MustCompile(`^(\d+) +(?:(\d+\.\d+) )?<\.\.\. (?:fsync|fdatasync|syncfs) resumed>`)
	printed     = regexp.MustCompile(`^\d+ +write\(1<.*"(ok|no) (\d+)`)
)

// failedSync is a sync that strace let fail.
type failedSync struct{ thread, at, path string }

// syncLines reads a log of strace line by line. It returns the sync that a line
// says has failed, or nil. A call that took long has two lines.
func syncLines() func(line string) *failedSync {
	paths := make(map[string]string) // by thread
	return func(line string) *failedSync {
		m := syncCall.FindStringSubmatch(line)
		if m != nil {
			paths[m[1]] = m[3]
		} else {
			m = syncResumed.FindStringSubmatch(line)
		}
		if m == nil || !strings.Contains(line, "(INJECTED)") {
			return nil
		}
		return &failedSync{m[1], m[2], paths[m[1]]}
	}
}

// ackAfterFailedSync returns the first step of the durable tier that was
// acknowledged although a sync of it had failed, or -1. The step that is under way
// may be done already where it takes a name away, and something is made tidy after
// it, or where another thread is tidying.
func ackAfterFailedSync(dir, trace string) int {
	failed, next := false, 0
	thread, _, _ := strings.Cut(trace, " ")
	sync := syncLines()
	for line := range strings.Lines(trace) {
		if f := sync(line); f != nil && !failed && !strings.HasPrefix(f.path, filepath.Join(dir, "cache")) {
			failed = true
			if next < len(script) && (script[next].put == nil || f.thread != thread) {
				next++
			}
		}
		m := printed.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		step, _ := strconv.Atoi(m[2])
		if failed && m[1] == "ok" && step >= next && !script[step].cache {
			return step
		}
		next = max(next, step+1)
	}
	return -1
}
