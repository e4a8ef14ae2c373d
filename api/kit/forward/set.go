package forward

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"

	"bifrons/api/json"
	"bifrons/sfu"
)

// Forwarder sends one stream to one destination. The lock of its Set guards it.
type Forwarder[O any] struct {
	Destination // fixed
	ID          uint32
	Of          O // the plugin's key for it

	ssrc  uint32         // that it sends with, 0 = the origin's
	media *sfu.Forwarder // nil while there is nothing to send
}

// Set are the forwarders of one thing of a plugin's, such as a publisher or a call, in
// the order in which they began. A lock of the plugin's guards it. The zero Set is
// empty.
type Set[O any] struct{ list []*Forwarder[O] }

// Track is the forwarded track.
type Track struct {
	Origin    sfu.Origin // nil = there is none yet, see Begin
	Section   int        // negative = none, only the messages of Message
	Simulcast bool       // without it Destination.Best means nothing
	ID        uint32     // that the forwarder is to have if it is free, 0 = a random one
	OwnSSRC   bool       // it gets the id of the forwarder, unless the destination names one
	Paused    bool
}

// Start begins to send. lock guards the set and is held; after Resolve nothing is
// waited for. A forwarder that ends by itself is taken out of the set, and failed is
// called with the lock held.
func (s *Set[O]) Start(e *sfu.Engine, x Track, d Destination, of O, lock sync.Locker, failed func(f *Forwarder[O])) (*Forwarder[O], error) {
	f := &Forwarder[O]{Destination: d, ID: s.freeID(x.ID), Of: of, ssrc: d.SSRC}
	if f.ssrc == 0 && (x.OwnSSRC || d.Best && x.Simulcast) {
		f.ssrc = f.ID
	}
	if x.Origin != nil {
		if err := s.Begin(e, f, x, lock, failed); err != nil {
			return nil, err
		}
	}
	s.list = append(s.list, f)
	return f, nil
}

// Begin has a forwarder send that was started without an origin. It does nothing if it sends already.
func (s *Set[O]) Begin(e *sfu.Engine, f *Forwarder[O], x Track, lock sync.Locker, failed func(f *Forwarder[O])) (err error) {
	if f.media != nil {
		return nil
	}
	c := sfu.Forward{
		To: f.to(), PayloadType: f.PayloadType, SSRC: f.ssrc, Encoding: f.Encoding, SRTP: f.SRTP,
		Failed: func() { s.lost(f, lock, failed) },
	}
	if f.RTCPPort != 0 {
		c.RTCP = f.rtcp()
	}
	if f.Best && x.Simulcast {
		c.Encoding = -1
	}
	if f.media, err = e.Forward(x.Origin, x.Section, c); err != nil {
		return err
	}
	f.media.SetPaused(x.Paused)
	return nil
}

// lost takes out a forwarder that has ended by itself. It takes the lock.
func (s *Set[O]) lost(f *Forwarder[O], lock sync.Locker, failed func(f *Forwarder[O])) {
	lock.Lock()
	defer lock.Unlock()
	if i := slices.Index(s.list, f); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
		failed(f)
	}
}

func (s *Set[O]) freeID(id uint32) uint32 {
	for id == 0 || s.Find(id) != nil {
		id = rand.Uint32()
	}
	return id
}

// Len is how many there are.
func (s *Set[O]) Len() int { return len(s.list) }

// Find finds one by its id, nil if there is none.
func (s *Set[O]) Find(id uint32) *Forwarder[O] {
	for _, f := range s.list {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// All returns the matching forwarders. Others may start and stop meanwhile.
func (s *Set[O]) All(match func(of O) bool) (list []*Forwarder[O]) {
	for _, f := range s.list {
		if match(f.Of) {
			list = append(list, f)
		}
	}
	return list
}

// Stop ends the matching forwarders.
func (s *Set[O]) Stop(match func(of O) bool) {
	s.list = slices.DeleteFunc(s.list, func(f *Forwarder[O]) bool {
		if !match(f.Of) {
			return false
		}
		f.close()
		return true
	})
}

// StopOne ends one of them.
func (s *Set[O]) StopOne(f *Forwarder[O]) {
	if i := slices.Index(s.list, f); i >= 0 {
		f.close()
		s.list = slices.Delete(s.list, i, i+1)
	}
}

// StopAll ends all of them.
func (s *Set[O]) StopAll() { s.Stop(func(O) bool { return true }) }

func (f *Forwarder[O]) close() {
	if f.media != nil {
		f.media.Close()
	}
}

// SetPaused stops or resumes the sending. It has begun, here and below.
func (f *Forwarder[O]) SetPaused(paused bool) { f.media.SetPaused(paused) }

// Message sends a message of a data channel, which is copied.
func (f *Forwarder[O]) Message(binary bool, payload []byte) { f.media.Message(binary, payload) }

// Addr is where it sends to.
func (f *Forwarder[O]) Addr() netip.AddrPort { return f.to() }

// Form has the differences between plugins in how they show a forwarder.
type Form struct {
	Host, PayloadType string // names of fields, "" = "host" and "pt"
	SSRC              bool   // an SSRC is shown even if no request named it
	Brief             bool   // only where it sends to, as of data channels

	Own func(w *json.Writer) // the plugin's own fields, behind the port; nil = none
}

// Write writes the forwarder into an open object.
func (f *Forwarder[O]) Write(w *json.Writer, x Form) {
	w.Uint("stream_id", uint64(f.ID))
	w.Str(or(x.Host, "host"), f.Host.Addr.String())
	w.Int("port", int64(f.Port))
	if x.Own != nil {
		x.Own(w)
	}
	if x.Brief {
		return
	}
	w.OptUint("local_rtcp_port", uint64(f.media.RTCPPort()))
	w.OptUint("remote_rtcp_port", uint64(f.RTCPPort))
	w.OptUint(or(x.PayloadType, "pt"), uint64(f.PayloadType))
	ssrc := f.SSRC
	if x.SSRC {
		ssrc = f.ssrc
	}
	w.OptUint("ssrc", uint64(ssrc))
	w.OptUint("substream", uint64(f.Encoding))
	w.OptTrue("srtp", f.SRTP != nil)
}

func or(name, usual string) string {
	if name == "" {
		return usual
	}
	return name
}
