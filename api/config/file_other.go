//go:build !unix

package config

import (
	"io/fs"
	"os"
)

// keepOwner returns the permissions that f is to have.
func keepOwner(_ *os.File, old fs.FileInfo) fs.FileMode { return old.Mode().Perm() }

// syncFolder has nothing to do.
func syncFolder(string) error { return nil }
