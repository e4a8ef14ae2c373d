package kit

import (
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin/plugintest"
)

func TestTalking(t *testing.T) {
	for _, tt := range []struct {
		body           string
		packets, level int
		shown          string
	}{
		{`{}`, 100, 25, `{}`},
		{`{"audio_active_packets":50}`, 50, 25, `{"audio_active_packets":50}`},
		{`{"audio_level_average":30}`, 100, 30, `{"audio_level_average":30}`},
		{`{"audio_active_packets":0,"audio_level_average":-3}`, 100, 25, `{"audio_active_packets":100,"audio_level_average":25}`},
		{`{"audio_active_packets":9223372036854775807}`, MaxNumber, 25, `{"audio_active_packets":2147483647}`},
	} {
		var x Talking
		x.Read(Args{Value: plugintest.Parse(t, tt.body)})
		if packets, level := x.Or(100, 25); packets != tt.packets || level != tt.level {
			t.Errorf("%s: got %d, %d", tt.body, packets, level)
		}
		if got := string(json.Object(func(w *json.Writer) { x.Write(w, 100, 25) })); got != tt.shown {
			t.Errorf("%s: shown is %s", tt.body, got)
		}
	}
}
