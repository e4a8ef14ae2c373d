// Package netns makes a network namespace that is joined to this one by a veth
// pair, so that a server can be measured on a network of its own.
package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Addresses of the two ends of the pair. No route leaves it.
const (
	HostAddr   = "10.78.0.1"
	InsideAddr = "10.78.0.2"
	// LoadBase is the first of the addresses that are local on this side, all of
	// them, for the peers of a load.
	LoadBase = "10.78.128.0"
	loadNet  = LoadBase + "/17"

	prefix     = "bifrons-bench-"
	linkPrefix = "bfb"
)

// Pair is a namespace and the way into it.
type Pair struct {
	name, host, inside string
}

// Available says why namespaces cannot be made here; nil if they can.
func Available() error {
	if runtime.GOOS != "linux" {
		return errors.New("network namespaces need Linux")
	}
	if os.Geteuid() != 0 {
		return errors.New("making a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the ip command (iproute2) is not installed")
	}
	return nil
}

// New makes a namespace. It is named after this process; those of processes
// that are gone are removed. It fails if the pair's network is in use.
func New() (*Pair, error) {
	removeStale()
	if err := checkFree(); err != nil {
		return nil, err
	}
	p := named(os.Getpid())
	for _, args := range []string{
		"netns add " + p.name,
		"link add " + p.host + " type veth peer name " + p.inside + " netns " + p.name,
		"addr add " + HostAddr + "/24 dev " + p.host,
		"route add local " + loadNet + " dev lo",
		"link set " + p.host + " up",
		"-n " + p.name + " addr add " + InsideAddr + "/24 dev " + p.inside,
		"-n " + p.name + " link set lo up",
		"-n " + p.name + " link set " + p.inside + " up",
		"-n " + p.name + " route add " + loadNet + " via " + HostAddr,
	} {
		if err := ip(args); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

func named(pid int) *Pair {
	link := linkPrefix + strconv.Itoa(pid)
	return &Pair{name: prefix + strconv.Itoa(pid), host: link + "h", inside: link + "s"}
}

// Command prepares a command inside the namespace. Its process is the command
// itself, not a wrapper around it.
func (p *Pair) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", p.name, name}, args...)...)
}

// Close removes the pair and the namespace. Programs in it should have
// ended before.
func (p *Pair) Close() error {
	_ = ip("link del " + p.host) // gone already if New failed half-way
	_ = ip("route del local " + loadNet + " dev lo")
	return ip("netns del " + p.name)
}

func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// checkFree reports whether an interface of this machine has the pair's network.
func checkFree() error {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.Contains(net.ParseIP(InsideAddr)) && n.IP.To4() != nil {
			return fmt.Errorf("the network of %s is in use; does another benchmark run?", n)
		}
	}
	return nil
}

// removeStale removes the leftovers of killed processes.
func removeStale() {
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(strings.TrimPrefix(name, prefix))
		if err != nil || !strings.HasPrefix(name, prefix) {
			continue
		}
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); os.IsNotExist(err) {
			_ = named(pid).Close()
		}
	}
}
