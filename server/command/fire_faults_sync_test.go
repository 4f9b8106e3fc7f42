//go:build fire && linux

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSyncFails fails a sync of the durable tier under 4 clients, once or from then
// on. No upload or delete that begins later is acknowledged, also when syncs would
// succeed again; the server says that it is read-only, and serves what it has. After
// a restart every acknowledgement is true.
func TestSyncFails(t *testing.T) {
	needTools(t, "strace")
	began := time.Now()
	var bad []string
	acks, refused := 0, 0
	// strace counts by thread
	whens := []string{"1", "1+", "2", "3+", "5", "9+"}
	for _, when := range whens {
		s := &syncFault{t: t, dir: t.TempDir(), uploader: newUploader(t)}
		for _, what := range s.run(when) {
			bad = append(bad, fmt.Sprintf("sync %s: %s", when, what))
		}
		acks += len(s.all)
		refused += s.refused
	}
	t.Logf("%d failed syncs in %v, %d acks, %d refused, %d bad", len(whens), time.Since(began).Round(time.Second), acks, refused, len(bad))
	wantSeeded(t, bad, "ack-on-error")
}

type syncFault struct {
	t   *testing.T
	dir string
	*uploader
	refused int
	late    []string // acknowledgements, with their time of begin
	begun   []time.Time
}

func (s *syncFault) run(when string) (bad []string) {
	p := killServer(s.t, s.dir)
	for _, way := range uploadWays { // something to read, and to delete, whatever fails
		for range 8 {
			if got := s.send(p.url, way, uniquePicture()); got != accepted {
				s.t.Fatalf("before the fault, %s: %s", way, got)
			}
		}
	}
	tracer := s.attach(p.cmd.Process.Pid, "inject=fsync,fdatasync,syncfs:error=EIO:when="+when)
	failed := s.load(p.url, tracer.log)
	if failed.IsZero() {
		s.t.Fatalf("no sync failed")
	}
	bad = append(bad, s.readOnly(p.url, "after the failure")...)
	tracer.detach(s.t)
	bad = append(bad, s.readOnly(p.url, "with a sound disk again")...)
	for i, what := range s.late {
		if s.begun[i].After(failed.Add(5 * time.Millisecond)) {
			bad = append(bad, what+" was acknowledged")
		}
	}
	p.kill()
	if m := crashed.FindString(p.stderr.String()); m != "" {
		bad = append(bad, p.stderr.String())
	}
	p = killServer(s.t, s.dir)
	bad = append(bad, s.lies(p.url, "restarted")...)
	for _, way := range uploadWays {
		if got := s.send(p.url, way, uniquePicture()); got != accepted {
			bad = append(bad, "restarted: "+way+" answers "+got)
		}
	}
	p.stop()
	if n := (&killer{t: s.t, dir: s.dir}).leftOvers(); n > 0 {
		bad = append(bad, fmt.Sprintf("%d left-overs", n))
	}
	return bad
}

// load uploads and deletes, by 4 clients, until some have been refused, and returns
// when a sync failed.
func (s *syncFault) load(url, log string) (failed time.Time) {
	var clients sync.WaitGroup
	own := slices.Clone(s.all)
	end := time.Now().Add(10 * time.Second)
	for c := range 4 {
		clients.Go(func() {
			for i := 0; ; i++ {
				s.mu.Lock()
				enough := s.refused >= 12
				s.mu.Unlock()
				if enough || time.Now().After(end) {
					return
				}
				way, begun, got := uploadWays[i%3], time.Now(), ""
				if h := own[c+16]; i == 8 { // one of the PUTs for each client
					way, got = "delete", s.remove(url, h)
				} else {
					got = s.send(url, way, uniquePicture())
				}
				s.note(way, begun, got)
			}
		})
	}
	clients.Wait()
	trace, err := os.ReadFile(log)
	if err != nil {
		s.t.Fatal(err)
	}
	return firstFailedSync(string(trace), filepath.Join(s.dir, "cache"))
}

// note keeps an acknowledgement until it is known when the sync failed.
func (s *syncFault) note(what string, begun time.Time, got string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got == accepted {
		s.late = append(s.late, what)
		s.begun = append(s.begun, begun)
	} else {
		s.refused++
	}
}

// firstFailedSync returns when the first sync failed of a file that is not in the
// time-limited tier; zero: never.
func firstFailedSync(trace, cache string) time.Time {
	sync := syncLines()
	for line := range strings.Lines(trace) {
		if f := sync(line); f != nil && !strings.HasPrefix(f.path, cache) {
			seconds, micros, _ := strings.Cut(f.at, ".")
			s, _ := strconv.ParseInt(seconds, 10, 64)
			us, _ := strconv.ParseInt(micros, 10, 64)
			return time.Unix(s, us*1000)
		}
	}
	return time.Time{}
}

// readOnly tries everything and returns what is not as with a read-only store.
func (s *syncFault) readOnly(url, when string) (bad []string) {
	for _, way := range uploadWays {
		got := s.send(url, way, uniquePicture())
		if got == accepted {
			bad = append(bad, when+": "+way+" was acknowledged")
		} else if !refusals[way].MatchString(got) {
			bad = append(bad, fmt.Sprintf("%s: %s answers %q", when, way, got))
		}
	}
	for _, way := range []string{byUpload, byPut} {
		i := slices.IndexFunc(s.all, func(h *held) bool { return h.way == way && !h.going })
		if got := s.remove(url, s.all[i]); got == accepted {
			bad = append(bad, when+": delete by "+way+" was acknowledged")
		}
	}
	bad = append(bad, s.lies(url, when)...)
	if status, body := s.answers(url + "/readyz"); status != 503 || !strings.Contains(body, "read-only") {
		bad = append(bad, fmt.Sprintf("%s: readyz: %d %s", when, status, body))
	}
	if status, body := s.answers(url + "/healthz"); status != 200 {
		bad = append(bad, fmt.Sprintf("%s: healthz: %d %s", when, status, body))
	}
	if _, body := s.answers(url + "/metrics"); !strings.Contains(body, "tintype_store_ready{tier=\"pictures\"} 0\n") {
		bad = append(bad, when+": the metrics say that it is ready")
	}
	return bad
}

// tracer is strace at work on a running process.
type tracer struct {
	cmd *exec.Cmd
	log string
}

func (s *syncFault) attach(pid int, injection string) *tracer {
	s.t.Helper()
	tr := &tracer{log: filepath.Join(s.t.TempDir(), "strace")}
	tr.cmd = exec.Command("strace", "-f", "-qq", "-y", "-ttt", "-o", tr.log, "-p", strconv.Itoa(pid), "-e", "signal=none",
		"-e", "trace=fsync,fdatasync,syncfs", "-e", injection)
	if err := tr.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { tr.cmd.Process.Kill() })
	for deadline := time.Now().Add(10 * time.Second); !traced(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("strace does not attach")
		}
	}
	return tr
}

// traced says whether every thread of a process has a tracer.
func traced(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(status), "TracerPid:\t0\n") {
			return false
		}
	}
	return len(threads) > 0
}

// detach ends strace and lets the process go on.
func (tr *tracer) detach(t *testing.T) {
	tr.cmd.Process.Signal(syscall.SIGTERM)
	tr.cmd.Wait()
}
