package signalling

import (
	"os"
	"reflect"
	"testing"

	"bifrons/sdp"
	"bifrons/sfu/media"
)

func TestSections(t *testing.T) {
	text, err := os.ReadFile("../janus/testdata/offers/chrome_simulcast.sdp")
	if err != nil {
		t.Fatal(err)
	}
	offer, err := sdp.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, nil)
	r, err := l.SetRemote(offer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Simulcast{{Index: 1, MID: "1", RIDs: []string{"h", "m", "l"}, RIDID: 10}}; !reflect.DeepEqual(r.Simulcast, want) {
		t.Errorf("simulcast %+v", r.Simulcast)
	}
	var answer *sdp.Description
	ours := sdp.Answer(r.SDP, sdp.AnswerOptions{Choose: func(int, *sdp.Section) sdp.SectionChoice {
		return sdp.SectionChoice{Extensions: []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URITransportCC}}
	}})
	if err := l.SetLocal(ours, LocalOptions{}, func(text string) { answer, err = sdp.Parse(text) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Endpoint.mu.Lock()
	defer l.Endpoint.mu.Unlock()
	c := l.Endpoint.conn
	got := c.sections(c.local, c.remote, &c.options)
	v := answer.Sections[1]
	want := []media.Section{{
		Index: 0, MID: "0", Kind: media.Audio, Receive: true, Send: true,
		Codecs:    []media.Codec{{Name: media.Opus, PayloadType: 111, ClockRate: 48000}},
		Ext:       media.ExtensionIDs{MID: 4, TransportSequence: 3},
		Encodings: []media.Encoding{{SSRC: 1234567890}}, SSRC: answer.Sections[0].SSRCs[0], TransportCC: true,
	}, {
		Index: 1, MID: "1", Kind: media.Video, Receive: true, Send: true,
		Codecs:    []media.Codec{{Name: media.VP8, PayloadType: 96, RTX: 97, ClockRate: 90000}},
		Ext:       media.ExtensionIDs{MID: 4, RID: 10, RepairedRID: 11, TransportSequence: 3},
		Encodings: []media.Encoding{{RID: "l"}, {RID: "m"}, {RID: "h"}}, Simulcast: true,
		SSRC: v.SSRCs[0], RTXSSRC: v.SSRCs[1], NACK: true, PLI: true, FIR: true, REMB: true, TransportCC: true,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	lmh := c.sections(c.local, c.remote, &Options{RIDOrder: "lmh"})
	if e := lmh[1].Encodings; e[0].RID != "h" || e[2].RID != "l" {
		t.Errorf("lmh: %v", e)
	}
	svc := &Options{Scalable: []int{0}}
	if s := c.sections(c.local, c.remote, svc); !s[0].SVC || s[1].SVC {
		t.Errorf("svc: %v", s)
	}
}
