//go:build unix

package waittest

import (
	"os/exec"
	"syscall"
)

// OwnGroup makes a program that is about to start the leader of a process group of its own.
func OwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// SignalGroup signals a program with a group of its own, and its children.
func SignalGroup(cmd *exec.Cmd, how syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, how) }
