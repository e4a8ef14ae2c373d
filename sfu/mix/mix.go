// Package mix mixes the audio of conferences (RFC 4353). It has no sockets and does not
// read the clock, but for Workers.
//
// A conference has parties. The packets of each party go through a jitter buffer and are
// decoded only while it is heard; every 20 ms the frames of those who are heard are
// summed. Parties that hear the same and agree on how it is encoded share one encoder.
// Who speaks hears the sum without the own voice, by an encoder of its own, for as long
// as it speaks and a little longer.
package mix

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// Frame is how much is mixed at a time.
const Frame = 20 * time.Millisecond

const (
	// quietest is the level, in -dBov (RFC 6464), below which nobody is heard unless
	// the sender says that it is voice.
	quietest = 60
	// hangover is how many frames somebody is still heard after the last loud packet,
	// so that words do not lose their ends.
	hangover = 25
	// settle is how many frames after the last one that was heard a party keeps an
	// encoder of its own.
	settle = 100
	// primed is how many frames an encoder is given before the first one that is sent, so that
	// its packets fit to those of another one that encoded the same.
	primed = opus.PrimeFrames
	// stillness is how many frames of silence are encoded before the packet is repeated.
	stillness = 25
)

// Codec is the codec of a party, both ways.
type Codec uint8

// The codecs.
const (
	Opus Codec = iota
	PCMU
	PCMA
)

func (c Codec) clockRate() uint32 {
	if c == Opus {
		return 48000
	}
	return 8000
}

// Packet is a packet from a party.
type Packet struct {
	Seq       uint64 // extended
	Timestamp uint32
	Marker    bool
	Arrival   mono.Time
	Payload   []byte // lent until the next one is taken
	Redundant bool   // a copy that came with the packet before (RFC 2198), and has no level
	HasLevel  bool
	Level     uint8 // -dBov, 127 = silence (RFC 6464)
	Voice     bool  // the sender says that it is
}

// Input has the packets of one party.
type Input interface {
	// Next takes the next one that came; false if there is none.
	Next(p *Packet) bool
	// Close ends it. Drained is asked from then on, at every frame, until it says that
	// nothing will come any more, and gives back the packets it got.
	Close()
	Drained() bool
}

// Listener is where a party's mix goes to.
type Listener interface {
	// Close says that no more audio will come.
	Close()
}

// Output takes the encoded frames of a conference. It is called by the goroutine that mixes.
type Output interface {
	// Open makes a stream of a codec; its listener has it alone if that is not nil.
	Open(c Codec, alone Listener) (stream int)
	// Hear makes a listener get a stream from the next packet on, -1 = nothing.
	Hear(l Listener, stream int)
	// Send takes the packet of a frame, which is lent. at are times of frames: their
	// differences are multiples of Frame.
	Send(stream int, at mono.Time, payload []byte)
	// Close ends a stream.
	Close(stream int)
	// Flush comes at the end of each frame.
	Flush()
	// End comes at the end of the conference, after all streams.
	End()
}

// Settings are those of a party.
type Settings struct {
	Muted     bool
	Suspended bool // neither heard nor given anything
	Exempt    bool // heard in a conference that is muted
	Volume    int  // percent
	Position  int  // 0 = left, 100 = right, in stereo
	Encoding  opus.Settings
}

// PartyConfig describes a party.
type PartyConfig struct {
	Settings
	Codec Codec
	Group int  // that it speaks in, 0 = none
	Hears int  // it hears this group alone, 0 = everybody
	Idle  bool // alone it does not keep the conference going

	// Window and Threshold say when it talks: when the mean level of so many frames
	// is above the threshold, in -dBov; 0 = unknown.
	Window, Threshold int
	// Talking gets that on the goroutine that mixes, and must not block. May be nil.
	Talking func(talking bool, level float64)
}

// Config describes a conference.
type Config struct {
	Rate   int // of samples, Hz: 8000 12000 16000 24000 48000
	Stereo bool
	Groups int
}

func (c Config) channels() int {
	if c.Stereo {
		return 2
	}
	return 1
}

// samples is how many a frame has, of all channels.
func (c Config) samples() int { return c.Rate / 50 * c.channels() }

// Stats count the work of conferences.
type Stats struct {
	Ticks, Late        uint64        // frames mixed, and frames that were a frame late or more
	Skipped            uint64        // frames that were left out, as it was too late for them
	Time               time.Duration // that mixing took
	Encoded, Repeated  uint64        // packets that were encoded, that were the one before
	Decoded            uint64        // frames
	Concealed          uint64        // frames among them that were made up
	Recovered          uint64        // frames of those from redundancy
	Encoders, Decoders int           // in use
	Parties            int
}

// Add adds the counts of another conference.
func (s *Stats) Add(o Stats) {
	s.Ticks += o.Ticks
	s.Late += o.Late
	s.Skipped += o.Skipped
	s.Time += o.Time
	s.Encoded += o.Encoded
	s.Repeated += o.Repeated
	s.Decoded += o.Decoded
	s.Concealed += o.Concealed
	s.Recovered += o.Recovered
	s.Encoders += o.Encoders
	s.Decoders += o.Decoders
	s.Parties += o.Parties
}

// PartyStats are the figures of a party.
type PartyStats struct {
	Heard     bool
	HasLevel  bool
	Level     float64 // mean over the window, -dBov
	Talking   bool
	Delay     time.Duration // in the jitter buffer
	Waiting   int           // packets in it
	Ready     time.Duration // of sound that is decoded and waits
	Decoded   uint64        // frames
	Recovered uint64        // from redundancy
	Concealed uint64
	Late      uint64 // packets
	Own       bool   // it has an encoder of its own
}
