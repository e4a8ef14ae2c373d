package mjr

import (
	"errors"
	"time"

	"bifrons/rtp"
)

// Limits of packets that a Sorter takes, in bytes: shorter ones have no RTP header,
// and longer ones janus-pp-rec does not take either.
const (
	minRTP = rtp.FixedHeaderLen
	maxRTP = 1500
)

// The window of a Sorter unless the caller wants another one.
const (
	DefaultPackets = 8192
	DefaultSpan    = 8 * time.Second
)

// SortConfig says which packets a Sorter takes, and how far it looks ahead.
type SortConfig struct {
	IgnoreFirst   int  // leave out so many packets at the start
	OnlyPayload   bool // take packets of PayloadType alone
	PayloadType   uint8
	IgnoreRTPTime bool // Time is that of arrival, the order that of sequence numbers

	// The window: how many packets, and how much of their time, are looked through for
	// one that comes first. 0 = default.
	Packets int
	Span    time.Duration
}

// Packet is a packet of RTP in its place.
type Packet struct {
	rtp.FixedHeader
	// Time is in units of the RTP clock since the first packet. It does not wrap, and
	// never goes back. Packets of one frame have the same.
	Time int64
	// Seq does not wrap either, and rises with each packet, by more than one where
	// packets are missing.
	Seq        uint64
	Raw        []byte // the whole packet; lent until the next call of Next, as is Payload
	Payload    []byte // without padding, never empty
	ArrivalMS  uint32 // milliseconds since the first frame
	HasArrival bool
	Offset     int64 // of its frame in the file
}

// Extension returns the data of a header extension.
func (p *Packet) Extension(id uint8) ([]byte, bool) {
	var h rtp.Header
	if id == 0 || h.Parse(p.Raw) != nil {
		return nil, false
	}
	return h.FindExtension(p.Raw, id)
}

// SortStats count the packets that a Sorter took and left out.
type SortStats struct {
	Packets   int // taken
	Short     int // no whole header of RTP, or no payload
	Long      int // longer than 1500 bytes
	Ignored   int // of the first ones, or of another payload type
	Foreign   int // of another SSRC
	Duplicate int // there twice
	Late      int // too late for the window
	Stray     int // of a time that no packet beside it has
	Restarts  int // how often the sender's clock started again
}

// Sorter puts the packets of a recording of audio or video in the order of their
// timestamps and sequence numbers, and leaves out alien ones.
// Its memory does not grow with the file.
//
// The stream is that of the first SSRC that is not 0. Another one is followed where it
// goes on with the same numbers, as recorders have it of senders that changed theirs.
type Sorter struct {
	in      *Reader
	config  SortConfig
	header  *Header
	arrival bool  // order by sequence number, and time by arrival
	span    int64 // in units of the RTP clock

	skip  int
	err   error // of the reader
	lane  lane
	queue queue
	stats SortStats

	lent    []byte // memory of the packet that was returned
	started bool
	first   int64 // time of the first packet
	last    entry // the packet that was returned
	number  uint64
}

// NewSorter makes a Sorter of a recording of audio or video. An error is that of
// Reader.Header, or says that it is one of data.
func NewSorter(in *Reader, config SortConfig) (*Sorter, error) {
	h, err := in.Header()
	if err != nil {
		return nil, err
	}
	if h.Type == Data {
		return nil, errors.New("mjr: a recording of data has no packets of RTP")
	}
	if config.Packets <= 0 {
		config.Packets = DefaultPackets
	}
	if config.Span <= 0 {
		config.Span = DefaultSpan
	}
	s := &Sorter{in: in, config: config, header: h, skip: config.IgnoreFirst}
	s.arrival = config.IgnoreRTPTime && in.HasArrival()
	s.span = int64(config.Span) * int64(h.Rate()) / int64(time.Second)
	s.lane = lane{rate: int64(h.Rate()), bySeq: s.arrival}
	return s, nil
}

