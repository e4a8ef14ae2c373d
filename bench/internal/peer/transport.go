package peer

import (
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/twcc"
)

// transportEvery is how often a light peer reports what arrived, as browsers do.
const transportEvery = 50 * time.Millisecond

// transport tells the server when its packets arrived
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
type transport struct {
	rx   twcc.Receiver
	told time.Duration
}

// note takes a packet that arrived. The hub's lock is held.
func (p *Light) note(now time.Duration, kind byte, b []byte) {
	id := p.ice.there.audioExts[extTransportSeq]
	if primary, ok := p.ice.there.repairs[kind]; kind == videoType || ok && primary == videoType {
		id = p.ice.there.videoExts[extTransportSeq]
	}
	var h rtp.Header
	if id == 0 || h.Parse(b) != nil {
		return
	}
	for it := h.Extensions(b); it.Next(); {
		if it.ID != id {
			continue
		}
		if p.transport == nil {
			p.transport = new(transport)
		}
		t := p.transport
		if seq, ok := rtp.TransportSequence(it.Data); ok {
			t.rx.Arrive(mono.Time(now), seq)
		}
		if now-t.told >= transportEvery {
			t.told = now
			plain := t.rx.Append(p.plain[:0], rtcp.Ends{Sender: p.o.ID<<8 | 1, Media: p.o.ID<<8 | 2})
			for it := rtcp.Parse(plain); it.Next(); {
				if sealed, err := p.out.EncryptRTCP(nil, it.Packet.Raw, nil); err == nil {
					p.hub.reply(p, p.server, sealed)
				}
			}
		}
		return
	}
}
