//go:build !unix

package waittest

import (
	"os/exec"
	"syscall"
)

// OwnGroup does nothing: there are no process groups.
func OwnGroup(*exec.Cmd) {}

// SignalGroup ends a program, whatever the signal. Its children go on.
func SignalGroup(cmd *exec.Cmd, _ syscall.Signal) { _ = cmd.Process.Kill() }
