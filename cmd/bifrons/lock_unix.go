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
	if n, ok := openFiles(); ok && n < uint64(least) {
		return fmt.Errorf("only %d files may be open, check_openfiles_limit wants %d (see ulimit -n)", n, least)
	}
	return nil
}

// openFiles is how many files the process may have open.
func openFiles() (n uint64, ok bool) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, false
	}
	return uint64(l.Cur), true
}

// mayCreate says why no file can be made in a folder.
func mayCreate(folder string) error {
	info, err := os.Stat(folder)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		const write, search = 2, 1
		err = syscall.Access(folder, write|search)
	}
	if err != nil {
		return fmt.Errorf("folder %s: %w", folder, err)
	}
	return nil
}
