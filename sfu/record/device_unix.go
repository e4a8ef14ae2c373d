//go:build unix

package record

import (
	"io/fs"
	"syscall"
)

// DeviceOf says which file system a file is on.
func DeviceOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}
