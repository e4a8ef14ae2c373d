package streaming

import (
	"strings"
	"testing"
)

// What a mountpoint tells all viewers is bounded.
func TestBoundsOfTexts(t *testing.T) {
	th := newRig(t, "")
	create := `{"request":"create","type":"rtp","id":7,"audio":true,"audioport":0,"audiopt":0,"audiocodec":"pcmu"`
	for field, n := range map[string]int{"description": 4096, "metadata": 16 << 10, "name": 4096, "secret": 4096} {
		th.fails(create+`,"`+field+`":"`+strings.Repeat("x", n+1)+`"}`, 454)
	}
	th.ask(create + `,"metadata":"` + strings.Repeat("x", 16<<10) + `"}`)
	th.fails(`{"request":"edit","id":7,"new_metadata":"`+strings.Repeat("x", 16<<10+1)+`"}`, 454)
	th.fails(`{"request":"edit","id":7,"new_description":"`+strings.Repeat("x", 4097)+`"}`, 454)
}
