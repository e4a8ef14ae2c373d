// Package peer is the load: WebRTC clients that send known media through a server
// and measure its output. Thousands of light ones share a socket (Hub);
// full ones are pion/webrtc and check what the light ones say.
package peer

import (
	"context"
	"sync/atomic"
	"time"

	"bifrons/bench/internal/sound"
)

// Negotiation is how a peer and a server come to terms. Either the peer offers
// (Offer) or the server does (Join, Answer).
type Negotiation struct {
	SendOnly bool // the peer that offers wants nothing back
	SendBack bool // the peer that answers sends, too

	Offer  func(ctx context.Context, offer string) (answer string, err error)
	Join   func(ctx context.Context) (offer string, err error)
	Answer func(ctx context.Context, answer string) error
	// Leave ends it; nil = it ends with the signalling.
	Leave func(ctx context.Context) error
	// Layer asks for a simulcast encoding, 0 the lowest; nil = cannot.
	Layer func(ctx context.Context, layer int) error
}

// Signaller makes negotiations with one server.
type Signaller interface {
	// Publish sends into a room, as this publisher.
	Publish(ctx context.Context, room int, id uint32) (*Negotiation, error)
	// Subscribe receives these publishers of a room.
	Subscribe(ctx context.Context, room int, publishers []uint32) (*Negotiation, error)
	Close()
}

// Peer is a connection to the server that is up.
type Peer interface {
	Profile() string // SRTP protection profile
	Close()
}

// Sender is a peer that sends. Its methods are for one goroutine.
type Sender interface {
	// SendFrame sends the next video frame, SendAudio the next audio packet.
	SendFrame()
	SendAudio()
}

// Reporter is a peer that sends its RTCP reports on request.
type Reporter interface{ SendReports() }

// Options are the properties of a peer.
type Options struct {
	ID       uint32 // of its media
	Media    Media
	Profiles []string // SRTP protection profiles it offers, in its order
	// Client makes a peer that offers the DTLS client, which leaves the choice
	// of the SRTP profile to the server. By default it offers both roles.
	Client bool

	// Says is the audio that a light peer repeats instead of the media's audio. Said
	// notes the sent audio, and Hears the received one, where they are not nil.
	Says        []sound.Packet
	Said, Hears *sound.Tape
	// RED offers redundant audio, and sends it where the server likes it best.
	RED bool
	// Late is how late audio packets leave at most, each by a time of its own, and Lost
	// how many of a hundred never do.
	Late time.Duration
	Lost int
}

// Window is the time of a measurement.
type Window struct{ from, to atomic.Int64 }

// Open starts the measurement.
func (w *Window) Open() { w.to.Store(int64(1 << 62)); w.from.Store(int64(clock())) }

// Shut ends it.
func (w *Window) Shut() { w.to.Store(int64(clock())) }

func (w *Window) has(t time.Duration) bool {
	from := w.from.Load()
	return from != 0 && int64(t) >= from && int64(t) < w.to.Load()
}
