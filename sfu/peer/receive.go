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
		p.shard.Drop(media.DropRTPMalformed)
		return false
	}
	if !p.up {
		p.shard.Drop(media.DropRTPBeforeKeys)
		return false
	}
	src := p.open(&h, b)
	if src == nil {
		return false
	}
	if p.capture != nil {
		p.capture.Take(media.Captured{At: now, Head: b.Bytes()})
	}
	p.received(now)
	p.count.PacketsIn++
	p.count.BytesIn += uint64(b.N)

	st := src.stream
	pkt := &p.scratch.pkt
	*pkt = route.Packet{Buf: b, Arrival: now, Encoding: uint8(st.encoding), SSRC: st.ssrc}
	transportSeq, hasTransportSeq := p.readExtensions(&h, b.Bytes(), pkt, st)
	if hasTransportSeq && p.twccOut != nil {
		if p.twcc == nil {
			p.twcc = new(twcc.Receiver)
		}
		p.twcc.Arrive(now, transportSeq)
	}
	if !st.section.Receive {
		p.shard.Drop(media.DropDirection)
		return false
	}
	c, rtx := st.section.payload(h.PayloadType)
	if c == nil || rtx != src.rtx {
		p.shard.Drop(media.DropPayloadType)
		return false
	}
	if src.rtx {
		return st.repair(now, &h, pkt, *c)
	}
	st.stats.Receive(now, h.SequenceNumber, h.Timestamp, b.N)
	return st.deliver(now, &h, pkt, *c, media.DropDuplicate)
}

// open decrypts b in place and finds its source, which is bound only after the
// packet proved authentic.
func (p *Peer) open(h *rtp.Header, b *pktbuf.Buf) *source {
	src := p.ssrcs[h.SSRC]
	var fresh srtp.StreamState
	state := &fresh
	if src != nil {
		state = &src.srtp
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
	if src == nil {
		if src = p.identify(h, b.Bytes(), *state); src == nil {
			p.shard.Drop(media.DropSSRCUnknown)
		}
	}
	return src
}

func (p *Peer) dropSealed(err error) {
	switch {
	case errors.Is(err, srtp.ErrReplay):
		p.shard.Drop(media.DropSRTPReplay)
	default:
		p.shard.Drop(media.DropSRTPAuth)
	}
}

// readExtensions takes the header extensions that matter into pkt.
func (p *Peer) readExtensions(h *rtp.Header, b []byte, pkt *route.Packet, st *stream) (transportSeq uint16, has bool) {
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
			st.learnLayers(it.Data)
		}
	}
	return transportSeq, has
}

// repair turns an RTX packet into the one that it repeats.
func (st *stream) repair(now mono.Time, h *rtp.Header, pkt *route.Packet, c media.Codec) (kept bool) {
	p, b := st.section.peer, pkt.Buf
	if payload, err := h.Payload(b.Bytes()); err == nil && len(payload) == 0 {
		p.shard.Drop(media.DropPadding)
		return false
	}
	n, err := rtp.UnwrapRTX(b.Bytes(), h, c.PayloadType, st.ssrc)
	if err != nil || st.packets == 0 {
		p.shard.Drop(media.DropRTXMalformed)
		return false
	}
	b.N = n
	st.stats.ReceiveRTX(now, n)
	return st.deliver(now, h, pkt, c, media.DropRTXDuplicate)
}

// deliver gives a packet of the primary stream to the track; duplicate is the
// reason to count if it had arrived before.
func (st *stream) deliver(now mono.Time, h *rtp.Header, pkt *route.Packet, c media.Codec, duplicate media.Drop) (kept bool) {
	s := st.section
	p := s.peer
	payload, err := h.Payload(pkt.Buf.Bytes())
	if err != nil {
		p.shard.Drop(media.DropRTPMalformed)
		return false
	}
	st.packets++
	st.arrived(now)
	pkt.Seq = st.unwrap.Unwrap(h.SequenceNumber)
	switch st.nack.Receive(now, h.SequenceNumber) {
	case nack.Recovered:
		p.count.Recovered++
	case nack.Duplicate, nack.TooOld:
		p.shard.Drop(duplicate)
		return false
	}
	if s.NACK {
		p.nextNACK = mono.Earliest(p.nextNACK, st.nack.Deadline())
		p.wake(p.nextNACK)
	}
	pkt.Timestamp, pkt.PayloadType, pkt.Marker = h.Timestamp, h.PayloadType, h.Marker
	pkt.Codec = c.Name
	s.codec = c
	pkt.Off, pkt.Len = uint16(h.HeaderLen), uint16(len(payload))
	if len(payload) == 0 {
		p.shard.Drop(media.DropPadding)
		s.track.Skip(now, pkt)
		return false
	}
	if !s.Encrypted && !st.inspector.Inspect(pkt, payload) {
		p.shard.Drop(media.DropPayloadMalformed)
	}
	if pkt.Info.Keyframe && s.Kind == media.Video {
		s.keyframeCame(now, st)
		st.nack.Keyframe(h.SequenceNumber)
	}
	if mean, ok := s.levels.Hear(&pkt.Ext); ok {
		p.shard.Emit(Event{Kind: EventAudioLevel, Section: s.Index, AudioLevel: mean})
	}
	pkt.Resumed, st.begun = !st.begun, true
	if s.track.Push(*pkt) {
		p.shard.Flush(s.track)
	}
	return true
}

// learnLayers reads a video-layers-allocation (it tells the layers of all
// encodings; the highest number of temporal layers counts).
func (st *stream) learnLayers(b []byte) {
	var a rtp.LayersAllocation
	if !a.Parse(b) {
		return
	}
	for i := range a.Layers {
		for j := range a.Layers[i] {
			st.inspector.Temporals = max(st.inspector.Temporals, int8(a.Layers[i][j].Temporal))
		}
	}
}
