package audiobridge

import "bifrons/sfu"

// What mixes: package sfu has it.
type (
	conference interface {
		Close()
		SetMuted(on bool)
		Record(write func(at sfu.Time, pcm []int16))
		Join(cfg partyConfig) party
	}
	party interface {
		Leave()
		Set(s partySettings)
		SetTalking(window, threshold int)
		SetGroup(group int)
		Input(o sfu.Origin, track int, level uint8)
		Output(to *sfu.Peer, section int)
		Stream() (sfu.Origin, error)
		ResetDecoder()
		Stats() partyStats
	}
	conferenceConfig struct {
		Rate   int
		Stereo bool
		Groups int
	}
	audioCodec   uint8
	opusSettings struct {
		Bitrate, Complexity int
		FEC                 bool
		Loss                int
	}
	partySettings struct {
		Muted, Suspended, Exempt bool
		Volume, Position         int
		Encoding                 opusSettings
	}
	partyConfig struct {
		partySettings
		Codec             audioCodec
		Group, Hears      int
		Idle              bool
		Window, Threshold int
		Talking           func(talking bool, level float64)
	}
	partyStats struct {
		Level   float64
		Waiting int
	}
)

const (
	mixOpus audioCodec = iota
	mixPCMU
	mixPCMA
)
