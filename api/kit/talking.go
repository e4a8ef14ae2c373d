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

// Read applies the settings of a request. Values not above 0 count as not given,
// but are shown.
func (t *Talking) Read(body Args) {
	read := func(name string, to *int, given *bool) {
		if n, ok := body.Number(name); ok {
			*to, *given = int(max(0, min(n, MaxNumber))), true
		}
	}
	read(TalkingFields[0].Name, &t.packets, &t.givenPackets)
	read(TalkingFields[1].Name, &t.level, &t.givenLevel)
}

// Or fills in the values that are not given from the settings of a room: how many packets,
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

// Write writes the given values, as they hold with the settings of a room.
func (t *Talking) Write(w *json.Writer, packets, level int) {
	packets, level = t.Or(packets, level)
	if t.givenPackets {
		w.Int(TalkingFields[0].Name, int64(packets))
	}
	if t.givenLevel {
		w.Int(TalkingFields[1].Name, int64(level))
	}
}
