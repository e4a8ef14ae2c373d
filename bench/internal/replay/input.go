package replay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// Input is the media of the sender of a capture.
type Input struct {
	Streams []*Stream // in order of appearance
	Length  time.Duration
	Ignored map[string]int // datagrams that are not played, by reason

	events   []event
	sections []media.Section
}

// layered reports whether a section has layers to choose from. Temporal layers of
// a single stream are not among those.
func (in *Input) layered(section int) bool {
	return in.sections[section].Simulcast || in.sections[section].SVC
}

// Stream is one SSRC of the sender, without its retransmissions.
type Stream struct {
	Section, Encoding int
	SSRC              uint32
	Packets           []*Packet // in order of sequence numbers; repeated ones once
	Duplicates        int       // captured twice, or besides their retransmission
	Late              int       // captured after a higher number
	Repaired          int       // only captured as retransmissions
	Missing           int       // numbers between that were not captured
	audio             bool
	begun             bool // a packet of its own came to the engine
	unwrap            order
	byNumber          map[int64]*Packet
	dd                codec.DDState
}

// Packet is one RTP packet of a stream.
type Packet struct {
	At        time.Duration
	Number    int64 // extended sequence number
	View      View
	stream    *Stream // nil if only its retransmission was captured
	arrived   bool    // at the engine
	arrivedAt time.Duration
}

// View is a packet as a receiver reads it.
type View struct {
	Timestamp   uint32
	Marker      bool
	PayloadType uint8
	Codec       media.CodecName
	Payload     []byte // without padding; empty for padding only
	Info        codec.Info
	VP8         codec.VP8
	VP9         codec.VP9
	HasDD       bool
	DD          codec.DD // dependency descriptor
}

// event is a datagram on its way to the engine.
type event struct {
	at   time.Duration
	data []byte // not encrypted
	rtcp bool
	pkt  *Packet // that it brings, nil for RTCP and packets that are not followed
	of   *Stream // whose RTX it is, nil if it is none
}

// order extends sequence numbers from the first one on, which keeps its value.
type order struct {
	highest int64
	any     bool
}

func (o *order) extend(seq uint16) int64 {
	if !o.any {
		o.highest, o.any = int64(seq), true
	}
	n := o.highest + int64(int16(seq-uint16(o.highest)))
	o.highest = max(o.highest, n)
	return n
}

// near extends a sequence number without taking note of it.
func (o *order) near(seq uint16) int64 {
	if !o.any {
		return int64(seq)
	}
	return o.highest + int64(int16(seq-uint16(o.highest)))
}

// maxJump is how far a sequence number may be from the one before.
const maxJump = 1 << 14

// Prepare finds the sender's streams in a capture.
func (d *Description) Prepare(list []Datagram) (*Input, error) {
	in := &Input{Ignored: map[string]int{}}
	for i := range d.Sections {
		in.sections = append(in.sections, d.Sections[i].section(i))
	}
	c := classifier{in: in, ssrcs: map[uint32]*Stream{}, rtx: map[uint32]*Stream{}}
	if d.SRTP != nil {
		p, key, salt, err := d.SRTP.keys()
		if err != nil {
			return nil, err
		}
		if c.opener, err = srtp.NewReceiver(p, key, salt); err != nil {
			return nil, err
		}
		c.states = map[uint32]*srtp.StreamState{}
	}
	if d.From != "" {
		from, err := netip.ParseAddrPort(d.From)
		if err != nil {
			return nil, fmt.Errorf("from: %w", err)
		}
		c.from, c.strict = from, true
	}
	first := time.Duration(-1)
	for _, g := range list {
		if first < 0 && c.mine(&g) {
			first = g.At
		}
		c.take(&g, g.At-max(first, 0))
	}
	if len(in.Streams) == 0 {
		return nil, errors.New("nothing in the capture belongs to a section of the description")
	}
	for _, s := range in.Streams {
		s.finish()
	}
	in.Length = in.events[len(in.events)-1].at
	return in, nil
}

// classifier sorts datagrams to streams.
type classifier struct {
	in     *Input
	from   netip.AddrPort
	strict bool // from was given
	ssrcs  map[uint32]*Stream
	rtx    map[uint32]*Stream
	opener *srtp.Receiver
	states map[uint32]*srtp.StreamState
}

