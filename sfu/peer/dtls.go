package peer

import (
	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// DTLS is a running association.
type DTLS interface {
	Deliver(b []byte) dtls.Verdict
	// Rest reports that the remote has proven to have the keys.
	Rest()
	Close()
}

// SendDTLS sends a datagram of the association.
func (p *Peer) SendDTLS(now mono.Time, b []byte) {
	if p.havePath {
		p.count.DTLSOut.add(len(b))
		p.transmit(p.path, b)
		p.agent.Sent(now)
	}
}

func (p *Peer) startDTLS(now mono.Time) {
	switch {
	case p.up || p.dtls != nil || !p.haveRemote || !p.renewal.reached(p.path):
	case p.opt.NoDTLS:
		p.setUp(now)
	default:
		p.times.dtlsStarted = now
		p.loop.Emit(Event{Kind: EventDTLSState, DTLS: DTLSConnecting})
		p.dtls = p.loop.StartDTLS(p.remote.Role, p.remote.Fingerprints)
	}
}

func (p *Peer) handleDTLS(now mono.Time, path ice.Path, b []byte) {
	if !p.accept(now, path) {
		return
	}
	if p.dtls == nil {
		p.loop.Drop(media.DropDTLSEarly)
		return
	}
	p.count.DTLSIn.add(len(b))
	switch p.dtls.Deliver(b) {
	case dtls.QueueFull:
		p.loop.Drop(media.DropDTLSQueueFull)
	case dtls.Refused:
		p.loop.Drop(media.DropDTLSRefused)
	case dtls.Unwanted:
		p.loop.Drop(media.DropDataUnwanted)
	}
}

// DTLSConnected takes the keys of a finished handshake.
func (p *Peer) DTLSConnected(now mono.Time, k srtp.Keys) {
	if p.closed || p.up {
		return
	}
	sealer, err := srtp.NewSender(k.Profile, k.LocalKey, k.LocalSalt)
	if err == nil {
		p.opener, err = srtp.NewReceiver(k.Profile, k.RemoteKey, k.RemoteSalt)
	}
	if err != nil {
		p.Fail(now, CauseHandshake)
		return
	}
	p.sealer, p.trailer, p.profile = sealer, k.Profile.Overhead(), k.Profile
	p.times.dtlsConnected = now
	p.loop.Emit(Event{Kind: EventDTLSState, DTLS: DTLSConnected})
	p.setUp(now)
}

// DTLSClosed takes the end of the association, for a cause other than our Close.
func (p *Peer) DTLSClosed(now mono.Time, c Cause) {
	if c == CauseAlert && p.up && p.renewal.allowed(now) {
		p.renew(now)
		return
	}
	if !p.closed && !p.up {
		p.loop.Emit(Event{Kind: EventDTLSState, DTLS: DTLSFailed})
	}
	p.Fail(now, c)
}

// received notes an authentic packet.
func (p *Peer) received(now mono.Time) {
	p.agent.Received(now, p.pathRun)
	if !p.proven && p.dtls != nil {
		p.proven = true
		p.dtls.Rest()
	}
}
