// Package videoroom is the plugin of rooms in which participants publish media
// and others subscribe to it. Its files build on those before them, so read
//
//	settings types plugin errors room line publisher_write forward cascade
//	subscriber subscriber_offer feeds record publisher moderation
//	publisher_negotiate remote fields rooms subscriber_request
//	publisher_configure join requests
//
// in this order; plugin alone names things further down, the tables of requests.
package videoroom

import (
	"sync"
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/kit/rooms"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Locking. The registry knows the rooms; room.mu guards everything of a room that
// changes: its settings, its participants and their streams, its subscribers
// and their subscriptions. Never are two rooms locked at a time. Fields that are set before a
// value is shared, and never after, need no lock; they are marked "fixed".
//
// Under room.mu one may send events without descriptions (Host.Push with nil),
// give commands to an sfu.Peer, and use Host.Peer, Host.Up, Host.ClosePeer,
// Host.Run and Host.Notify, and make sfu.Sources and (after PrepareForward)
// sfu.Forwarders: none of them blocks or calls back. Sockets and files are opened,
// and names looked up, without the lock: the work that needs them is checked and reserved
// first, and checked again afterwards. So everybody in
// a room hears of things in the order in which they happened. A description is
// pushed without the lock, from the handle's own executor (Host.Run).

// id is the number or name of a room or a participant. A number is in decimal;
// schema.IDs gives it back as clients know it.
type id = string

// A role is what a handle became by joining. The executor calls all methods,
// except for data (the connection's SCTP goroutine), query and seat (anywhere).
// None is called with a lock held.
type role interface {
	establish() // connected will follow, but the client does not know yet
	connected() // the peer connection is established
	event(e sfu.Event)
	data(label string, binary bool, payload []byte)
	dataReady()
	hangup(reason string)
	detach()
	query(w *json.Writer)
	seat() plugin.Seat
}

// handle is one attached client.
type handle struct {
	kit.Handle
	plugin *Plugin // fixed
	role   atomic.Pointer[role]
}

// become gives a handle its role, once; on the executor.
func (h *handle) become(r role) { h.role.Store(&r) }

// is returns the role.
func (h *handle) is() role {
	if r := h.role.Load(); r != nil {
		return *r
	}
	return nobody{}
}

// room is one room.
type room struct {
	plugin *Plugin // fixed
	id     id      // fixed

	mu sync.Mutex
	settings
	participants map[id]*publisher
	members      []*publisher             // the participants in the order in which they joined
	coming       map[id]struct{}          // ids of participants that are being made
	private      map[uint32]*publisher    // by private id; dummies have none
	subscribers  map[*subscriber]struct{} // all that joined and have not left
}

// publisher is a participant: somebody who joined to be able to publish, or a
// dummy or remote one, which has no handle.
type publisher struct {
	nobody
	room      *room   // fixed
	h         *handle // fixed; nil for dummies and remote ones
	id        id      // fixed
	privateID uint32  // fixed
	dummy     bool    // fixed
	// source is the source of the media of a publisher on another server; fixed once it is in the
	// room, else nil.
	source  *sfu.Source
	remotes []*remotization // where he is published besides

	forwarders forward.Set[forwarded]

	recordings recording.Wanted // by mindex; the Base is that of a connection

	display  string // "" = none
	metadata []byte // compact JSON object, nil = none
	changes  changes
	gone     bool // left, kicked, detached, or the room was destroyed; or not there yet
	lost     bool // the media of a remote one has failed
	kicked   bool

	// The fields below last as long as a peer connection.

	open      bool // one can subscribe: the peer connection is established
	up        bool // publishing: the client knows it
	e2ee      bool
	streams   []*stream // in order of mindex
	firstData *stream   // nil if there is none
	closing   bool      // the connection is on the way to its end
	answering bool      // an offer was taken, but the connection does not have the answer yet

	bitrate         uint64              // bit/s, 0 = no cap
	levels          kit.Talking         // instead of the room's
	wanted          map[sdp.Kind]string // codecs
	talking         bool
	toldUnpublished bool
	descriptions    map[string]string // by mid, for streams to come
	token           string
}

// remotization is a publisher's presence on another server: all of his streams
// go to one port there. It lasts as long as he is in the room, whatever he
// publishes.
type remotization struct {
	id string
	forward.Destination
}

// forwarded describes the input of a forwarder, and its other server, nil if none.
type forwarded struct {
	stream *stream
	remote *remotization
}

// stream is one m-line of a publisher's. The publisher's connection has it as
// section mindex.
type stream struct {
	publisher *publisher // fixed
	mindex    int        // fixed
	mid       string     // fixed
	kind      sdp.Kind   // fixed

	description string
	disabled    bool // removed, inactive or rejected
	paused      bool // by the publisher (send: false)
	moderated   bool // muted by the administrator of the room

	mline.Format
	audioLevelExt, orientationExt, delayExt uint8 // ids with the publisher, 0 = not agreed on
	delay                                   mline.Delay
	level                                   float64
	talking                                 bool

	lines map[*line]struct{} // that carry it; the subscriber side's to change

	remoteMID  string // fixed; how the other server calls it
	remoteSSRC uint32 // of its lowest encoding
}

// flows reports whether packets of the stream go to subscribers at all. room.mu
// is held.
func (s *stream) flows() bool {
	return !s.disabled && !s.paused && !s.moderated && !s.publisher.kicked
}

// peer is the connection that a publisher's media comes from, nil if there is
// none. room.mu may be held.
func (p *publisher) peer() *sfu.Peer {
	if p.h == nil {
		return nil
	}
	return p.h.Host.Peer()
}

// origin is where a publisher's media comes from, nil if it does not. room.mu
// may be held.
func (p *publisher) origin() sfu.Origin {
	if p.source != nil {
		return p.source
	}
	if peer := p.peer(); peer != nil {
		return peer
	}
	return nil
}

// publishing reports whether others know that a participant publishes. room.mu is
// held.
func (p *publisher) publishing() bool { return p.dummy || p.up }

// available reports whether one can subscribe to a participant. room.mu is held.
func (p *publisher) available() bool { return p.open || p.publishing() }

// stream finds a stream by its mid, nil if there is none. room.mu is held.
func (p *publisher) stream(mid string) *stream {
	return kit.Find(p.streams, func(s *stream) bool { return s.mid == mid })
}

// first is the first stream of a kind that is in use, nil if there is none.
// room.mu is held.
func (p *publisher) first(k sdp.Kind) *stream {
	return kit.Find(p.streams, func(s *stream) bool { return s.kind == k && !s.disabled })
}

// requestKeyframe asks the publisher for a key frame. room.mu is held.
func (s *stream) requestKeyframe() {
	if s.kind != sdp.Video || s.disabled {
		return
	}
	if from := s.publisher.origin(); from != nil {
		from.RequestKeyframe(s.mindex)
	}
}

// Plugin is the VideoRoom plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general    // fixed
	ids     schema.IDs // fixed
	rooms   rooms.Desk[*room]
}

