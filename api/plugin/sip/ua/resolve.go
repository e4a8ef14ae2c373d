package ua

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Transport is a protocol that messages go by.
type Transport string

// The transports that an account can be told to use. Any is UDP where a URI says nothing else.
const (
	Any Transport = ""
	UDP Transport = "UDP"
	TCP Transport = "TCP"
	TLS Transport = "TLS"
)

// maxLookups is how many names are looked up at once.
const maxLookups = 64

// protoOf is the transport that a URI asks for (RFC 3263, 4.1, without NAPTR), or else another one.
func protoOf(u sip.Uri, other Transport) string {
	t, _ := uriParam(u, "transport")
	switch t = strings.ToUpper(t); {
	case u.Scheme == "sips" || t == "TLS":
		return "TLS"
	case t == "UDP" || t == "TCP":
		return t
	case other != Any:
		return string(other)
	}
	return "UDP"
}

// resolve finds out where a URI is, and calls done with the lock held: at once if the URI has an address. No hops
// are a failure.
func (e *Endpoint) resolve(uri string, other Transport, done func([]hop)) {
	u, err := parseURI(uri)
	if err != nil {
		done(nil)
		return
	}
	proto := protoOf(u, other)
	host := strings.Trim(u.Host, "[]")
	if m, ok := uriParam(u, "maddr"); ok && m != "" {
		host = strings.Trim(m, "[]")
	}
	port := uint16(u.Port)
	def := uint16(5060)
	if proto == "TLS" {
		def = 5061
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if port == 0 {
			port = def
		}
		done(e.known([]hop{{proto, netip.AddrPortFrom(ip.Unmap(), port), host}}))
		return
	}
	if e.lookups >= maxLookups {
		done(nil)
		return
	}
	e.lookups++
	e.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.cfg.lookupTime)
		defer cancel()
		list := e.lookup(ctx, proto, host, port, def)
		e.do("an address", func() {
			e.lookups--
			done(e.known(list))
		})
	})
}

// known leaves out addresses for which we have no socket.
func (e *Endpoint) known(list []hop) []hop {
	return slices.DeleteFunc(list, func(h hop) bool { return e.udpFor(h.addr.Addr()) == nil })
}

// lookup asks the DNS: for SRV records if no port is given, else for addresses (RFC 3263, 4.2).
func (e *Endpoint) lookup(ctx context.Context, proto, host string, port, def uint16) (list []hop) {
	add := func(name string, port uint16) {
		ips, err := e.net.lookupIP(ctx, name)
		if err != nil {
			e.log.Warn("no address of a SIP server", "host", name, "err", err)
			return
		}
		for _, ip := range ips {
			if len(list) < 8 {
				list = append(list, hop{proto, netip.AddrPortFrom(ip.Unmap(), port), host})
			}
		}
	}
	if port != 0 {
		add(host, port)
		return list
	}
	service, net := "sip", "udp"
	switch proto {
	case "TCP":
		net = "tcp"
	case "TLS":
		service, net = "sips", "tcp"
	}
	if records, err := e.net.lookupSRV(ctx, service, net, host); err == nil {
		for _, r := range records {
			if len(list) < 8 {
				add(strings.TrimSuffix(r.Target, "."), r.Port)
			}
		}
	}
	if len(list) == 0 {
		add(host, def)
	}
	return list
}

// route is where a request goes.
type route struct {
	uri    string   // of the request
	routes []string // values of Route
	next   string   // URI of the next hop
	proto  Transport
	home   bool  // the next hop is the registrar or proxy that was configured
	hops   []hop // of next, when it has been resolved
}

// routed applies a route set (RFC 3261, 12.2.1.1).
func routed(target string, set []string, proto Transport) route {
	r := route{uri: target, next: target, proto: proto}
	if len(set) == 0 {
		return r
	}
	first, ok := parseAddress(set[0])
	if !ok {
		return r
	}
	r.next = first.uri
	if u, err := parseURI(first.uri); err == nil {
		if _, loose := uriParam(u, "lr"); loose {
			r.routes = set
			return r
		}
	}
	// A strict router gets its own URI, and the target is the last of the routes.
	r.uri = first.uri
	r.routes = append(slices.Clone(set[1:]), "<"+target+">")
	return r
}
