package srtp

const (
	// replayWindow is far above the 64 packets RFC 3711, 3.3.2 asks for: a
	// packet that NACKs brought back may be a second of video late.
	replayWindow = 1024
	indexLimit   = 1 << 48 // rollover counter and sequence number

	rtcpWindow  = 128
	rtcpStreams = 32 // SSRCs whose SRTCP index is remembered
)

// StreamState is the rollover and replay state of one received SSRC. The zero
// value is a stream of which nothing has been seen. It may be copied.
type StreamState struct {
	bits    [replayWindow / 64]uint64 // ring: bit index%replayWindow
	top     uint64                    // highest authentic index
	last    uint64                    // index of the packet opened last
	started bool
}

// Index is the index of the packet opened last: rollover counter in the upper,
// sequence number in the lower 16 bits (RFC 3711, 3.3.1).
func (st *StreamState) Index() uint64 { return st.last }

// estimate guesses the packet's index from its sequence number (RFC 3711,
// 3.3.1). ok is false if the packet was seen before, is too old to know, or
// lies before the first rollover period or after the last one.
func (st *StreamState) estimate(seq uint16) (index uint64, ok bool) {
	if !st.started {
		return uint64(seq), true
	}
	newest := uint16(st.top)
	step := int64(int16(seq - newest))
	if step == -1<<15 && newest < 1<<15 {
		step = 1 << 15 // the tie goes to the current rollover period
	}
	i := int64(st.top) + step
	if i < 0 || i >= indexLimit {
		return 0, false
	}
	index = uint64(i)
	if index > st.top {
		return index, true
	}
	if st.top-index >= replayWindow {
		return 0, false
	}
	return index, st.bits[index/64%(replayWindow/64)]&(1<<(index%64)) == 0
}

// commit records an authentic packet.
func (st *StreamState) commit(index uint64) {
	st.last = index
	if !st.started {
		st.started, st.top = true, index
	}
	if index > st.top {
		if index-st.top >= replayWindow {
			st.bits = [replayWindow / 64]uint64{}
		} else {
			for i := st.top + 1; i < index; i++ {
				st.bits[i/64%(replayWindow/64)] &^= 1 << (i % 64)
			}
		}
		st.top = index
	}
	st.bits[index/64%(replayWindow/64)] |= 1 << (index % 64)
}

// rtcpReplay remembers the SRTCP indices of the SSRCs heard last. An entry is
// made for authentic packets only. When the table is full the SSRC that has
// been silent longest gives way.
type rtcpReplay struct {
	streams []rtcpStream
	clock   uint64
}

// rtcpIndex is the index of an SRTCP packet, of 31 bits (RFC 3711, 3.4).
type rtcpIndex uint32

type rtcpStream struct {
	ssrc  uint32
	top   rtcpIndex
	bits  [rtcpWindow / 64]uint64 // bit n%64 of word n/64: index top-n was seen
	heard uint64
}

func (r *rtcpReplay) find(ssrc uint32) *rtcpStream {
	for i := range r.streams {
		if r.streams[i].ssrc == ssrc {
			return &r.streams[i]
		}
	}
	return nil
}

// seen reports whether index must be refused: seen before, or behind the window.
func (r *rtcpReplay) seen(ssrc uint32, index rtcpIndex) bool {
	s := r.find(ssrc)
	if s == nil || index > s.top {
		return false
	}
	age := s.top - index
	return age >= rtcpWindow || s.bits[age/64]&(1<<(age%64)) != 0
}

func (r *rtcpReplay) commit(ssrc uint32, index rtcpIndex) {
	r.clock++
	s := r.find(ssrc)
	if s == nil {
		s = r.slot()
		*s = rtcpStream{ssrc: ssrc, top: index}
	}
	s.heard = r.clock
	if index > s.top {
		s.shift(index - s.top)
		s.top = index
	}
	age := s.top - index
	s.bits[age/64] |= 1 << (age % 64)
}

// slot returns a free entry, or the one that was silent longest.
func (r *rtcpReplay) slot() *rtcpStream {
	if n := len(r.streams); n < rtcpStreams {
		r.streams = append(r.streams, rtcpStream{})
		return &r.streams[n]
	}
	oldest := &r.streams[0]
	for i := range r.streams {
		if r.streams[i].heard < oldest.heard {
			oldest = &r.streams[i]
		}
	}
	return oldest
}

// shift makes everything n older.
func (s *rtcpStream) shift(n rtcpIndex) {
	switch {
	case n >= rtcpWindow:
		s.bits = [rtcpWindow / 64]uint64{}
	case n >= 64:
		s.bits = [rtcpWindow / 64]uint64{0, s.bits[0] << (n - 64)}
	default:
		s.bits[1] = s.bits[1]<<n | s.bits[0]>>(64-n)
		s.bits[0] <<= n
	}
}
