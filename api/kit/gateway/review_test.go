package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"bifrons/sdp"
	"bifrons/sfu"
)

// Who sends nothing is told, with what speaks for which reason.
func TestFaults(t *testing.T) {
	at := func(text string) target { return target{rtp: netip.MustParseAddrPort(text)} }
	far, private := at("198.51.100.1:4000"), at("10.1.2.3:4000")
	public := netip.MustParseAddr("192.0.2.9")
	long := 10 * time.Second
	for _, tt := range []struct {
		name  string
		flow  flow
		shown netip.Addr
		stats sfu.RTPSessionStats
		want  string
	}{
		{"all is well", flow{send: true, receive: true, to: far}, public,
			sfu.RTPSessionStats{In: traffic(5), Out: traffic(5)}, ""},
		{"nothing was agreed on", flow{to: far}, public, sfu.RTPSessionStats{Silence: long}, ""},
		{"held by the address", flow{send: true, receive: true}, public,
			sfu.RTPSessionStats{Silence: long}, "no audio from the far end: nothing came, and its description names no address"},
		{"nothing came", flow{receive: true, to: far}, public,
			sfu.RTPSessionStats{Silence: long}, "no audio from the far end: nothing came: it sends none, or the way to our ports is blocked"},
		{"our address is private", flow{receive: true, to: far}, netip.MustParseAddr("192.168.1.1"),
			sfu.RTPSessionStats{Silence: long}, "our description names 192.168.1.1, which is a private address (see sdp_ip)"},
		{"its address is private", flow{receive: true, to: private}, public,
			sfu.RTPSessionStats{Silence: long, Elsewhere: 9, ElsewhereAt: netip.MustParseAddrPort("203.0.113.5:6000")},
			"packets come from 203.0.113.5:6000 instead of 10.1.2.3:4000, which its description names and which is a private address (see symmetric_rtp)"},
		{"other keys", flow{receive: true, to: far, receiveKey: new(key)}, public,
			sfu.RTPSessionStats{Silence: long, NotAuthentic: 9}, "its packets cannot be opened"},
		{"another payload type", flow{receive: true, to: far}, public,
			sfu.RTPSessionStats{Silence: long, PayloadTypes: 9}, "its packets have payload types that were not agreed on"},
		{"it has stopped", flow{receive: true, to: far}, public,
			sfu.RTPSessionStats{Silence: long, In: traffic(7)}, "nothing for 10 s"},
		{"the client", flow{send: true, to: far}, public, sfu.RTPSessionStats{}, "no audio from the client: the client sends none, or its connection is not up"},
		{"the client's codec", flow{send: true, to: far}, public, sfu.RTPSessionStats{Untaken: 3}, "no audio from the client: it sends media that was not agreed on"},
	} {
		x := look{kind: sdp.Audio, flow: &tt.flow, shown: tt.shown, stats: tt.stats}
		var got []string
		for _, f := range x.faults() {
			got = append(got, f.String())
		}
		text := strings.Join(got, "; ")
		if !strings.Contains(text, tt.want) || tt.want == "" && text != "" {
			t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
		}
		if x.early = true; len(x.faults()) != 0 {
			t.Errorf("%s is told early", tt.name)
		}
	}
}

func traffic(packets uint64) (t struct{ Packets, Bytes uint64 }) {
	t.Packets = packets
	return t
}
