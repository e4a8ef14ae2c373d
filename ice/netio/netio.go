// Package netio is a batched UDP socket for an engine loop: many datagrams a
// system call, memory of the caller, no allocation on the way.
package netio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// MaxSegments and MaxSegmentedBytes bound a segmented Message. A larger one is
// still sent, but without the help of the kernel.
const (
	MaxSegments       = 64
	MaxSegmentedBytes = 65507
)

// batchSize is the number of datagrams that one system call moves at most, unless a
// Config says less.
const batchSize = 64

// DefaultBuffer is the size of the socket buffers in bytes. A shard's worth of
// video is some 100 Mbit/s, of which this holds 300 ms.
const DefaultBuffer = 4 << 20

// Config describes a socket.
type Config struct {
	// IPv6 asks for a dual-stack socket. Where the machine has no IPv6 at all
	// the socket is IPv4 only.
	IPv6 bool
	// Addr is the address to bind to, default any. An IPv4 address makes the
	// socket IPv4 only, an IPv6 address other than :: makes it IPv6 only.
	Addr netip.Addr
	// Group is a multicast group to receive instead: the socket is bound to it,
	// and may share its port with others that are. Interface is the name of the
	// network interface to join the group on, "" = the system's choice.
	Group     netip.Addr
	Interface string
	// PortMin and PortMax are the range of ports to choose from, both
	// included; 0, 0 is any port, PortMax 0 is 65535. The search starts at a
	// random port of the range.
	PortMin, PortMax uint16
	// RecvBuffer and SendBuffer are the kernel's buffers in bytes, 0 = 4 MiB,
	// negative = the default of the system. The kernel may give less.
	RecvBuffer, SendBuffer int
	// DSCP marks sent packets (RFC 2474), 0..63.
	DSCP int
	// DisableGSO sends the segments of a Message one by one.
	DisableGSO bool
	// GRO asks the kernel for runs of datagrams as one Message, where it has
	// them; each Buf should then have room for MaxSegmentedBytes.
	GRO bool
	// Batch is how many datagrams one system call moves at most, 0 = 64, and costs half a
	// kilobyte each.
	Batch int
	// Refusals asks for ICMP errors about sent datagrams, as Messages; on
	// Linux only.
	Refusals bool
	// Loop is for the socket of an event loop: deadlines and Wake cost less, and it can
	// Moderate. It takes two more file descriptors. On Linux only.
	Loop bool
}

// Message is a datagram, or a run of datagrams to one destination; received are
// runs with Config.GRO only.
type Message struct {
	// Buf is memory of the caller, lent for the call. RecvBatch may fill the
	// whole slice, SendBatch sends exactly it.
	Buf []byte
	// N is the received length in bytes.
	N int
	// Remote is the other side's address. IPv4 is never IPv4-mapped on
	// receiving; both forms are taken on sending.
	Remote netip.AddrPort
	// Local is the address that the datagram was sent to, or that it shall be
	// sent from. Invalid: unknown, or for the kernel's routing to choose.
	Local netip.Addr
	// Segment cuts Buf, or the received bytes, into datagrams of that many bytes,
	// of which the last may be shorter. 0 = it is one datagram.
	Segment int
	// Truncated reports that the received datagram was larger than Buf.
	Truncated bool
	// Refused reports that nothing was received, but that a datagram to Remote did not
	// arrive, as ICMP says; N is 0. Whoever forged that knew both addresses.
	Refused bool
	// Age is how long ago the kernel received it, 0 = unknown; while Moderate says so.
	Age time.Duration
}

// Stats are counts since Listen.
type Stats struct {
	DatagramsIn, BytesIn    uint64
	DatagramsOut, BytesOut  uint64
	SyscallsIn, SyscallsOut uint64

	KernelDrops uint64 // datagrams that found the receive buffer full
	Truncated   uint64 // datagrams larger than the memory given for them

	GSOBatches   uint64 // runs of datagrams that the kernel or the card cut
	GSOSegments  uint64 // datagrams in those
	GSOFallbacks uint64 // runs that the kernel refused and that were sent one by one

	SendErrors uint64 // datagrams refused, and not sent
	SendDrops  uint64 // datagrams given up because the send buffer stayed full
}

