//go:build unix

package admin

import (
	"syscall"
	"time"
)

// cpuTime is what the process has used of the processors, 0 if that is not known.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
