package gateway

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// Forwarder sends a stream of a leg on.
type Forwarder = forward.Forwarder[Stream]

// ForwardFields and StopForwardFields are those of requests about forwarders.
var (
	ForwardFields     = []schema.Field{{Name: "streams", Type: schema.Array, Required: true}}
	StopForwardFields = []schema.Field{{Name: "stream_id", Type: schema.Uint, Required: true}}
)

var streamFields = slices.Concat(
	[]schema.Field{
		{Name: "type", Type: schema.String, Required: true},
		{Name: "host", Type: schema.String, Required: true},
		{Name: "port", Type: schema.Uint, Required: true},
	},
	schema.Typed(schema.String, "host_family", "srtp_crypto"), schema.Typed(schema.Uint, "ssrc", "pt", "srtp_suite"),
)

var forwardNames = forward.Names{
	Host: "host", Family: "host_family", Suite: "srtp_suite", Crypto: "srtp_crypto", Port: "port", SSRC: "ssrc", PayloadType: "pt",
}

// Forward forwards the streams of a request; those that do not exist yet as soon as they do. It looks names up. If it
// fails, nothing is sent on.
func (l *Leg) Forward(rules *forward.Rules, body kit.Args) ([]*Forwarder, *schema.Error) {
	items := body.Items("streams")
	if len(items) == 0 {
		return nil, kit.Errorf(rules.Missing, "Missing mandatory element (streams)")
	}
	if err := rules.Limit(len(items)); err != nil {
		return nil, err
	}
	of := make([]Stream, len(items))
	to := make([]*forward.Destination, len(items))
	for i, item := range items {
		if err := rules.CheckItem(streamFields, item, "streams"); err != nil {
			return nil, err
		}
		x := slices.Index(streamNames[:], item.Str("type"))
		if x < 0 {
			return nil, kit.Errorf(rules.Invalid, "Invalid element (type can only be audio, video, peer_audio or peer_video)")
		}
		of[i], to[i] = Stream(x), new(forward.Destination)
		if err := rules.Read(kit.FromRequest(item), forwardNames, to[i]); err != nil {
			return nil, err
		}
		if to[i].Port == 0 {
			return nil, kit.Errorf(rules.Invalid, "Invalid element (port)")
		}
	}
	if err := rules.Resolve(l.host.SessionID(), to...); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := rules.Limit(l.forwarders.Len() + len(items)); err != nil {
		return nil, err
	}
	var list []*Forwarder
	for i := range of {
		f, err := l.forwarders.Start(l.cfg.Engine(), l.forwarded(of[i]), *to[i], of[i], &l.mu, func(*Forwarder) {})
		if err != nil {
			for _, f := range list {
				l.forwarders.StopOne(f)
			}
			return nil, kit.Errorf(rules.Failed, "%v", err)
		}
		list = append(list, f)
	}
	return list, nil
}

// forwarded is where a stream comes from. mu is held.
func (l *Leg) forwarded(x Stream) (t forward.Track) {
	t.Origin, t.Section = l.origin(x)
	return t
}

// origin is where a stream comes from, nil if it is not there yet. mu is held.
func (l *Leg) origin(x Stream) (o sfu.Origin, track int) {
	f, m := l.flows[x.kind()], l.media[x.kind()]
	switch {
	case f == nil || l.peer == nil:
		return nil, 0
	case x.ofPeer():
		return m.session, 0
	}
	return l.peer, f.section
}

// beginForwards has those forwarders send whose streams are there now. mu is held.
func (l *Leg) beginForwards() {
	for _, f := range l.forwarders.All(func(x Stream) bool { o, _ := l.origin(x); return o != nil }) {
		if err := l.forwarders.Begin(l.cfg.Engine(), f, l.forwarded(f.Of), &l.mu, func(*Forwarder) {}); err != nil {
			l.cfg.Log().Warn("nothing is forwarded", "session", l.host.SessionID(), "handle", l.host.HandleID(), "to", f.Addr(), "error", err)
		}
	}
}

// StopForward ends a forwarder; false if there is none with that id.
func (l *Leg) StopForward(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.forwarders.Find(uint32(id))
	if f == nil || int64(f.ID) != id {
		return false
	}
	l.forwarders.StopOne(f)
	return true
}

// Forwarders returns all forwarders.
func (l *Leg) Forwarders() []*Forwarder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forwarders.All(func(Stream) bool { return true })
}

// WriteForwarders writes forwarders as an array.
func WriteForwarders(w *json.Writer, name string, list []*Forwarder) {
	json.Objects(w, name, list, func(f *Forwarder) { WriteForwarder(w, f) })
}

// WriteForwarder writes a forwarder into an open object.
func WriteForwarder(w *json.Writer, f *Forwarder) {
	w.Uint("stream_id", uint64(f.ID))
	w.Str("type", streamNames[f.Of])
	w.Str("host", f.Host.Addr.String())
	w.Int("port", int64(f.Port))
	w.Str("media", f.Of.kind().String())
	w.OptUint("pt", uint64(f.PayloadType))
	w.OptUint("ssrc", uint64(f.SSRC))
	w.OptTrue("srtp", f.SRTP != nil)
}
