//go:build !unix

package admin

import "time"

// cpuTime is what the process has used of the processors, 0 if that is not known.
func cpuTime() time.Duration { return 0 }
