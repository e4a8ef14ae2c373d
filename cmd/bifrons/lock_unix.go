//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the file for this process, until it is closed.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// checkOpenFiles fails if the process may not have that many files open.
func checkOpenFiles(least int) error {
	if least <= 0 {
		return nil
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if uint64(l.Cur) < uint64(least) {
		return fmt.Errorf("only %d files may be open, check_openfiles_limit wants %d (see ulimit -n)", l.Cur, least)
	}
	return nil
}
