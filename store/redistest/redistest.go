// Package redistest starts Redis servers for tests: one alone, or a cluster of six. It needs the
// program redis-server (Debian package redis-server), and skips tests where there is none.
package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// firstPort is that of the first server. The others follow, and their bus is 10,000 above.
// Tests of other packages that run at the same time wait there until it is free.
const firstPort = 7101

const (
	masters  = 3
	replicas = 3

	patience = 3 * time.Minute // with a port that is taken
)

// Server is a redis-server, which ends with the test that started it.
type Server struct {
	Address string
	args    []string

	// of the process that runs now, or ran last
	process *os.Process
	ended   chan struct{}
	log     *bytes.Buffer // not to be read before it has ended
}

// Servers are one alone, or those of a cluster: first the masters, with a third of the keys
// each, then the replica of each.
type Servers []*Server

// Single starts a server alone. args are further settings, as "--maxmemory", "10mb".
func Single(tb testing.TB, args ...string) Servers {
	tb.Helper()
	return Servers{start(tb, firstPort, args)}
}

// Cluster starts three masters and a replica of each. Every replica has got everything from
// its master when it returns: of a master that dies earlier nothing comes back.
func Cluster(tb testing.TB, args ...string) Servers {
	tb.Helper()
	args = append([]string{
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
		"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
	}, args...)
	var all Servers
	for i := range masters + replicas {
		all = append(all, start(tb, firstPort+i, args))
	}
	if err := all.join(); err != nil {
		tb.Fatalf("make a cluster: %v", err)
	}
	return all
}

// Addresses returns where they listen.
func (all Servers) Addresses() []string {
	addresses := make([]string, len(all))
	for i, s := range all {
		addresses[i] = s.Address
	}
	return addresses
}

// Flush removes all keys.
func (all Servers) Flush(tb testing.TB) {
	tb.Helper()
	for _, s := range all {
		if _, err := s.Do("FLUSHALL"); err != nil && !strings.Contains(err.Error(), "READONLY") {
			tb.Fatal(err)
		}
	}
}

// start starts a server in a directory of its own.
func start(tb testing.TB, port int, args []string) *Server {
	tb.Helper()
	s := &Server{Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), args: append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", tb.TempDir(),
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
	}, args...)}
	s.Start(tb)
	tb.Cleanup(s.Kill)
	return s
}

// Start starts a server again that was killed, with what is on its disk, and waits until it
// answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Skip("redis-server is not installed (Debian package redis-server)")
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		ended, log := make(chan struct{}), &bytes.Buffer{}
		cmd := exec.Command(path, s.args...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			tb.Fatal(err)
		}
		go func() {
			cmd.Wait()
			close(ended)
		}()
		s.process, s.ended, s.log = cmd.Process, ended, log
		err := until(10*time.Second, s.answers)
		if err == nil {
			return
		}
		s.Kill()
		if !bytes.Contains(log.Bytes(), []byte("in use")) || time.Now().After(end) {
			tb.Fatalf("redis-server on %s: %v\n%s", s.Address, err, log.Bytes())
		}
	}
}

// errEnded is returned when there is no use in waiting.
var errEnded = errors.New("it has ended")

// answers says whether it is this very process that answers.
func (s *Server) answers() error {
	select {
	case <-s.ended:
		return errEnded
	default:
	}
	info, err := s.Do("INFO", "server")
	if err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.process.Pid)) {
		err = errors.New("another process answers")
	}
	return err
}

// until calls f until it returns nil or errEnded, or for so long.
func until(patience time.Duration, f func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err := f(); err == nil || err == errEnded || time.Now().After(end) {
			return err
		}
	}
}

// Kill ends the server at once, as a power cut would but for what the system has to write.
func (s *Server) Kill() {
	s.process.Kill()
	<-s.ended
}

// Signal sends the process a signal. One that is stopped by it goes on being connected to.
func (s *Server) Signal(sig os.Signal) error { return s.process.Signal(sig) }

// Wait waits until the answer of a command contains text.
func (s *Server) Wait(text string, command ...string) error {
	return until(time.Minute, func() error {
		answer, err := s.Do(command...)
		if err == nil && !strings.Contains(answer, text) {
			err = fmt.Errorf("%s: %v does not tell %q", s.Address, command, text)
		}
		return err
	})
}

// join makes a cluster.
func (all Servers) join() error {
	ids := make([]string, len(all))
	for i, s := range all {
		id, err1 := s.Do("CLUSTER", "MYID")
		_, err2 := s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		ids[i] = id
	}
	for _, s := range all[1:] {
		host, port, err := net.SplitHostPort(s.Address)
		if err == nil {
			_, err = all[0].Do("CLUSTER", "MEET", host, port)
		}
		if err != nil {
			return err
		}
	}
	for i, s := range all[:masters] {
		assign := []string{"CLUSTER", "ADDSLOTS"}
		for slot := i * 16384 / masters; slot < (i+1)*16384/masters; slot++ {
			assign = append(assign, strconv.Itoa(slot))
		}
		if _, err := s.Do(assign...); err != nil {
			return err
		}
	}
	for _, s := range all {
		if err := s.Wait("cluster_known_nodes:"+strconv.Itoa(len(all)), "CLUSTER", "INFO"); err != nil {
			return err
		}
	}
	for i, s := range all[masters:] {
		if _, err := s.Do("CLUSTER", "REPLICATE", ids[i]); err != nil {
			return err
		}
	}
	return all.ready()
}

// ready waits until every replica has everything, and every server knows of all replicas.
func (all Servers) ready() error {
	for i, s := range all {
		replicates := "master_link_status:up"
		if i < masters {
			replicates = "state=online"
		}
		knows := func() error {
			nodes, err := s.Do("CLUSTER", "NODES")
			if err == nil && strings.Count(nodes, "slave ") != replicas {
				err = fmt.Errorf("%s does not know the replicas:\n%s", s.Address, nodes)
			}
			return err
		}
		err := errors.Join(s.Wait("cluster_state:ok", "CLUSTER", "INFO"), s.Wait(replicates, "INFO", "replication"), until(time.Minute, knows))
		if err != nil {
			return err
		}
	}
	return nil
}
