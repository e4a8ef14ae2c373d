// Package jitter is an adaptive jitter buffer for audio: packets go in as they
// come, frames of 20 ms come out at the pace of whoever plays them.
//
// The buffer is pure: it reads no clock and starts no goroutine, and is for one
// goroutine at a time. Samples are float32, 1.0 is full scale, channels are
// interleaved.
package jitter

import (
	"time"

	"bifrons/rtp/mono"
)

// FrameTime is how much one Pull or Skip plays.
const FrameTime = 20 * time.Millisecond

const (
	// MaxPackets is how many packets wait at most. Beyond that the oldest go.
	MaxPackets = 50
	// MaxBytes is how much payload is kept at most.
	MaxBytes = 32 << 10
	// warm is how many packets of the past are kept, for Prime.
	warm = 4
)

// Decoder decodes one stream at the rate and with the channels of the Config.
// Slices are lent for the call.
type Decoder interface {
	// Decode decodes a packet into pcm, which has room for 120 ms, and returns
	// how many samples each channel has got.
	Decode(payload []byte, pcm []float32) (samples int, err error)
	// Recover fills pcm from the copy in payload of the packet before it, which was
	// lost. The error is errors.ErrUnsupported if the codec has no such thing, any
	// other if there is nothing in payload.
	Recover(payload []byte, pcm []float32) error
	// Conceal fills pcm, a multiple of 2.5 ms, where a packet is missing. With
	// errors.ErrUnsupported the buffer conceals by itself.
	Conceal(pcm []float32) error
	// Reset forgets the stream.
	Reset()
}

// Config has the parameters of a Buffer.
type Config struct {
	ClockRate  uint32 // of RTP timestamps in Hz, 0 = 48000
	SampleRate int    // of the samples in Hz, 0 = 48000
	Channels   int    // 1 or 2, 0 = 1
	// Least and Most bound the target delay: how late packets may come without being
	// missed. 0 = 5 ms and 300 ms.
	Least, Most time.Duration
}

func (c *Config) setDefaults() {
	if c.ClockRate == 0 {
		c.ClockRate = 48000
	}
	if c.SampleRate <= 0 {
		c.SampleRate = 48000
	}
	c.Channels = min(max(c.Channels, 1), 2)
	if c.Least <= 0 {
		c.Least = 5 * time.Millisecond
	}
	if c.Most <= 0 {
		c.Most = 300 * time.Millisecond
	}
	c.Most = max(c.Most, c.Least)
}

// Packet is a packet as it came.
type Packet struct {
	Seq       uint64 // extended, as by seq.Unwrapper
	Timestamp uint32
	Payload   []byte        // lent, copied
	Duration  time.Duration // of the audio in it, 0 = unknown: as long as the one before
	Marker    bool          // the first after a pause (RFC 3551, 4.1)
	DTX       bool          // the sender pauses after it
	FEC       bool          // it repeats the packet before it (Decoder.Recover)
	Redundant bool          // a copy that came with the packet before (RFC 2198), with the number and timestamp of the original
}

// Outcome says how a frame was made.
type Outcome uint8

// Outcomes.
const (
	Silent    Outcome = iota // zeros: nobody sends, or the packets are not due yet
	Comfort                  // the sender pauses (DTX); the decoder fills the pause
	Sound                    // decoded
	Recovered                // some of it from the redundancy of a later packet
	Concealed                // some of it made up
)

func (o Outcome) String() string {
	return [...]string{"silent", "comfort", "sound", "recovered", "concealed"}[o]
}

// Stats are the figures of a Buffer. Counts continue across Reset.
type Stats struct {
	Target  time.Duration // how late packets may come, as is aimed at
	Delay   time.Duration // of the latest frame with sound: from the arrival of a packet at its earliest until it is played
	Waiting int           // packets
	Ready   time.Duration // of sound that is decoded and waits

	Received  uint64 // packets, redundant ones not included
	Lost      uint64 // packets that were not there when later ones were played, late ones included
	Late      uint64 // packets that came after their time
	Repeated  uint64 // packets that were there already
	Discarded uint64 // packets that were too much, or belonged to nothing

	Frames     uint64 // that were pulled and are not silent
	Recovered  uint64 // frames
	Concealed  uint64 // frames
	Lengthened uint64 // samples a channel that stretching added
	Shortened  uint64 // samples a channel that it took away
}

// Buffer is the jitter buffer of one stream.
type Buffer struct {
	cfg    Config
	frame  int // samples a channel in FrameTime
	stats  Stats
	in     arrivals
	delays delays
	store  store
	signal signal
	player
}

// New returns an empty Buffer.
func New(cfg Config) *Buffer {
	cfg.setDefaults()
	b := &Buffer{cfg: cfg}
	b.signal.rate, b.signal.ch = cfg.SampleRate, cfg.Channels
	b.frame = b.signal.of(FrameTime)
	b.delays.least, b.delays.most = int64(cfg.Least), int64(cfg.Most)
	b.Reset()
	return b
}

// Stats returns the figures of the Buffer.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Waiting, s.Target = b.store.waiting(), time.Duration(b.target())
	s.Ready = time.Duration(b.nanos(int64(b.signal.ready())))
	return s
}

// Push takes a packet that arrived at now. Packets may come late, reordered,
// repeated, or with numbers that have nothing to do with those before. They may
// be pushed together before a Pull, each with the time of its arrival.
func (b *Buffer) Push(now mono.Time, p *Packet) { b.push(now, p) }

// Pull fills pcm with the next frame. now is when its tick is due: it advances by
// FrameTime from one call to the next. After a pause of half a second the Buffer
// starts again, at the target delay.
func (b *Buffer) Pull(now mono.Time, d Decoder, pcm []float32) Outcome {
	return b.pull(now, d, pcm[:b.frame*b.cfg.Channels])
}

// Skip is a Pull that nobody hears: time goes on, and of the packets that would
// have been played only the last few are kept, for Prime. It returns the outcome that a Pull
// would have had: Silent, Comfort or Sound.
func (b *Buffer) Skip(now mono.Time) Outcome { return b.skip(now) }

// Prime resets d and decodes the latest packets that were skipped, so that the next
// Pull finds the past that it needs in d.
func (b *Buffer) Prime(d Decoder) { b.prime(d) }

// Reset forgets the stream, and that it had any delay.
func (b *Buffer) Reset() {
	b.in = arrivals{payload: b.in.payload[:0]}
	b.delays.reset()
	b.store.clear()
	b.signal.forget()
	b.player = player{}
	b.stats.Delay = 0
}