// Stats returns the counts so far.
func (s *Sorter) Stats() SortStats { return s.stats }

// Next returns the next packet. At the end, and where the file can be read no further,
// the error is that of Reader.Next; all packets before were returned then.
func (s *Sorter) Next() (Packet, error) {
	if s.lent != nil {
		s.queue.release(s.lent)
		s.lent = nil
	}
	for s.err == nil && !s.queue.exceeds(s.config.Packets, s.span) {
		s.read()
	}
	e, ok := s.queue.pop()
	if !ok {
		return Packet{}, s.err
	}
	s.stats.Packets++
	s.lent = e.raw
	if s.arrival {
		s.arrivalTime(&e)
	} else {
		e.media = e.time
	}
	if !s.started {
		s.started, s.first, s.number = true, e.media, uint64(e.seq)
	} else {
		s.number += uint64(max(e.seq-s.last.seq, 1))
	}
	s.last = e
	return Packet{FixedHeader: e.head, Time: e.media - s.first, Seq: s.number,
		Raw: e.raw, Payload: e.raw[e.from:e.to], ArrivalMS: e.arrival, HasArrival: e.hasArrival, Offset: e.offset}, nil
}

// arrivalTime gives a packet the time of arrival, which for all packets of a frame is
// that of the first.
func (s *Sorter) arrivalTime(e *entry) {
	e.media = int64(e.arrival) * s.lane.rate / 1000
	if s.started && (e.media < s.last.media || e.head.Timestamp == s.last.head.Timestamp) {
		e.media = s.last.media
	}
}

// read takes one frame from the file.
func (s *Sorter) read() {
	f, err := s.in.Next()
	if err != nil {
		s.err = err
		s.settle(s.lane.finish())
		return
	}
	e, ok := s.accept(&f)
	if !ok {
		return
	}
	e.raw = s.queue.memory(len(f.Data))
	copy(e.raw, f.Data)
	s.settle(s.lane.take(e))
}

// settle carries out the lane's decisions on packets.
func (s *Sorter) settle(d decision) {
	s.stats.Foreign += d.foreign
	s.stats.Stray += d.stray
	s.stats.Restarts += d.restarts
	for _, e := range d.dropped {
		s.queue.release(e.raw)
	}
	for _, e := range d.taken {
		switch {
		case s.started && !s.last.before(&e):
			if e.seq == s.last.seq {
				s.stats.Duplicate++
			} else {
				s.stats.Late++
			}
		case s.queue.put(e):
			continue
		default:
			s.stats.Duplicate++
		}
		s.queue.release(e.raw)
	}
}

// accept looks at a packet by itself.
func (s *Sorter) accept(f *Frame) (entry, bool) {
	n := len(f.Data)
	var h rtp.Header
	switch {
	case s.skip > 0:
		s.skip--
		s.stats.Ignored++
		return entry{}, false
	case n > maxRTP:
		s.stats.Long++
		return entry{}, false
	case n < minRTP || h.Parse(f.Data) != nil:
		s.stats.Short++
		return entry{}, false
	}
	payload, err := h.Payload(f.Data)
	switch {
	case err != nil || len(payload) == 0:
		s.stats.Short++
		return entry{}, false
	case !s.takes(h.PayloadType):
		s.stats.Ignored++
		return entry{}, false
	}
	return entry{head: h.FixedHeader, from: h.HeaderLen, to: h.HeaderLen + len(payload),
		arrival: f.ArrivalMS, hasArrival: f.HasArrival, offset: f.Offset}, true
}

// takes reports whether packets of a payload type are taken. Codecs that have fixed ones
// (RFC 3551, 6) take no others.
func (s *Sorter) takes(pt uint8) bool {
	if s.config.OnlyPayload && pt != s.config.PayloadType {
		return false
	}
	switch s.header.Codec {
	case "g711", "pcmu", "pcma":
		return pt == 0 || pt == 8
	case "g722":
		return pt == 9
	}
	return true
}
