//go:build unix

package playout

import (
	"os"
	"syscall"
)

// DeviceOf is the Part.Device of what a file has.
func DeviceOf(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}
