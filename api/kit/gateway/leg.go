package gateway

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Leg is the plain side of one call at a time. Its methods are for the handle's executor, unless they
// say otherwise.
type Leg struct {
	cfg     *Config     // fixed
	host    plugin.Host // fixed
	handler Handler     // fixed

	// mu guards the fields below for readers on other goroutines. It is changed by the
	// executor, under mu, but for forwarders that end by themselves.
	mu        sync.Mutex
	id        uint64 // of our descriptions
	version   uint64
	media     [numKinds]*medium
	offer     *offer           // that is not answered
	answered  *offer           // our latest one that is
	plain     *sdp.Description // of ours, as the far end has it; nil = it has none
	flows     [numKinds]*flow  // as agreed, nil = none
	wants     [numKinds]want   // of the client
	hold      sdp.Direction    // left by a hold, sendrecv = there is none
	running   bool             // a first answer was given or taken
	described bool             // there is a description of either side
	secrecy   SRTP             // as it was asked for last
	theirs    bool             // the far end has SRTP
	peer      *sfu.Peer        // that media goes to and comes from, nil = none yet
	since     time.Time        // media was connected
	review    *time.Timer      // nil = none
	lifeline  *time.Timer      // waits for Settings.Timeout, nil = nobody does
	told      map[string]bool  // texts that were logged

	recordings recording.Set
	wish       wish
	owner      recording.Owner // of recordings
	forwarders forward.Set[Stream]
}

// medium is the plain side of one kind of media. It keeps its port and its key as long as there is a call.
type medium struct {
	session *sfu.RTPSession
	key     *key          // that it is sent with, nil = in the clear so far
	remote  sfu.RTPRemote // as the engine has it
	from    *sfu.Peer     // whose section is sent, as the engine has it
	section int
	out     mline.Output // to the client
}

// flow is the agreed state of one kind of media.
type flow struct {
	section       int         // of the client's connection
	codecs        []sdp.Codec // as the far end has them
	ext           media.ExtensionIDs
	send, receive bool // to and from the far end
	to            target
	sendKey       *key
	receiveKey    *key
	pli           bool
}

// NewLeg makes a Leg.
func NewLeg(cfg *Config, host plugin.Host, h Handler) *Leg {
	return &Leg{cfg: cfg, host: host, handler: h, hold: sdp.SendRecv}
}

// newMedia are media that get ports for a description that may still fail.
type newMedia [numKinds]*medium

func (f newMedia) close() {
	for _, m := range f {
		if m != nil {
			m.session.Close()
		}
	}
}

// open opens the ports that sections need and have not.
func (l *Leg) open(at sections) (fresh newMedia, _ *schema.Error) {
	for kind, i := range at {
		if i < 0 || l.media[kind] != nil {
			continue
		}
		s, err := l.newSession(sdp.Kind(kind))
		if err != nil {
			fresh.close()
			l.cfg.Log().Warn("no ports for plain RTP", "session", l.host.SessionID(), "handle", l.host.HandleID(), "error", err)
			return newMedia{}, kit.Errorf(l.cfg.IO, "Could not allocate RTP/RTCP ports")
		}
		fresh[kind] = &medium{session: s}
	}
	return fresh, nil
}

func (l *Leg) newSession(kind sdp.Kind) (*sfu.RTPSession, error) {
	c := sfu.RTPSessionConfig{
		Label: fmt.Sprint(l.host.HandleID()), Kind: media.Kind(kind), DSCP: l.cfg.DSCP[kind], Keyframes: l.handler.Keyframe != nil,
		Bind: sfu.Bind{Addr: l.cfg.Addr, PortMin: l.cfg.Ports.Min, PortMax: l.cfg.Ports.Max},
	}
	if peer := l.host.Peer(); peer != nil {
		c.Shard = peer.Shard()
	}
	return l.cfg.Engine().NewRTPSession(c, &listener{l, kind})
}

// forgetKeys makes the next keys new ones. mu is held.
func (l *Leg) forgetKeys() {
	for _, m := range l.media {
		if m != nil {
			m.key = nil
		}
	}
}

// Connect has media flow as agreed between the far end and the client's connection, if there is one by now.
func (l *Leg) Connect() {
	peer := l.host.Peer()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running || peer == nil {
		return
	}
	l.peer = peer
	for kind, m := range l.media {
		if m != nil {
			l.connect(m, l.flows[kind])
		}
	}
	l.beginForwards()
	l.followRecordings()
	l.watch()
}

// connect has media of one kind flow. f is nil if there is to be none. mu is held.
func (l *Leg) connect(m *medium, f *flow) {
	layers := mline.NewLayers()
	if f == nil {
		m.session.SetDirection(false, false)
		m.out.Sync(l.peer, mline.Input{}, false, &layers, mline.NoDelay)
		return
	}
	remote := sfu.RTPRemote{
		RTP: f.to.rtp, RTCP: f.to.rtcp, Codecs: engineCodecs(f.codecs), Ext: f.ext, Receive: f.receiveKey.srtp(), Send: f.sendKey.srtp(), PLI: f.pli,
	}
	if l.cfg.Symmetric && f.to.rtp.IsValid() {
		remote.Latch, remote.LatchNet = true, neighbours(f.to.rtp.Addr())
	}
	if !reflect.DeepEqual(remote, m.remote) {
		if err := m.session.SetRemote(remote); err != nil {
			l.cfg.Log().Error("the far end of a call cannot be set", "session", l.host.SessionID(), "handle", l.host.HandleID(), "error", err)
		}
		m.remote = remote
	}
	m.session.SetDirection(f.send, f.receive)
	if m.from != l.peer || m.section != f.section {
		m.from, m.section = l.peer, f.section
		m.session.Send(l.peer, f.section)
	}
	if m.out.Section != f.section {
		m.out.Sync(l.peer, mline.Input{}, false, &layers, mline.NoDelay)
		m.out.Section = f.section
	}
	m.out.Sync(l.peer, mline.Input{Origin: m.session}, false, &layers, mline.NoDelay)
}

// Close ends the call: ports come back, recordings and forwarders end. Another one may begin.
func (l *Leg) Close() {
	l.recordings.StopAll(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	stop(l.review)
	stop(l.lifeline)
	l.forwarders.StopAll()
	for _, m := range l.media {
		if m != nil {
			m.session.Close()
		}
	}
	l.media, l.flows = [numKinds]*medium{}, [numKinds]*flow{}
	l.offer, l.answered, l.plain, l.peer, l.told = nil, nil, nil, nil, nil
	l.review, l.lifeline = nil, nil
	l.running, l.described, l.theirs, l.secrecy, l.wish = false, false, false, SRTP{}, wish{}
	l.id, l.version, l.hold, l.wants = 0, 0, sdp.SendRecv, [numKinds]want{}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// RequestKeyframes asks the client, the far end or both for a key frame.
func (l *Leg) RequestKeyframes(client, far bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flows[sdp.Video]
	if f == nil || l.peer == nil {
		return
	}
	if client {
		l.peer.RequestKeyframe(f.section)
	}
	if far {
		l.media[sdp.Video].session.RequestKeyframe(0)
	}
}

// Running reports whether something was agreed on.
func (l *Leg) Running() bool { return l.running }
