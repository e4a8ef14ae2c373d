//go:build !unix

package admin

import "time"

// cpuTime is the CPU time that the process has used, 0 if that is unknown.
func cpuTime() time.Duration { return 0 }
