package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheTerminalOfAServerGoes starts a server at a terminal: a SIGHUP has it read its
// files again while the terminal is there, and ends it in good order when it is not.
func TestTheTerminalOfAServerGoes(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	p := &proc{t: t, cmd: asCommand("serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"))}
	p.cmd.Stdin, p.cmd.Stderr = slave, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	p.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "the server says that it reads again", func() bool { return strings.Contains(p.stderr.String(), "by SIGHUP") })
	master.Close()
	defer time.AfterFunc(startTime, func() { p.cmd.Process.Kill() }).Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr.String())
	}
}
