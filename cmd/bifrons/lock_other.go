//go:build !unix

package main

import "os"

// lockFile does nothing: there are no such locks here.
func lockFile(*os.File) error { return nil }

// checkOpenFiles does nothing: there is no such limit here.
func checkOpenFiles(int) error { return nil }

// openFiles is unknown here.
func openFiles() (n uint64, ok bool) { return 0, false }

// mayCreate reports whether there is a folder.
func mayCreate(folder string) error {
	_, err := os.Stat(folder)
	return err
}
