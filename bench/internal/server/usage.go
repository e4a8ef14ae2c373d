package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is the usage of a process since it started.
type Usage struct {
	CPU      time.Duration // user and system, of all threads
	Switches int64         // context switches of the threads that live
	RSS      int64         // bytes now
	PeakRSS  int64         // bytes
	Threads  int64
	// Counts of the namespace's UDP (the kernel counts a message that it
	// segments as one sent).
	UDPIn, UDPOut, UDPErrors int64
}

// Usage reads the counts.
func (p *Process) Usage() (Usage, error) {
	if err := p.Running(); err != nil {
		return Usage{}, err
	}
	return usage(p.cmd.Process.Pid)
}

func usage(pid int) (u Usage, err error) {
	if u.CPU, err = cpuTime(pid); err != nil {
		return u, err
	}
	proc := "/proc/" + strconv.Itoa(pid)
	status, err := fields(proc + "/status")
	if err != nil {
		return u, err
	}
	u.RSS, u.PeakRSS = 1024*status["VmRSS:"], 1024*status["VmHWM:"]
	u.Threads = status["Threads:"]
	tasks, _ := filepath.Glob(proc + "/task/*/status")
	for _, name := range tasks {
		if t, err := fields(name); err == nil { // else the thread has just ended
			u.Switches += t["voluntary_ctxt_switches:"] + t["nonvoluntary_ctxt_switches:"]
		}
	}
	return u, readUDP(proc+"/net/snmp", &u)
}

// UDPErrors counts the datagrams that sockets of this network namespace had no
// room for.
func UDPErrors() int64 {
	var u Usage
	_ = readUDP("/proc/self/net/snmp", &u)
	return u.UDPErrors
}

// fields reads lines of a name and a number.
func fields(name string) (map[string]int64, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	m := make(map[string]int64)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				m[f[0]] = n
			}
		}
	}
	return m, nil
}

// readUDP reads the two lines "Udp:", one with names and one with numbers.
func readUDP(name string, u *Usage) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := 1; i < min(len(f), len(names)); i++ {
			n, _ := strconv.ParseInt(f[i], 10, 64)
			switch names[i] {
			case "InDatagrams":
				u.UDPIn = n
			case "OutDatagrams":
				u.UDPOut = n
			case "InErrors":
				u.UDPErrors = n
			}
		}
		return nil
	}
	return fmt.Errorf("%s has no UDP counts", name)
}
