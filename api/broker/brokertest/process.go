// Package brokertest starts message brokers for tests, ends them in the middle of something,
// and stands between them and who connects.
package brokertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bifrons/rtp/waittest"
)

// startLimit is how long a broker may take to start: Erlang is slow on a busy machine.
const startLimit = 150 * time.Second

// T is the part of testing.TB in use, for callers without one.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	TempDir() string
	Cleanup(f func())
}

// Loopback is where brokers listen in tests.
const Loopback = "127.0.0.1"

// Broker is a broker that runs as a process.
type Broker struct {
	Port int
	host string
	t    T
	args []string
	env  []string

	mu      sync.Mutex
	process *exec.Cmd
	output  strings.Builder
	exited  chan struct{}
}

// FreePort finds a port outside the range of outgoing connections.
func FreePort(t T, host string) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", address(host, port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

// Address is where it listens.
func (b *Broker) Address() string { return address(b.host, b.Port) }

// program finds a program, or skips the test.
func program(t T, what string, paths ...string) string {
	t.Helper()
	for _, p := range paths {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	t.Skipf("skipped: %s (no %s here)", what, filepath.Base(paths[0]))
	return ""
}

// Mosquitto starts an MQTT broker, with further lines in its configuration.
func Mosquitto(t T, lines ...string) *Broker {
	t.Helper()
	return MosquittoAt(t, Loopback, lines...)
}

// MosquittoAt is Mosquitto at an address.
func MosquittoAt(t T, host string, lines ...string) *Broker {
	t.Helper()
	path := program(t, "what needs an MQTT broker", "mosquitto", "/usr/sbin/mosquitto")
	b := &Broker{t: t, host: host, Port: FreePort(t, host)}
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("listener %d %s\nallow_anonymous true\nuser root\nset_tcp_nodelay true\nmax_queued_messages 0\n%s\n", b.Port, host, strings.Join(lines, "\n"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.args = []string{path, "-c", conf}
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

// RabbitMQ starts an AMQP broker, with further lines in its configuration. That takes long:
// one has to do for all tests of a package.
func RabbitMQ(t T, lines ...string) *Broker {
	t.Helper()
	return RabbitMQAt(t, Loopback, lines...)
}

// RabbitMQAt is RabbitMQ at an address.
func RabbitMQAt(t T, host string, lines ...string) *Broker {
	t.Helper()
	path := program(t, "what needs a RabbitMQ broker", "/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
	mapper := program(t, "what needs a RabbitMQ broker", "epmd")
	b := &Broker{t: t, host: host, Port: FreePort(t, host)}
	dir, err := os.MkdirTemp("", "rabbit") // not that of the test: it ends behind its cleanup
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	names := FreePort(t, Loopback)
	epmd := exec.Command(mapper, "-port", fmt.Sprint(names), "-address", "127.0.0.1")
	if err := epmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = epmd.Process.Kill()
		_ = epmd.Wait()
	})
	b.args = []string{path}
	b.env = append(os.Environ(), "HOME="+dir,
		fmt.Sprintf("ERL_EPMD_PORT=%d", names), "ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODENAME=test%d@localhost", b.Port), fmt.Sprintf("RABBITMQ_NODE_PORT=%d", b.Port),
		"RABBITMQ_NODE_IP_ADDRESS="+host, fmt.Sprintf("RABBITMQ_DIST_PORT=%d", FreePort(t, Loopback)),
		"RABBITMQ_MNESIA_BASE="+dir+"/db", "RABBITMQ_LOG_BASE="+dir+"/log", "RABBITMQ_LOGS=-",
		"RABBITMQ_ENABLED_PLUGINS_FILE="+file("plugins", "[].\n"), "RABBITMQ_CONF_ENV_FILE="+file("env.conf", ""),
		"RABBITMQ_CONFIG_FILE="+file("rabbitmq.conf", "loopback_users = none\n"+strings.Join(lines, "\n")+"\n"), "RABBITMQ_PID_FILE="+dir+"/pid",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none")
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

// URL is that of a RabbitMQ broker.
func (b *Broker) URL() string { return "amqp://guest:guest@" + b.Address() + "/" }

// Start starts the process again, and waits until it takes connections.
func (b *Broker) Start() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	cmd := exec.Command(b.args[0], b.args[1:]...)
	cmd.Env = b.env
	waittest.OwnGroup(cmd)
	b.output.Reset()
	cmd.Stdout, cmd.Stderr = &b.output, &b.output
	cmd.WaitDelay = time.Second // children of Erlang hold the pipe
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	b.process, b.exited = cmd, exited
	if !b.answers(exited) {
		b.kill(syscall.SIGKILL)
		b.t.Fatalf("%s does not start: %s", b.args[0], b.output.String())
	}
}

// answers waits until somebody listens.
func (b *Broker) answers(exited chan struct{}) bool {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		if c, err := net.Dial("tcp", b.Address()); err == nil {
			_ = c.Close()
			return true
		}
		again := time.NewTimer(20 * time.Millisecond)
		select {
		case <-again.C:
		case <-exited:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Kill ends the process at once.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kill(syscall.SIGKILL)
}

// Stop has the process end itself.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kill(syscall.SIGTERM)
}

func (b *Broker) kill(how syscall.Signal) {
	if b.process == nil {
		return
	}
	waittest.SignalGroup(b.process, how)
	<-b.exited
	b.process = nil
}
