package srtp

// Sender protects the packets of one direction. It keeps the SRTCP index;
// everything about RTP sequence numbers is the caller's.
type Sender struct {
	rtp, rtcp lazySession
	index     uint32 // next SRTCP index
}

// NewSender makes a sender with a master key and salt, which it copies. It fails
// for an unknown profile or wrong lengths.
func NewSender(p Profile, key, salt []byte) (*Sender, error) {
	m, err := newMaster(p, key, salt)
	if err != nil {
		return nil, err
	}
	return &Sender{rtp: lazySession{from: m, labels: rtpLabels}, rtcp: lazySession{from: m, labels: rtcpLabels}}, nil
}

// SealRTP builds an SRTP packet in dst and returns its length in bytes.
//
// dst[:hdrLen] holds the complete RTP header, with CSRCs and extension.
// payload is encrypted into dst[hdrLen:]; it is dst[hdrLen:hdrLen+len(payload)]
// itself or memory that does not overlap dst. cap(dst) must be at least
// hdrLen+len(payload)+Overhead, else ErrBuffer. roc is the stream's rollover
// counter (RFC 3711, 3.3.1).
func (s *Sender) SealRTP(dst []byte, hdrLen int, payload []byte, roc uint32) (int, error) {
	if hdrLen < rtpHeader {
		return 0, ErrShort
	}
	k := s.rtp.get()
	body := hdrLen + len(payload)
	if cap(dst) < body+k.tag {
		return 0, ErrBuffer
	}
	dst = dst[:body+k.tag]
	ssrc, index := be32(dst[8:]), uint64(roc)<<16|uint64(be16(dst[2:]))
	if k.aead != nil {
		k.setNonce(ssrc, index)
		k.aead.Seal(dst[hdrLen:hdrLen], k.nonce[:], payload, dst[:hdrLen])
		return len(dst), nil
	}
	k.xor(dst[hdrLen:body], payload, ssrc, index)
	copy(dst[body:], k.mac.of(dst[:body], roc))
	return len(dst), nil
}

// Preload reads ahead, in two steps, the memory that SealRTP needs. The result means nothing: it
// keeps the compiler from leaving that out.
func (s *Sender) Preload(step int) uint64 {
	k := s.rtp.made
	switch {
	case k == nil || step > 1:
		return 0
	case step == 1:
		return uint64(k.tag) + uint64(k.saved[0])
	}
	return uint64(s.rtp.labels)
}

// SealRTCP builds an encrypted SRTCP packet (RFC 3711, 3.4) from the compound
// packet plain in dst and returns its length in bytes. plain is dst[:len(plain)]
// itself or memory that does not overlap dst; cap(dst) must be at least
// len(plain)+RTCPOverhead, else ErrBuffer.
func (s *Sender) SealRTCP(dst, plain []byte) (int, error) {
	if len(plain) < rtcpHeader {
		return 0, ErrShort
	}
	k := s.rtcp.get()
	body := len(plain)
	if cap(dst) < body+k.tag+indexSize {
		return 0, ErrBuffer
	}
	if s.index >= encrypted {
		return 0, ErrExhausted
	}
	index := s.index
	s.index++
	dst = dst[:body+k.tag+indexSize]
	copy(dst, plain[:rtcpHeader])
	ssrc, word := be32(dst[4:]), encrypted|index
	if k.aead != nil {
		k.setNonce(ssrc, uint64(index))
		copy(k.aad[:], dst[:rtcpHeader])
		put32(k.aad[rtcpHeader:], word)
		k.aead.Seal(dst[rtcpHeader:rtcpHeader], k.nonce[:], plain[rtcpHeader:], k.aad[:])
		put32(dst[body+k.tag:], word)
		return len(dst), nil
	}
	k.xor(dst[rtcpHeader:body], plain[rtcpHeader:], ssrc, uint64(index))
	put32(dst[body:], word)
	copy(dst[body+indexSize:], k.mac.ofAll(dst[:body+indexSize]))
	return len(dst), nil
}