// counters is Stats while it grows.
type counters struct {
	datagramsIn, bytesIn                  atomic.Uint64
	datagramsOut, bytesOut                atomic.Uint64
	syscallsIn, syscallsOut               atomic.Uint64
	kernelDrops, truncated                atomic.Uint64
	gsoBatches, gsoSegments, gsoFallbacks atomic.Uint64
	sendErrors, sendDrops                 atomic.Uint64
}

// Stats returns the counts so far. It may be called from any goroutine.
func (c *Conn) Stats() Stats {
	n := &c.count
	return Stats{
		DatagramsIn: n.datagramsIn.Load(), BytesIn: n.bytesIn.Load(),
		DatagramsOut: n.datagramsOut.Load(), BytesOut: n.bytesOut.Load(),
		SyscallsIn: n.syscallsIn.Load(), SyscallsOut: n.syscallsOut.Load(),
		KernelDrops: n.kernelDrops.Load(), Truncated: n.truncated.Load(),
		GSOBatches: n.gsoBatches.Load(), GSOSegments: n.gsoSegments.Load(),
		GSOFallbacks: n.gsoFallbacks.Load(),
		SendErrors:   n.sendErrors.Load(), SendDrops: n.sendDrops.Load(),
	}
}

// Errors of Listen, to be tested with errors.Is.
var (
	// ErrNoPort means that every port of the range is taken.
	ErrNoPort = errors.New("no free UDP port")
	// ErrNoFamily means that the machine lacks the wanted address family.
	ErrNoFamily = errors.New("address family is not available")
)

// states of the handshake between RecvBatch and Wake.
const (
	stateIdle    = iota // nobody waits
	stateWaiting        // RecvBatch waits, or is about to
	stateWoken          // Wake was called and not yet seen by RecvBatch
)

// past is a deadline that has always passed.
var past = time.Unix(1, 0)

// Listen opens and binds a socket.
func Listen(cfg Config) (*Conn, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.PortMin == 0 && cfg.PortMax == 0 {
		return listenPort(cfg, 0)
	}
	low, high := int(cfg.PortMin), int(cfg.PortMax)
	if high == 0 {
		high = 65535
	}
	size := high - low + 1
	start := rand.IntN(size)
	for i := range size {
		c, err := listenPort(cfg, uint16(low+(start+i)%size))
		if !isAddrInUse(err) {
			return c, err
		}
	}
	return nil, fmt.Errorf("netio: %w in %d-%d", ErrNoPort, low, high)
}

func (cfg *Config) check() error {
	if cfg.PortMax != 0 && cfg.PortMin > cfg.PortMax {
		return fmt.Errorf("netio: port range %d-%d is empty", cfg.PortMin, cfg.PortMax)
	}
	if cfg.PortMin == 0 && cfg.PortMax != 0 {
		cfg.PortMin = 1
	}
	if cfg.Batch <= 0 || cfg.Batch > batchSize {
		cfg.Batch = batchSize
	}
	if cfg.DSCP < 0 || cfg.DSCP > 63 {
		return fmt.Errorf("netio: DSCP %d is not in 0..63", cfg.DSCP)
	}
	cfg.Group = cfg.Group.Unmap()
	if cfg.Group.IsValid() {
		if !cfg.Group.IsMulticast() {
			return fmt.Errorf("netio: %v is not a multicast group", cfg.Group)
		}
		cfg.Addr = cfg.Group
	}
	cfg.Addr = cfg.Addr.Unmap()
	if cfg.Addr.Is6() {
		cfg.IPv6 = true
	}
	if cfg.Addr.Is4() {
		cfg.IPv6 = false
	}
	return nil
}

// bufferSize is the size to ask for, 0 = none.
func bufferSize(wanted int) int {
	switch {
	case wanted < 0:
		return 0
	case wanted == 0:
		return DefaultBuffer
	}
	return wanted
}

// segments is the number of datagrams that m stands for, which is to be sent.
func (m *Message) segments() int { return m.pieces(len(m.Buf)) }

// pieces is the number of datagrams in n bytes.
func (m *Message) pieces(n int) int {
	if m.Segment <= 0 || n <= m.Segment {
		return 1
	}
	return (n + m.Segment - 1) / m.Segment
}