// mine reports whether a datagram is of the sender: whoever is the first to send a
// payload type that is known, if nobody was named. RTCP may have another port.
func (c *classifier) mine(g *Datagram) bool {
	class := rtp.Classify(g.Data)
	if class != rtp.ClassRTP && class != rtp.ClassRTCP {
		return false
	}
	if !c.from.IsValid() {
		var h rtp.Header
		if class != rtp.ClassRTP || h.Parse(g.Data) != nil || len(c.sectionsOf(h.PayloadType)) == 0 {
			return false
		}
		c.from = g.From
	}
	if g.From == c.from {
		return true
	}
	return !c.strict && class == rtp.ClassRTCP && g.From.Addr() == c.from.Addr()
}

func (c *classifier) take(g *Datagram, at time.Duration) {
	ignore := func(reason string) { c.in.Ignored[reason]++ }
	if !c.mine(g) {
		ignore("not of the sender")
		return
	}
	if rtp.Classify(g.Data) == rtp.ClassRTCP {
		c.report(g.Data, at)
		return
	}
	data := append([]byte(nil), g.Data...)
	var h rtp.Header
	if h.Parse(data) != nil {
		ignore("malformed")
		return
	}
	if c.opener != nil {
		st := c.states[h.SSRC]
		if st == nil {
			st = new(srtp.StreamState)
			c.states[h.SSRC] = st
		}
		n, err := c.opener.OpenRTP(st, data, h.HeaderLen)
		if err != nil {
			ignore("not to be decrypted, or twice")
			return
		}
		data = data[:n]
	}
	s, rtx := c.stream(&h, data)
	if s == nil {
		ignore("of no section")
		return
	}
	ev := event{at: at, data: data}
	if rtx {
		ev.of = s
		m := &c.in.sections[s.Section]
		primary, _, _ := codecOf(m, h.PayloadType)
		again := append([]byte(nil), data...)
		if n, err := rtp.UnwrapRTX(again, &h, primary.PayloadType, s.SSRC); err == nil {
			ev.pkt = s.add(m, &h, again[:n], at, true)
		}
	} else if ev.pkt = s.add(&c.in.sections[s.Section], &h, data, at, false); ev.pkt != nil {
		ev.pkt.stream = s
	}
	c.in.events = append(c.in.events, ev)
}

// codecOf finds the codec of a payload type.
func codecOf(m *media.Section, pt uint8) (c media.Codec, rtx, ok bool) {
	for _, c := range m.Codecs {
		if c.PayloadType == pt {
			return c, false, true
		}
		if c.RTX != 0 && c.RTX == pt {
			return c, true, true
		}
	}
	return media.Codec{}, false, false
}

func (c *classifier) sectionsOf(pt uint8) (list []int) {
	for i := range c.in.sections {
		if _, _, ok := codecOf(&c.in.sections[i], pt); ok {
			list = append(list, i)
		}
	}
	return list
}

// stream finds or makes the stream of a packet, as the engine does.
func (c *classifier) stream(h *rtp.Header, data []byte) (s *Stream, rtx bool) {
	if s := c.ssrcs[h.SSRC]; s != nil {
		return s, false
	}
	if s := c.rtx[h.SSRC]; s != nil {
		return s, true
	}
	for _, i := range c.sectionsOf(h.PayloadType) {
		m := &c.in.sections[i]
		if mid, ok := h.FindExtension(data, m.Ext.MID); ok && m.Ext.MID != 0 && string(mid) != m.MID {
			continue
		}
		_, rtx, _ := codecOf(m, h.PayloadType)
		enc := encodingOf(m, h, data, rtx)
		if enc < 0 {
			continue
		}
		if rtx {
			for _, s := range c.in.Streams {
				if s.Section == i && s.Encoding == enc {
					c.rtx[h.SSRC] = s
					return s, true
				}
			}
			continue
		}
		s := &Stream{Section: i, Encoding: enc, SSRC: h.SSRC, audio: m.Kind == media.Audio, byNumber: map[int64]*Packet{}}
		c.ssrcs[h.SSRC] = s
		c.in.Streams = append(c.in.Streams, s)
		return s, false
	}
	return nil, false
}

