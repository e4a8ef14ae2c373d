// Package forward helps plugins to send media on as plain RTP or SRTP: where
// a request wants it to go to, whether it may, and the forwarders that came of it.
//
// It takes three steps. Rules.Read reads a request and has no effect; Rules.Resolve
// looks names up and opens sockets, without a lock; Set.Start begins to send, under
// the plugin's lock, and waits for nothing.
package forward

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// Destination is where one stream is sent to, and how.
type Destination struct {
	Host        *Host // nil = none was named; may be shared
	Port        uint16
	RTCPPort    uint16       // of the receiver, on the same host; 0 = none
	PayloadType uint8        // 0 = as it comes
	SSRC        uint32       // 0 = as it comes
	Encoding    int          // of simulcast, which is sent
	Best        bool         // in its place the best one at a time, as one stream
	SRTP        *sfu.SRTPKey // nil = plain RTP
}

// Host is a host that a request names.
type Host struct {
	Name    string
	Network string     // "ip4" or "ip6", "" = any
	Addr    netip.Addr // from Resolve
}

func (d *Destination) to() netip.AddrPort { return netip.AddrPortFrom(d.Host.Addr, d.Port) }

func (d *Destination) rtcp() netip.AddrPort { return netip.AddrPortFrom(d.Host.Addr, d.RTCPPort) }

// Names are a plugin's names for the settings of a destination; "" = it has no such
// setting.
type Names struct {
	Host, Family                      string
	Suite, Crypto                     string // of SRTP: RFC 4568, 6.1 and 6.2
	Port, RTCPPort, SSRC, PayloadType string
}

// values are those in which "" is no name.
type values struct{ kit.Values }

func (s values) text(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	return s.Text(name)
}

func (s values) number(name string) (int64, bool) {
	if name == "" {
		return 0, false
	}
	return s.Number(name)
}

// Read reads a destination. Fields missing in settings stay as they are in d.
func (r *Rules) Read(settings kit.Values, n Names, d *Destination) *schema.Error {
	src := values{settings}
	for _, read := range []func(values, Names, *Destination) *schema.Error{r.readHost, r.readKey, r.readPorts, r.readFormat} {
		if err := read(src, n, d); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rules) readHost(src values, n Names, d *Destination) *schema.Error {
	network := r.Network
	switch family, _ := src.text(n.Family); strings.ToLower(family) {
	case "":
	case "ipv4":
		network = "ip4"
	case "ipv6":
		network = "ip6"
	default:
		return kit.Errorf(r.Invalid, "Unsupported protocol family (%s)", family)
	}
	if name, ok := src.text(n.Host); ok {
		d.Host = &Host{Name: name, Network: network}
	}
	return nil
}

func (r *Rules) readKey(src values, n Names, d *Destination) *schema.Error {
	suite, hasSuite := src.number(n.Suite)
	crypto, hasCrypto := src.text(n.Crypto)
	switch {
	case hasSuite && suite != 32 && suite != 80:
		return kit.Errorf(r.Invalid, "Invalid SRTP suite (%d)", suite)
	case hasSuite != hasCrypto:
		return kit.Errorf(r.Missing, "Missing mandatory element (%s or %s)", n.Suite, n.Crypto)
	case !hasCrypto:
		return nil
	}
	key, err := sfu.NewSRTPKey(int(suite), crypto)
	if err != nil {
		return kit.Errorf(r.Invalid, "Invalid element (%s: %v)", n.Crypto, err)
	}
	d.SRTP = key
	return nil
}

func (r *Rules) readPorts(src values, n Names, d *Destination) *schema.Error {
	for _, x := range []struct {
		name string
		to   *uint16
	}{{n.Port, &d.Port}, {n.RTCPPort, &d.RTCPPort}} {
		switch v, ok := src.number(x.name); {
		case !ok:
		case v < 0 || v > 1<<16-1:
			return kit.Errorf(r.Invalid, "Invalid element (%s should be a port)", x.name)
		default:
			*x.to = uint16(v)
		}
	}
	return nil
}

func (r *Rules) readFormat(src values, n Names, d *Destination) *schema.Error {
	pt, hasPT := src.number(n.PayloadType)
	ssrc, hasSSRC := src.number(n.SSRC)
	if pt < 0 || pt > 127 || ssrc < 0 || ssrc > 1<<32-1 {
		return kit.Errorf(r.Invalid, "Invalid element (%s or %s)", n.PayloadType, n.SSRC)
	}
	if hasPT {
		d.PayloadType = uint8(pt)
	}
	if hasSSRC {
		d.SSRC = uint32(ssrc)
	}
	return nil
}

// resolveTimeout bounds how long the names of a request are looked up.
const resolveTimeout = 5 * time.Second

// Resolve finds the addresses of all hosts that a request names, sees whether media
// may be sent there, and makes the engine ready for that. A destination without a port
// is looked up and no more. It may take resolveTimeout and must not be called with a
// lock held; session is whose request it is.
func (r *Rules) Resolve(session uint64, list ...*Destination) *schema.Error {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	known := make(map[Host]netip.Addr) // a name is looked up once
	for _, d := range list {
		if d.Host == nil {
			return kit.Errorf(r.Missing, "Missing mandatory element (host)")
		}
		q := Host{Name: d.Host.Name, Network: d.Host.Network}
		if !known[q].IsValid() {
			a, err := r.lookup(ctx, session, q)
			if err != nil {
				return err
			}
			known[q] = a
		}
		d.Host.Addr = known[q]
	}
	if err := r.Engine().PrepareForward(); err != nil {
		return kit.Errorf(r.Failed, "%v", err)
	}
	for _, d := range list {
		if err := r.allow(d); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds the address of a host: IPv4 first, which every receiver has.
func (r *Rules) lookup(ctx context.Context, session uint64, h Host) (netip.Addr, *schema.Error) {
	network := h.Network
	if network == "" {
		network = "ip"
	}
	list, err := r.Engine().LookupHost(ctx, session, network, h.Name)
	if err != nil || len(list) == 0 {
		return netip.Addr{}, kit.Errorf(r.Invalid, "Could not resolve address (%s)", h.Name)
	}
	for _, a := range list {
		if a.Unmap().Is4() {
			return a.Unmap(), nil
		}
	}
	return list[0], nil
}
