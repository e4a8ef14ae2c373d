package server

import (
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime reads the CPU clock of another process, which is exact to the
// nanosecond where /proc/PID/stat counts hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED: user and system time as scheduled
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
