package admin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
)

// How long a question to the network may take, and how often it is asked again.
const (
	networkTimeout = 5 * time.Second
	stunInterval   = 500 * time.Millisecond // RFC 8489, 6.2.1
)

// lookUp finds the address of a host, an IPv4 address if there is one.
func (a *Admin) lookUp(host string) (netip.Addr, error) {
	if err := a.ctx.Err(); err != nil {
		return netip.Addr{}, err // not even for an address, which needs no looking up
	}
	ctx, cancel := context.WithTimeout(a.ctx, networkTimeout)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	for i := range list {
		if list[i] = list[i].Unmap(); list[i].Is4() {
			return list[i], nil
		}
	}
	if len(list) == 0 {
		return netip.Addr{}, errors.New("no address")
	}
	return list[0], nil
}

func (a *Admin) resolveAddress(q *query) {
	if !q.check(schema.Field{Name: "address", Type: schema.String, Required: true}) {
		return
	}
	start := time.Now()
	addr, err := a.lookUp(q.Root.Str("address"))
	if err != nil {
		q.unknown("Could not resolve address")
		return
	}
	elapsed := time.Since(start).Microseconds()
	q.ok(func(w *json.Writer) {
		w.Str("ip", addr.String())
		w.Int("elapsed", elapsed)
	})
}

func (a *Admin) testSTUN(q *query) {
	if !q.check(schema.Field{Name: "address", Type: schema.String, Required: true},
		schema.Field{Name: "port", Type: schema.Uint, Required: true},
		schema.Field{Name: "localport", Type: schema.Uint}) {
		return
	}
	for _, name := range []string{"port", "localport"} {
		if q.Root.Num(name) > 65535 {
			q.failf(janus.ErrInvalidType, "Invalid element type (%s should be between 0 and 65535)", name)
			return
		}
	}
	start := time.Now()
	addr, err := a.lookUp(q.Root.Str("address"))
	if err != nil {
		q.unknown("Could not resolve address")
		return
	}
	public, err := a.binding(netip.AddrPortFrom(addr, uint16(q.Root.Num("port"))), int(q.Root.Num("localport")))
	switch {
	case errors.Is(err, errNoMapping):
		q.unknown("Could not resolve public address")
	case err != nil:
		q.unknown("STUN request failed")
	default:
		elapsed := time.Since(start).Microseconds()
		q.ok(func(w *json.Writer) {
			w.Str("public_ip", public.Addr().String())
			w.Int("public_port", int64(public.Port()))
			w.Int("elapsed", elapsed)
		})
	}
}

var errNoMapping = errors.New("the answer has no mapped address")

// binding asks a STUN server for the address that it sees us at (RFC 8489, 12).
func (a *Admin) binding(server netip.AddrPort, localPort int) (netip.AddrPort, error) {
	conn, err := net.DialUDP("udp", &net.UDPAddr{Port: localPort}, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(a.ctx, func() { conn.Close() })()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return netip.AddrPort{}, err
	}
	buf := make([]byte, 1500)
	for end, next := time.Now().Add(networkTimeout), time.Now(); ; {
		now := time.Now()
		if !now.Before(end) {
			return netip.AddrPort{}, context.DeadlineExceeded
		}
		if !now.Before(next) {
			if _, err := conn.Write(request.Raw); err != nil {
				return netip.AddrPort{}, err
			}
			next = now.Add(stunInterval)
		}
		if err := conn.SetReadDeadline(next); err != nil {
			return netip.AddrPort{}, err
		}
		n, err := conn.Read(buf)
		if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
			continue
		}
		if err != nil {
			return netip.AddrPort{}, err
		}
		answer := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
		if answer.Decode() == nil && answer.TransactionID == request.TransactionID {
			return mapped(answer)
		}
	}
}

// mapped takes the address out of an answer; old servers send it as it is.
func mapped(m *stun.Message) (netip.AddrPort, error) {
	var addr stun.XORMappedAddress
	if addr.GetFrom(m) != nil {
		var old stun.MappedAddress
		if old.GetFrom(m) != nil {
			return netip.AddrPort{}, errNoMapping
		}
		addr.IP, addr.Port = old.IP, old.Port
	}
	a, ok := netip.AddrFromSlice(addr.IP)
	if !ok || m.Type != stun.BindingSuccess {
		return netip.AddrPort{}, errNoMapping
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(addr.Port)), nil
}

// loopsInfo lists the engine's loops if their number is configured.
func (a *Admin) loopsInfo(q *query) {
	cfg := a.core.Settings()
	q.ok(func(w *json.Writer) {
		w.Array("loops")
		if cfg.EventLoops > 0 && cfg.Engine != nil {
			for i, s := range cfg.Engine.Stats() {
				w.Object("")
				w.Int("id", int64(i))
				w.Uint("handles", s.Shard.Peers)
				w.End()
			}
		}
		w.EndArray()
	})
}
