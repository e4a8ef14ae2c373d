package replay

import (
	"slices"
	"time"

	"bifrons/dtls/srtp"
)

// DefaultReceivers are the receivers that show most of the content of a capture.
func (d *Description) DefaultReceivers(in *Input) []Receiver {
	part := func(n int) int { return int(in.Length/time.Millisecond) * n / 8 }
	list := []Receiver{
		{Name: "highest"},
		{Name: "away", Shard: 1},
		{Name: "late", JoinMS: part(3), Profile: srtp.AES128CMSHA180.String()},
		{Name: "losing", Loss: 0.05},
		{Name: "losing-no-rtx", Loss: 0.05, NoRTX: true},
	}
	if !d.layered() {
		return list
	}
	low, middle, high := int8(0), int8(1), int8(-1)
	to := func(eighth int, layer, temporal *int8) Step {
		return Step{AtMS: part(eighth), Encoding: layer, Spatial: layer, Temporal: temporal}
	}
	restless := Receiver{Name: "restless"}
	for i := range 40 {
		step := Step{AtMS: int(in.Length/time.Millisecond) * i / 40, Temporal: &low}
		if i%2 == 1 {
			step.Temporal = &high
		}
		if i%8 >= 4 {
			step.Encoding, step.Spatial = &low, &low
		}
		restless.Steps = append(restless.Steps, step)
	}
	return append(list, restless,
		Receiver{Name: "lowest", Steps: []Step{to(0, &low, &low)}},
		Receiver{Name: "changing", Steps: []Step{to(0, &low, nil), to(1, &high, nil), to(3, &middle, nil), to(5, &low, nil), to(6, &high, nil)}},
		Receiver{Name: "slow", Steps: []Step{to(0, nil, &low), to(2, nil, &high), to(4, nil, &low), to(6, nil, &middle)}},
		Receiver{Name: "changing-away", Shard: 1, Steps: []Step{to(0, &high, nil), to(2, &low, nil), to(5, &high, nil)}},
	)
}

// layered reports whether there is a choice of layers.
func (d *Description) layered() bool {
	return slices.ContainsFunc(d.Sections, func(s Section) bool { return s.SVC || s.simulcast() })
}

func sortSSRCs(list []uint32) { slices.Sort(list) }
