package mline

import (
	"strings"
	"testing"

	"bifrons/sfu"
)

// What a request says on all that goes to a client, and on one m-line of it.
func TestEstimationOfRequests(t *testing.T) {
	for _, tt := range []struct {
		request string
		tells   bool
		want    Estimation
		weight  sfu.Weight
	}{
		{`{}`, false, Estimation{Max: 7}, sfu.Weight{Priority: 1, Max: 2}},
		{`{"bwe":false}`, true, Estimation{Asked: true, Max: 7}, sfu.Weight{Priority: 1, Max: 2}},
		{`{"bwe":true,"max_bitrate":600000}`, true, Estimation{Asked: true, On: true, Max: 600000}, sfu.Weight{Priority: 1, Max: 600000}},
		{`{"max_bitrate":0}`, true, Estimation{}, sfu.Weight{Priority: 1}},
		{`{"mid":"1","max_bitrate":300000,"priority":255}`, false, Estimation{Max: 7}, sfu.Weight{Priority: 255, Max: 300000}},
		{`{"priority":0}`, false, Estimation{Max: 7}, sfu.Weight{Max: 2}},
	} {
		request := parse(t, tt.request)
		e := Estimation{Max: 7}
		e.Set(request)
		l := NewLayers()
		l.Weight = sfu.Weight{Priority: 1, Max: 2}
		c := Read(request)
		l.Set(c)
		if e != tt.want || l.Weight != tt.weight || Estimates(request) != tt.tells || c.Weighs() != (l.Weight != sfu.Weight{Priority: 1, Max: 2}) {
			t.Errorf("%s: %+v, %+v, tells %v, weighs %v", tt.request, e, l.Weight, Estimates(request), c.Weighs())
		}
	}
	if err := Check(parse(t, `{"priority":256}`), 5); err == nil || err.Code != 5 || !strings.Contains(err.Text, "0 to 255") {
		t.Errorf("a priority of 256: %v", err)
	}
}

// The engine hears of a weight when something is forwarded, and when it changes.
func TestOutputWeighs(t *testing.T) {
	layers := NewLayers()
	out := Output{Section: 3}
	var l ledger
	out.Weigh(nil, &layers)
	layers.Weight = sfu.Weight{Priority: 2, Max: 500}
	out.sync(&l, Input{Origin: new(sfu.Peer)}, false, &layers, NoDelay)
	out.weigh(&l, &layers)
	layers.Weight.Priority = 0
	out.weigh(&l, &layers)
	if got := strings.Join(l.lines, ", "); got != "subscribe 3 to 0 paused=false {-1 -1 -1} 0s, delay 3 -1 -1, share 3 2 500, share 3 0 500" {
		t.Error(got)
	}
}