// nobody is the role before joining; roles embed it for the methods that do not concern them.
type nobody struct{}

func (nobody) establish()                {}
func (nobody) connected()                {}
func (nobody) event(sfu.Event)           {}
func (nobody) data(string, bool, []byte) {}
func (nobody) dataReady()                {}
func (nobody) hangup(string)             {}
func (nobody) detach()                   {}
func (nobody) query(*json.Writer)        {}
func (nobody) seat() plugin.Seat         { return plugin.Seat{} }

// subscriber is the role of a handle that receives the media that publishers of a room
// send, all of it on one peer connection.
//
// The server makes the offers. One is outstanding at a time: changes
// before its answer has come go into the next one.
type subscriber struct {
	nobody
	room       *room      // fixed
	h          *handle    // fixed
	owner      *publisher // fixed; whose private id the client gave, nil if none
	privateID  uint32     // fixed
	useMSID    bool       // fixed
	autoupdate bool       // fixed
	answers    bool       // fixed; the client offers, and is never offered anything
	follows    bool       // fixed; the client watches whoever publishes
	e2ee       bool       // fixed; all feeds are encrypted end to end, or none

	lines      []*line // m-lines in their order, which stay for ever
	answered   bool    // no offer is outstanding
	pending    bool    // an offer is due as soon as there may be one
	restart    bool    // that offer restarts ICE
	estimation mline.Estimation
	stale      bool // the last offer is out of date
	paused     bool // by the client, and until its first start
	live       bool // the peer connection is established
	writable   bool // data channels are
	over       bool // left, or the peer connection is gone: of no use any more
}

// line is one m-line of a subscriber's. It carries one stream of a publisher's,
// or none; the one for data carries any number. room.mu guards it.
type line struct {
	sub   *subscriber // fixed
	index int         // fixed
	mid   string      // fixed
	kind  sdp.Kind    // fixed

	codec    string // sdp.Codec.ID of the stream, or of the last one
	profile  string // of VP9 or H.264, likewise
	crossref string
	sources  []*stream
	offered  bool // the last offer has it as active
	ready    bool // the client has accepted it
	send     bool

	layers mline.Layers
	delay  mline.Delay // none = the stream's
	out    mline.Output
}

// changes are the changes that the others do not know yet.
type changes struct {
	name, metadata, streams bool
	pace                    task.Pacer
}

// item is one element of a list of streams in a request, as far as it is
// given.
type item struct {
	feed          id
	hasFeed       bool
	mid, subMID   string
	hasMID        bool
	crossref      string
	hasSend, send bool
	keyframe      bool
	change        mline.Change
}

// general are the settings of the plugin as a whole.
type general struct {
	adminKey       string // "" = everybody may create rooms
	lockForwarding bool   // forwarding needs the admin key, too
	forward        forward.Policy
}
