package peer

import (
	"errors"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/nack"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/twcc"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// handleRTP takes one RTP packet; it reports whether it kept the buffer.
func (p *Peer) handleRTP(now mono.Time, b *pktbuf.Buf) (kept bool) {
	var h rtp.Header
	if h.Parse(b.Bytes()) != nil {
		p.loop.Drop(media.DropRTPMalformed)
		return false
	}
	if !p.up {
		p.loop.Drop(media.DropRTPBeforeKeys)
		return false
	}
	st := p.open(&h, b)
	if st == nil {
		return false
	}
	if p.capture != nil {
		p.capture.Take(media.Captured{At: now, Head: b.Bytes()})
	}
	p.received(now)
	p.count.PacketsIn++
	p.count.BytesIn += uint64(b.N)

	rx := st.receiver
	pkt := &p.scratch.pkt
	*pkt = route.Packet{Buf: b, Arrival: now, Encoding: uint8(rx.encoding), SSRC: rx.ssrc}
	transportSeq, hasTransportSeq := p.readExtensions(&h, b.Bytes(), pkt, rx)
	if hasTransportSeq && p.twccOut != nil {
		if p.twcc == nil {
			p.twcc = new(twcc.Receiver)
		}
		p.twcc.Arrive(now, transportSeq)
	}
	if !rx.section.Receive {
		p.loop.Drop(media.DropDirection)
		return false
	}
	c, rtx := rx.section.payload(h.PayloadType)
	if c == nil || rtx != st.rtx {
		p.loop.Drop(media.DropPayloadType)
		return false
	}
	if st.rtx {
		return rx.repair(now, &h, pkt, *c)
	}
	rx.stats.Receive(now, h.SequenceNumber, h.Timestamp, b.N)
	return rx.deliver(now, &h, pkt, *c, media.DropDuplicate)
}

// open decrypts b in place and finds its stream, which is bound only after the
// packet proved authentic.
func (p *Peer) open(h *rtp.Header, b *pktbuf.Buf) *stream {
	st := p.streams[h.SSRC]
	var fresh srtp.StreamState
	state := &fresh
	if st != nil {
		state = &st.srtp
	} else if known := p.counters[h.SSRC]; known != nil {
		state = &known.srtp
	}
	if p.opener != nil {
		n, err := p.opener.OpenRTP(state, b.Bytes(), h.HeaderLen)
		if err != nil {
			p.dropSealed(err)
			return nil
		}
		b.N = n
	}
	if st == nil {
		if st = p.identify(h, b.Bytes(), *state); st == nil {
			p.loop.Drop(media.DropSSRCUnknown)
		}
	}
	return st
}

func (p *Peer) dropSealed(err error) {
	switch {
	case errors.Is(err, srtp.ErrReplay):
		p.loop.Drop(media.DropSRTPReplay)
	default:
		p.loop.Drop(media.DropSRTPAuth)
	}
}

// readExtensions takes the header extensions that matter into pkt.
func (p *Peer) readExtensions(h *rtp.Header, b []byte, pkt *route.Packet, rx *receiver) (transportSeq uint16, has bool) {
	for it := h.Extensions(b); it.Next(); {
		switch p.extKinds[it.ID] {
		case extTransportSequence:
			transportSeq, has = rtp.TransportSequence(it.Data)
		case extAudioLevel:
			pkt.Ext.SetAudioLevel(it.Data)
		case extOrientation:
			pkt.Ext.SetOrientation(it.Data)
		case extPlayoutDelay:
			pkt.Ext.SetPlayoutDelay(it.Data)
		case extDescriptor:
			pkt.Ext.Descriptor = it.Data
		case extCaptureTime:
			pkt.Ext.Capture = it.Data
		case extVideoLayers:
			rx.learnLayers(it.Data)
		}
	}
	return transportSeq, has
}

// repair turns an RTX packet into the one that it repeats.
func (rx *receiver) repair(now mono.Time, h *rtp.Header, pkt *route.Packet, c media.Codec) (kept bool) {
	p, b := rx.section.peer, pkt.Buf
	if payload, err := h.Payload(b.Bytes()); err == nil && len(payload) == 0 {
		p.loop.Drop(media.DropPadding)
		return false
	}
	n, err := rtp.UnwrapRTX(b.Bytes(), h, c.PayloadType, rx.ssrc)
	if err != nil || rx.packets == 0 {
		p.loop.Drop(media.DropRTXMalformed)
		return false
	}
	b.N = n
	rx.stats.ReceiveRTX(now, n)
	return rx.deliver(now, h, pkt, c, media.DropRTXDuplicate)
}

// deliver gives a packet, as it was first sent, to the track; duplicate is the
// reason to count if it had arrived before.
func (rx *receiver) deliver(now mono.Time, h *rtp.Header, pkt *route.Packet, c media.Codec, duplicate media.Drop) (kept bool) {
	s := rx.section
	p := s.peer
	payload, err := h.Payload(pkt.Buf.Bytes())
	if err != nil {
		p.loop.Drop(media.DropRTPMalformed)
		return false
	}
	rx.packets++
	rx.arrived(now)
	pkt.Seq = rx.unwrap.Unwrap(h.SequenceNumber)
	switch rx.nack.Receive(now, h.SequenceNumber) {
	case nack.Recovered:
		p.count.Recovered++
	case nack.Duplicate, nack.TooOld:
		p.loop.Drop(duplicate)
		return false
	}
	if s.NACK {
		p.nextNACK = mono.Earliest(p.nextNACK, rx.nack.Deadline())
		p.wake(p.nextNACK)
	}
	pkt.Timestamp, pkt.PayloadType, pkt.Marker = h.Timestamp, h.PayloadType, h.Marker
	pkt.Codec = c.Name
	s.codec = c
	pkt.Off, pkt.Len = uint16(h.HeaderLen), uint16(len(payload))
	if len(payload) == 0 {
		p.loop.Drop(media.DropPadding)
		s.track.Skip(now, pkt)
		return false
	}
	if !s.Encrypted && !rx.inspector.Inspect(pkt, payload) {
		p.loop.Drop(media.DropPayloadMalformed)
	}
	if pkt.Info.Keyframe && s.Kind == media.Video {
		s.keyframeCame(now, rx)
		rx.nack.Keyframe(h.SequenceNumber)
	}
	if mean, ok := s.levels.Hear(&pkt.Ext); ok {
		p.loop.Emit(Event{Kind: EventAudioLevel, Section: s.Index, AudioLevel: mean})
	}
	if reorders(c.Name) && rx.reorder.note(pkt.Seq, pkt.Timestamp) {
		p.loop.Emit(Event{Kind: EventReordered, Section: s.Index})
	}
	pkt.Resumed, rx.begun = !rx.begun, true
	if s.track.Push(*pkt) {
		p.loop.Flush(s.track)
	}
	return true
}

// learnLayers reads a video-layers-allocation (it has the layers of all
// encodings; the highest number of temporal layers counts).
func (rx *receiver) learnLayers(b []byte) {
	var a rtp.LayersAllocation
	if !a.Parse(b) {
		return
	}
	for i := range a.Layers {
		for j := range a.Layers[i] {
			rx.inspector.Temporals = max(rx.inspector.Temporals, int8(a.Layers[i][j].Temporal))
		}
	}
}
