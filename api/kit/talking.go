package kit

import (
	"bifrons/api/json"
	"bifrons/api/schema"
)

// Talking says when somebody talks: when the mean audio level (RFC 6464) of so many
// packets is above a level. The zero value says nothing.
type Talking struct {
	packets, level           int // 0 = not given
	givenPackets, givenLevel bool
}

// TalkingFields are those of requests about a participant.
var TalkingFields = schema.Typed(schema.Int, "audio_active_packets", "audio_level_average")

// Read takes over what a request says. What is not above 0 is as if it were not given,
// but is shown.
func (t *Talking) Read(body Args) {
	read := func(name string, to *int, given *bool) {
		if n, ok := body.Number(name); ok {
			*to, *given = int(max(0, min(n, MaxNumber))), true
		}
	}
	read(TalkingFields[0].Name, &t.packets, &t.givenPackets)
	read(TalkingFields[1].Name, &t.level, &t.givenLevel)
}

// Or is what holds with the settings of a room for what is not given: how many packets,
// and which level, in -dBov.
func (t *Talking) Or(packets, level int) (int, int) {
	if t.packets > 0 {
		packets = t.packets
	}
	if t.level > 0 {
		level = t.level
	}
	return packets, level
}

// Write writes what was given, as it holds with the settings of a room.
func (t *Talking) Write(w *json.Writer, packets, level int) {
	packets, level = t.Or(packets, level)
	if t.givenPackets {
		w.Int(TalkingFields[0].Name, int64(packets))
	}
	if t.givenLevel {
		w.Int(TalkingFields[1].Name, int64(level))
	}
}
