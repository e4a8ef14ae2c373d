//go:build unix

package main

import (
	"os"
	"syscall"
)

// rotateSignal is the signal that log_rotate_sig names, nil for none.
func rotateSignal(name string) os.Signal {
	switch name {
	case "SIGUSR1":
		return syscall.SIGUSR1
	case "SIGHUP":
		return syscall.SIGHUP
	}
	return nil
}
