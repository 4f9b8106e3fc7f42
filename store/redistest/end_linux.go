package redistest

import (
	"os/exec"
	"syscall"
)

// endWithTest makes the server end with this process, however that ends.
func endWithTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
