package srtp

import "crypto/subtle"

// Receiver opens the packets of one direction.
type Receiver struct {
	rtp, rtcp lazySession
	replay    rtcpReplay
}

// NewReceiver makes a receiver with a master key and salt, which it copies. It
// fails for an unknown profile or wrong lengths.
func NewReceiver(p Profile, key, salt []byte) (*Receiver, error) {
	m, err := newMaster(p, key, salt)
	if err != nil {
		return nil, err
	}
	return &Receiver{rtp: lazySession{from: m, labels: rtpLabels}, rtcp: lazySession{from: m, labels: rtcpLabels}}, nil
}

// OpenRTP checks and decrypts the SRTP packet b in place and returns the length
// of the RTP packet, header included. hdrLen is the length of the RTP header
// with CSRCs and extension, as parsed from b. st is the state of the packet's
// SSRC; it changes only when the packet is authentic, after which st.Index is
// the packet's index.
//
// Errors are ErrShort, ErrReplay (decided before any cryptography) and ErrAuth.
// After ErrAuth the payload may be overwritten.
func (r *Receiver) OpenRTP(st *StreamState, b []byte, hdrLen int) (int, error) {
	k := r.rtp.get()
	if hdrLen < rtpHeader || len(b)-k.tag < hdrLen {
		return 0, ErrShort
	}
	seq, ssrc := be16(b[2:]), be32(b[8:])
	index, ok := st.estimate(seq)
	if !ok {
		return 0, ErrReplay
	}
	roc, body := uint32(index>>16), len(b)-k.tag
	if k.aead != nil {
		k.setNonce(ssrc, index)
		if _, err := k.aead.Open(b[hdrLen:hdrLen], k.nonce[:], b[hdrLen:], b[:hdrLen]); err != nil {
			return 0, ErrAuth
		}
	} else {
		if subtle.ConstantTimeCompare(k.mac.of(b[:body], roc)[:k.tag], b[body:]) != 1 {
			return 0, ErrAuth
		}
		k.xor(b[hdrLen:body], b[hdrLen:body], ssrc, index)
	}
	st.commit(index)
	return body, nil
}

// OpenRTCP checks and decrypts the SRTCP packet b in place and returns the
// length of the compound RTCP packet. A packet that is authenticated only (E
// bit zero) is accepted, as RFC 3711, 3.4 asks. Errors as for OpenRTP.
func (r *Receiver) OpenRTCP(b []byte) (int, error) {
	k := r.rtcp.get()
	body := len(b) - k.tag - indexSize
	if body < rtcpHeader {
		return 0, ErrShort
	}
	at := body // of the word with E bit and index: before an HMAC tag, after an AEAD tag
	if k.aead != nil {
		at = body + k.tag
	}
	ssrc, word := be32(b[4:]), be32(b[at:])
	index := rtcpIndex(word &^ encrypted)
	if r.replay.seen(ssrc, index) {
		return 0, ErrReplay
	}
	var ok bool
	if k.aead != nil {
		ok = k.openRTCPAEAD(b, body, word)
	} else {
		ok = k.openRTCPMAC(b, body, word)
	}
	if !ok {
		return 0, ErrAuth
	}
	r.replay.commit(ssrc, index)
	return body, nil
}

func (s *session) openRTCPMAC(b []byte, body int, word uint32) bool {
	signed := body + indexSize
	if subtle.ConstantTimeCompare(s.mac.ofAll(b[:signed])[:s.tag], b[signed:]) != 1 {
		return false
	}
	if word&encrypted != 0 {
		s.xor(b[rtcpHeader:body], b[rtcpHeader:body], be32(b[4:]), uint64(word&^encrypted))
	}
	return true
}

// openRTCPAEAD: the associated data is the header and the index word, for a
// packet without encryption the whole packet and the word (RFC 7714, 9.3).
func (s *session) openRTCPAEAD(b []byte, body int, word uint32) bool {
	s.setNonce(be32(b[4:]), uint64(word&^encrypted))
	if word&encrypted != 0 {
		copy(s.aad[:], b[:rtcpHeader])
		put32(s.aad[rtcpHeader:], word)
		sealed := b[rtcpHeader : body+s.tag]
		_, err := s.aead.Open(sealed[:0], s.nonce[:], sealed, s.aad[:])
		return err == nil
	}
	// The tag stands between the two parts of the associated data: take it out
	// and move the word up.
	copy(s.saved[:], b[body:body+s.tag])
	put32(b[body:], word)
	_, err := s.aead.Open(s.saved[:0], s.nonce[:], s.saved[:], b[:body+indexSize])
	return err == nil
}
