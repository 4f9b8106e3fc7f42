package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is tintype itself where this is set, so that a test can kill it.
const asProgram = "TINTYPE_TEST_AS_PROGRAM"

// inGroup names a file of a control group that the program joins before all else, as
// if a service manager had started it there.
const inGroup = "TINTYPE_TEST_IN_GROUP"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if group := os.Getenv(inGroup); group != "" {
			if err := os.WriteFile(group, []byte("0"), 0); err != nil {
				panic(err)
			}
		}
		os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// asCommand returns a command that runs tintype with args.
func asCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// proc is a running server.
type proc struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	first  string // what it printed before it was ready
	stderr output
}

// output is what a process writes, and may be looked at while it does.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// until waits until something is so, and fails the test if it never is.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startTime); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", startTime, what)
		}
	}
}

// startTime is how long a server may take to be ready.
const startTime = 10 * time.Second

var listening = regexp.MustCompile(`listens on (https?://\S+), data`)

// startServer starts a server on dir and a free port, and waits until it is ready.
func startServer(t *testing.T, dir string, args ...string) *proc {
	t.Helper()
	p, err := tryServer(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tryServer is startServer for a directory that may be unfit to serve from.
func tryServer(t *testing.T, dir string, args ...string) (*proc, error) {
	p, err := launch(t, append([]string{"--data", dir}, args...)...)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startTime); ; time.Sleep(time.Millisecond) {
		resp, err := http.Get(p.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return p, nil
			}
		}
		if time.Now().After(deadline) {
			p.kill()
			return nil, fmt.Errorf("not ready: %v\n%s", err, p.stderr.String())
		}
	}
}

// startProgram starts a server on a free port; what it says of its URL may not be
// where it listens.
func startProgram(t *testing.T, args ...string) *proc {
	t.Helper()
	p, err := launch(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// launch is startProgram for a server that may not come up.
func launch(t *testing.T, args ...string) (*proc, error) {
	p := &proc{t: t, cmd: asCommand(append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)}
	p.cmd.Stderr = &p.stderr
	return p, p.start()
}

// start waits for the first words of the server.
func (p *proc) start() error {
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.t.Cleanup(func() { p.cmd.Process.Kill() })
	defer time.AfterFunc(startTime, func() { p.cmd.Process.Kill() }).Stop()
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	m := listening.FindStringSubmatch(line)
	if err != nil || m == nil {
		p.cmd.Wait()
		return fmt.Errorf("the server printed %q, %v\n%s", line, err, p.stderr.String())
	}
	p.url, p.first = m[1], line
	for lines.Buffered() > 0 {
		line, _ := lines.ReadString('\n')
		p.first += line
	}
	return nil
}

// kill ends the server as a power button would end the process.
func (p *proc) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// stop ends the server as an operator would, and wants exit code 0.
func (p *proc) stop() {
	p.t.Helper()
	if err := p.end(); err != nil {
		p.t.Errorf("stop: %v", err)
	}
}

// end is stop for a server that may be sick.
func (p *proc) end() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(time.Minute, func() { p.cmd.Process.Kill() }).Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%v\n%s", err, p.stderr.String())
	}
	return nil
}

// result is what a command did.
type result struct {
	code        int
	out, stderr string
}

func tintype(t *testing.T, args ...string) result {
	t.Helper()
	cmd := asCommand(args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), strings.TrimSuffix(stderr.String(), "\n")}
}
