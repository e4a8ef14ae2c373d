package peer

import (
	"math/rand/v2"
	"slices"
	"time"

	"bifrons/bench/internal/sound"
	"bifrons/ice/netio"

	"github.com/pion/rtp"
)

// sender is the sending part of a light peer.
type sender struct {
	p            *Light
	audio        *outgoing
	video        []*outgoing // encodings, the largest first
	streams      []*outgoing // all
	microphone   *microphone
	transportSeq uint16
	level        byte // of audio, as it is sent
	random       *rand.Rand
	plain        []byte
	said, red    []byte // the last payload, and the current one with it
	batch        []netio.Message
}

func newSender(p *Light) *sender {
	m := p.o.Media
	s := &sender{
		p: p, microphone: newMicrophone(m), plain: make([]byte, 2048), level: 0x80 | 30,
		random: rand.New(rand.NewPCG(uint64(p.o.ID), 3)),
	}
	add := func(pt uint8, ssrc uint32, step int) *outgoing {
		o := &outgoing{ssrc: ssrc, step: uint32(step), tag: p.o.ID, packet: rtp.Packet{Header: rtp.Header{
			Version: 2, PayloadType: pt, SSRC: ssrc, SequenceNumber: 1000,
		}}}
		s.streams = append(s.streams, o)
		return o
	}
	if m.AudioPPS > 0 {
		s.audio = add(audioType, p.o.ID<<8|1, 48000/m.AudioPPS)
	}
	if m.VideoFPS > 0 {
		for i := range m.encodings() {
			o := add(videoType, p.o.ID<<8|uint32(2+i), 90000/m.VideoFPS)
			part := m
			if m.Simulcast {
				o.rid, part.VideoRate = rids[i], m.VideoRate>>(2*i)
				o.tag = p.o.ID<<8 | uint32(i)
			}
			o.camera = newCamera(part, uint64(o.ssrc))
			s.video = append(s.video, o)
		}
	}
	return s
}

// SendFrame implements Sender.
func (p *Light) SendFrame() {
	s := p.sender
	p.hub.mu.Lock()
	for _, o := range s.video {
		frame := o.camera.next()
		o.packet.Timestamp += o.step
		for i, payload := range frame {
			s.send(o, payload, i == len(frame)-1)
		}
	}
	p.hub.mu.Unlock()
	s.flush()
}

// SendAudio implements Sender.
func (p *Light) SendAudio() {
	s := p.sender
	p.hub.mu.Lock()
	s.audio.packet.Timestamp += s.audio.step
	if says := p.o.Says; len(says) > 0 {
		s.say(says[int(s.audio.packets)%len(says)])
	} else {
		s.send(s.audio, s.microphone.next(), false)
	}
	p.hub.mu.Unlock()
	s.flush()
}

// send seals a packet and queues it. The hub's lock is held.
func (s *sender) send(o *outgoing, payload []byte, marker bool) {
	now := clock()
	putTag(payload, o.tag, now)
	s.seal(o, now, payload, marker)
}

// say sends audio that can be listened to, and has no tag.
func (s *sender) say(what sound.Packet) {
	now := clock()
	s.level = what.Level
	if what.Level < 127 {
		s.level |= 0x80 // a voice (RFC 6464, 3)
	}
	payload := what.Payload
	if s.p.ice.there.red {
		s.audio.packet.PayloadType, payload = redType, s.redundant(payload)
	}
	s.seal(s.audio, now, payload, false)
	if s.p.o.Said != nil {
		s.p.o.Said.Add(s.audio.packet.SequenceNumber, now, what.Payload)
	}
}

// redundant is the payload with a copy of the one before (RFC 2198, 3), as browsers
// send it.
func (s *sender) redundant(now []byte) []byte {
	s.red = s.red[:0]
	if n := len(s.said); n > 0 {
		offset := s.audio.step
		s.red = append(s.red, 0x80|audioType, byte(offset>>6), byte(offset<<2)|byte(n>>8), byte(n))
	}
	s.red = append(s.red, audioType)
	s.red = append(append(s.red, s.said...), now...)
	s.said = append(s.said[:0], now...)
	return s.red
}

func (s *sender) seal(o *outgoing, now time.Duration, payload []byte, marker bool) {
	h := s.p.hub
	head := &o.packet.Header
	head.SequenceNumber++
	head.Marker = marker
	s.extend(o, now)
	o.packet.Payload = payload
	n, err := o.packet.MarshalTo(s.plain)
	if err != nil {
		return
	}
	slot := &o.sealed[int(head.SequenceNumber)%len(o.sealed)]
	if slot.b, err = s.p.out.EncryptRTP(slot.b[:0], s.plain[:n], head); err != nil {
		return
	}
	slot.seq = head.SequenceNumber
	o.packets++
	o.bytes += uint32(len(payload))
	if h.window.has(now) {
		h.totals.Sent++
	}
	if h.loss > 0 && o.camera != nil && h.chance(h.loss) {
		return
	}
	if o.camera == nil && (s.p.o.Lost > 0 || s.p.o.Late > 0) {
		s.mishap(slot.b)
		return
	}
	s.queue(slot.b)
}

// mishap loses a packet of audio, or has it leave later.
func (s *sender) mishap(b []byte) {
	if s.random.IntN(100) < s.p.o.Lost {
		return
	}
	if s.p.o.Late == 0 {
		s.queue(b)
		return
	}
	b = slices.Clone(b)
	time.AfterFunc(time.Duration(s.random.Int64N(int64(s.p.o.Late))), func() { s.p.hub.send(s.p, b) })
}

// extend sets the header extensions that the server wants.
func (s *sender) extend(o *outgoing, now time.Duration) {
	there := &s.p.ice.there
	exts := there.audioExts
	if o.camera != nil {
		exts = there.videoExts
	}
	set := func(ext int, value ...byte) {
		if id := exts[ext]; id != 0 {
			_ = o.packet.Header.SetExtension(id, value)
		}
	}
	mid := byte('0')
	if o.camera != nil && s.audio != nil {
		mid = '1'
	}
	set(extMID, mid)
	if o.rid != "" {
		set(extRID, []byte(o.rid)...)
	}
	v := uint32((now << 18) / time.Second)
	set(extAbsSendTime, byte(v>>16), byte(v>>8), byte(v))
	if exts[extTransportSeq] != 0 {
		s.transportSeq++
		set(extTransportSeq, byte(s.transportSeq>>8), byte(s.transportSeq))
	}
	if o.camera == nil {
		set(extAudioLevel, s.level)
	}
}
