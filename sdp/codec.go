package sdp

import "strings"

// Names of codecs as applications use them. Several differ from the encoding
// name of a=rtpmap because clock rate or channels are part of the choice.
const (
	Opus      = "opus"
	Multiopus = "multiopus"
	PCMU      = "pcmu"
	PCMA      = "pcma"
	G722      = "g722"
	ISAC16    = "isac16"
	ISAC32    = "isac32"
	L16at16   = "l16"
	L16at48   = "l16-48"
	DTMF      = "dtmf"
	RED       = "red"
	VP8       = "vp8"
	VP9       = "vp9"
	H264      = "h264"
	AV1       = "av1"
	H265      = "h265"
)

// DefaultAudioCodecs and DefaultVideoCodecs are the orders of preference for
// answers that name no codec.
var (
	DefaultAudioCodecs = []string{Opus, PCMU, PCMA, G722, ISAC32, ISAC16, Multiopus, L16at48, L16at16}
	DefaultVideoCodecs = []string{VP8, VP9, H264, AV1, H265}
)

const videoClock = 90000 // Hz, of every video codec here

var knownCodecs = map[string]Codec{
	Opus:      {PT: 111, Name: "opus", Clock: 48000, Channels: 2},
	Multiopus: {PT: 111, Name: "multiopus", Clock: 48000, Channels: 6},
	RED:       {PT: 120, Name: "red", Clock: 48000, Channels: 2},
	PCMU:      {PT: 0, Name: "PCMU", Clock: 8000},
	PCMA:      {PT: 8, Name: "PCMA", Clock: 8000},
	G722:      {PT: 9, Name: "G722", Clock: 8000},
	ISAC16:    {PT: 103, Name: "ISAC", Clock: 16000},
	ISAC32:    {PT: 104, Name: "ISAC", Clock: 32000},
	L16at48:   {PT: 105, Name: "L16", Clock: 48000},
	L16at16:   {PT: 106, Name: "L16", Clock: 16000},
	DTMF:      {PT: 126, Name: "telephone-event", Clock: 8000},
	VP8:       {PT: 96, Name: "VP8", Clock: videoClock},
	VP9:       {PT: 101, Name: "VP9", Clock: videoClock},
	H264:      {PT: 107, Name: "H264", Clock: videoClock},
	AV1:       {PT: 98, Name: "AV1", Clock: videoClock},
	H265:      {PT: 100, Name: "H265", Clock: videoClock},
}

// staticCodecs are payload types that need no a=rtpmap (RFC 3551, 6).
var staticCodecs = map[uint8]Codec{
	0:  {Name: "PCMU", Clock: 8000},
	8:  {Name: "PCMA", Clock: 8000},
	9:  {Name: "G722", Clock: 8000},
	13: {Name: "CN", Clock: 8000},
}

// StaticCodec is the codec of a payload type that needs no a=rtpmap.
func StaticCodec(pt uint8) (c Codec, ok bool) {
	c, ok = staticCodecs[pt]
	return c, ok
}

// LookupCodec gives a codec with its default payload type by its name (any
// case); ok is false for an unknown name.
func LookupCodec(name string) (c Codec, ok bool) {
	c, ok = knownCodecs[strings.ToLower(name)]
	return c, ok
}

// ParseRTPMap reads the value of a=rtpmap after the payload type, such as
// "opus/48000/2" (RFC 8866, 6.6); ok is false without an encoding name. Numbers that
// are missing or make no sense are 0.
func ParseRTPMap(text string) (c Codec, ok bool) {
	parts := strings.Split(text, "/")
	c.Name = parts[0]
	if len(parts) > 1 {
		c.Clock = positive(parts[1])
	}
	if len(parts) > 2 {
		c.Channels = positive(parts[2])
	}
	return c, c.Name != ""
}

// ID is the codec's name as applications use it, "" for an unknown codec and one with
// another clock rate or number of channels.
func (c *Codec) ID() string {
	name := strings.ToLower(c.Name)
	switch name {
	case "isac", "l16":
		for _, id := range [...]string{ISAC16, ISAC32, L16at16, L16at48} {
			if k := knownCodecs[id]; strings.ToLower(k.Name) == name && k.Clock == c.Clock && c.Channels <= 1 {
				return id
			}
		}
		return ""
	case "telephone-event":
		name = DTMF
	case "av1x":
		name = AV1
	}
	k, ok := knownCodecs[name]
	if !ok || k.Clock != c.Clock || k.Channels == 0 && c.Channels > 1 {
		return ""
	}
	return name // with more than one channel, the parameters or the packets say how many
}

// Parameter is the value of one format parameter (name without case), for example
// Parameter("profile-id").
func (c *Codec) Parameter(name string) (value string, ok bool) {
	for p := range strings.SplitSeq(c.Fmtp, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}