// encodingOf returns the encoding of a packet, -1 if it is unknown.
func encodingOf(m *media.Section, h *rtp.Header, data []byte, rtx bool) int {
	for i, e := range m.Encodings {
		if e.SSRC != 0 && (e.SSRC == h.SSRC || e.RTXSSRC == h.SSRC) {
			return i
		}
	}
	if !m.Simulcast {
		return 0
	}
	id := m.Ext.RID
	if rtx {
		id = m.Ext.RepairedRID
	}
	rid, ok := h.FindExtension(data, id)
	if !ok || id == 0 {
		return -1
	}
	return slices.IndexFunc(m.Encodings, func(e media.Encoding) bool { return e.RID == string(rid) })
}

// add takes note of a packet and returns it, or the first of its number; nil for
// one that has no place in the stream.
func (s *Stream) add(m *media.Section, h *rtp.Header, data []byte, at time.Duration, rtx bool) *Packet {
	if d := int16(h.SequenceNumber - uint16(s.unwrap.highest)); rtx && !s.unwrap.any || s.unwrap.any && (d > maxJump || d < -maxJump) {
		return nil
	}
	before := s.unwrap.highest
	began := s.unwrap.any
	n := s.unwrap.extend(h.SequenceNumber)
	if p := s.byNumber[n]; p != nil {
		s.Duplicates++
		return p
	}
	if rtx {
		s.Repaired++
	} else if began && n < before {
		s.Late++
	}
	p := &Packet{At: at, Number: n, View: view(m, h, data, &s.dd)}
	s.byNumber[n] = p
	s.Packets = append(s.Packets, p)
	return p
}

// finish puts the packets in order and counts those that are missing.
func (s *Stream) finish() {
	slices.SortFunc(s.Packets, func(a, b *Packet) int { return int(a.Number - b.Number) })
	if n := len(s.Packets); n > 0 {
		s.Missing = int(s.Packets[n-1].Number-s.Packets[0].Number) + 1 - n
	}
}

// view reads a packet.
func view(m *media.Section, h *rtp.Header, data []byte, dd *codec.DDState) View {
	v := View{Timestamp: h.Timestamp, Marker: h.Marker, PayloadType: h.PayloadType}
	if c, _, ok := codecOf(m, h.PayloadType); ok {
		v.Codec = c.Name
	}
	v.Payload, _ = h.Payload(data)
	if len(v.Payload) == 0 {
		return v
	}
	var ext []byte
	if id := m.Ext.DependencyDescriptor; id != 0 {
		ext, _ = h.FindExtension(data, id)
	}
	_ = codec.Inspect(codec.Payload{Kind: kindOf(v.Codec), Data: v.Payload, Marker: h.Marker, Descriptor: ext}, dd, &v.Info)
	switch v.Codec {
	case media.VP8:
		_ = v.VP8.Parse(v.Payload)
	case media.VP9:
		_ = v.VP9.Parse(v.Payload)
	}
	if v.HasDD = len(ext) > 0 && dd.Structure.Valid(); v.HasDD {
		v.DD = dd.Frame
	}
	return v
}

func kindOf(c media.CodecName) codec.Kind {
	switch c {
	case media.VP8:
		return codec.KindVP8
	case media.VP9:
		return codec.KindVP9
	case media.H264:
		return codec.KindH264
	case media.H265:
		return codec.KindH265
	case media.AV1:
		return codec.KindAV1
	case media.Opus:
		return codec.KindOpus
	case media.RED:
		return codec.KindRED
	}
	return codec.KindOther
}

// report passes on the sender information of RTCP. Reception reports are about
// streams that are not there.
func (c *classifier) report(b []byte, at time.Duration) {
	b = append([]byte(nil), b...)
	if c.opener != nil {
		n, err := c.opener.OpenRTCP(b)
		if err != nil {
			c.in.Ignored["not to be decrypted, or twice"]++
			return
		}
		b = b[:n]
	}
	for it := rtcp.Parse(b); it.Next(); {
		if sr, ok := it.Packet.SenderReport(); ok {
			c.in.events = append(c.in.events, event{at: at, data: rtcp.AppendSR(nil, &sr.SenderInfo, nil), rtcp: true})
		}
	}
}
