// Package frame puts frames together out of RTP packets that are given in order,
// in the form in which files have them: pictures of VP8, VP9 and AV1 as their
// decoders take them, access units of H.264 and H.265 with a length of four bytes
// before each NAL unit, packets of Opus, and samples of other audio.
//
// Nothing here allocates for a packet, except growing buffers.
package frame

import (
	"bifrons/rtp/codec"
	"bifrons/rtp/seq"
)

// Codec is the codec of a track's packets.
type Codec uint8

// The codecs.
const (
	Unknown Codec = iota
	VP8
	VP9
	H264
	H265
	AV1
	Opus // also as RED (RFC 2198)
	PCMU
	PCMA
	G711 // PCMU or PCMA by payload type 0 or 8
	G722
	L16 // of one channel
)

var codecNames = [...]string{"unknown", "VP8", "VP9", "H.264", "H.265", "AV1", "Opus", "PCMU", "PCMA", "G.711", "G.722", "L16"}

func (c Codec) String() string { return codecNames[c] }

// Video reports whether c is a video codec.
func (c Codec) Video() bool { return c >= VP8 && c <= AV1 }

// PCM reports whether frames of c are samples: signed, 16 bits, little-endian, of one
// channel.
func (c Codec) PCM() bool { return c >= PCMU }

// MaxFrame is the size of the largest frame that is put together, in bytes. Of
// larger ones the beginning is given, as not whole.
const MaxFrame = 4 << 20

// Packet is an RTP packet. It is lent for the call.
type Packet struct {
	Seq       uint64 // extended sequence number, not 0
	Timestamp uint32
	Marker    bool
	PT        uint8  // counts for G711 alone
	RED       bool   // Opus as RED
	Arrival   int64  // in any unit; frames have that of their first packet
	Payload   []byte // without padding
}

// Frame is a picture with all its spatial layers, or the audio of a packet.
type Frame struct {
	Data      []byte // lent until the next call of the Assembler
	Timestamp uint64 // unwrapped (seq.Unwrapper32), in units of the RTP clock
	Arrival   int64
	Key       bool // can be decoded without others; always set for audio
	// Whole means that no packet of the frame is missing, as far as that can be
	// known, and that none was malformed.
	Whole bool
	// Lost counts packets that are missing within the frame, or between it and the
	// frame before. Packets that redundancy replaces do not count.
	Lost uint64
	// Rebuilt is set for audio from the redundancy of a later packet.
	Rebuilt bool
	// Samples is the duration of audio, in units of the RTP clock, 0 if it cannot
	// be known; that of G722 is counted at 8 kHz (RFC 3551, 4.5.2).
	Samples uint32
	// Width and Height are the size of a key frame in pixels, 0 if it has none.
	Width, Height uint16
	// NewConfig is set where the Config changed with the frame.
	NewConfig bool
}

// Assembler puts the frames of one track together.
type Assembler struct {
	codec  Codec
	latest uint64 // sequence number of the latest packet
	times  seq.Unwrapper32

	marks   bool // the last packets of pictures have the marker
	pic     picture
	bufs    [2][]byte // one for a picture that is done, one for that which follows it
	config  *Config
	sets    parameterSets
	begun   bool               // H.264 and H.265: a picture has come before
	inBand  bool               // their parameter sets came with the latest key frame
	spatial codec.VP9Structure // the latest of VP9
	g722    *g722Decoder

	audio   []byte // frames of the latest packet
	audioAt uint64 // timestamp of the latest audio
	out     []Frame
}

// picture is one that is being put together.
type picture struct {
	Frame
	open    bool
	full    bool                     // MaxFrame is reached
	data    []byte                   // so far
	unit    int                      // where in data an incomplete NAL unit begins, -1 if none does
	obu     []byte                   // OBU of which more is to come
	more    bool                     // obu goes on in the next packet
	layers  int                      // VP9: frames of layers
	sizes   [codec.MaxVP9Spatial]int // where they end
	vp9     codec.VP9Header
	hasSets bool // H.264 and H.265: parameter sets are in it
	first   bool // AV1: the first frame header was seen
	start   bool // its first packet begins the picture
}

// New returns an Assembler for a track.
func New(c Codec) *Assembler { return &Assembler{codec: c} }

// Push takes the next packet and returns the frames that are complete with it.
// Packets that are older than the latest one are left out.
func (a *Assembler) Push(p *Packet) []Frame {
	a.out = a.out[:0]
	if p.Seq <= a.latest {
		return nil
	}
	lost := uint64(0)
	if a.latest != 0 {
		lost = p.Seq - a.latest - 1
	}
	a.latest = p.Seq
	ts := a.times.Unwrap(p.Timestamp)
	if !a.codec.Video() {
		a.pushAudio(p, ts, lost)
		return a.out
	}
	a.pushVideo(p, ts, lost)
	return a.out
}

// Flush returns the frame that waits for its end, at the end of the packets.
func (a *Assembler) Flush() []Frame {
	a.out = a.out[:0]
	if a.pic.open {
		a.finish(!a.marks)
	}
	return a.out
}

func (a *Assembler) pushVideo(p *Packet, ts, lost uint64) {
	c := &a.pic
	if c.open && c.Timestamp != ts {
		a.finish(lost == 0)
	}
	if len(p.Payload) == 0 { // padding alone
		if c.open {
			c.lose(lost)
		} else {
			c.Lost += lost
		}
		return
	}
	if !c.open {
		a.begin(p, ts, lost)
	} else if lost > 0 {
		c.lose(lost)
	}
	c.Whole = a.addVideo(p.Payload) && c.Whole
	if p.Marker {
		a.marks = true
		a.finish(true)
	}
}

// begin begins a picture. Packets that are missing before it may have been its own
// unless the first that came is known to be its start.
func (a *Assembler) begin(p *Packet, ts, lost uint64) {
	c := &a.pic
	a.bufs[0], a.bufs[1] = a.bufs[1], a.bufs[0]
	lost += c.Lost
	obu := c.obu[:0]
	*c = picture{open: true, data: a.bufs[0][:0], unit: -1, obu: obu}
	c.Frame = Frame{Timestamp: ts, Arrival: p.Arrival, Lost: lost, Whole: true}
	a.startVideo(p)
	c.Whole = c.start
}

// lose notes packets that are missing within a picture.
func (c *picture) lose(n uint64) {
	if n == 0 {
		return
	}
	c.Lost += n
	c.Whole = false
	c.abandon()
}

// abandon gives up a unit of which the rest is missing.
func (c *picture) abandon() {
	if c.unit >= 0 {
		c.data, c.unit = c.data[:c.unit], -1
	}
	c.obu, c.more = c.obu[:0], false
}

// add appends to the picture as long as it is not too large.
func (c *picture) add(b ...byte) bool {
	if c.full || len(c.data)+len(b) > MaxFrame {
		c.full = true
		return false
	}
	c.data = append(c.data, b...)
	return true
}

// finish completes a picture. ended reports whether the latest packet is its end.
func (a *Assembler) finish(ended bool) {
	c := &a.pic
	if c.unit >= 0 || c.more {
		ended = false
	}
	c.abandon()
	a.endVideo()
	a.bufs[0] = c.data
	c.open = false
	c.Whole = c.Whole && ended && !c.full && len(c.data) > 0
	c.Data = c.data
	a.out = append(a.out, c.Frame)
	c.Frame = Frame{}
}

// startVideo reports whether the first packet of a picture begins the picture.
func (a *Assembler) startVideo(p *Packet) {
	switch a.codec {
	case VP8:
		a.startVP8(p.Payload)
	case VP9:
		a.startVP9(p.Payload)
	case H264, H265:
		a.startH26x(p.Payload)
	case AV1:
		a.startAV1(p.Payload)
	}
}

// addVideo adds a packet's payload to the picture. It reports false for a
// malformed one.
func (a *Assembler) addVideo(payload []byte) bool {
	switch a.codec {
	case VP8:
		return a.addVP8(payload)
	case VP9:
		return a.addVP9(payload)
	case H264:
		return a.addH264(payload)
	case H265:
		return a.addH265(payload)
	case AV1:
		return a.addAV1(payload)
	}
	return false
}

// endVideo completes a picture whose packets are all there.
func (a *Assembler) endVideo() {
	switch a.codec {
	case VP9:
		a.endVP9()
	case H264, H265:
		a.endH26x()
	case AV1:
		a.endAV1()
	}
}
