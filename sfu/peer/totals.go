package peer

import "bifrons/sfu/media"

// Observations are the measurements of one shard's peers on their paths.
type Observations struct {
	RTT  *media.Histogram // of sent media, by the remote's reports, in seconds
	Loss *media.Histogram // fraction lost since the report before, 0 to 1
}

// NewObservations makes empty ones.
func NewObservations() Observations {
	return Observations{
		RTT:  media.NewHistogram(1e-6, .001, .002, .005, .01, .02, .05, .1, .2, .3, .5, 1, 2),
		Loss: media.NewHistogram(1e-6, 0, .005, .01, .02, .05, .1, .2, .5),
	}
}

// Add adds counts.
func (c *Counters) Add(d *Counters) {
	for _, sum := range []struct {
		to   *uint64
		plus uint64
	}{
		{&c.PacketsIn, d.PacketsIn}, {&c.BytesIn, d.BytesIn}, {&c.PacketsOut, d.PacketsOut}, {&c.BytesOut, d.BytesOut},
		{&c.Retransmitted, d.Retransmitted}, {&c.NACKsIn, d.NACKsIn}, {&c.NACKsOut, d.NACKsOut},
		{&c.Recovered, d.Recovered}, {&c.PLIsIn, d.PLIsIn}, {&c.PLIsOut, d.PLIsOut},
		{&c.DTLSIn.Packets, d.DTLSIn.Packets}, {&c.DTLSIn.Bytes, d.DTLSIn.Bytes},
		{&c.DTLSOut.Packets, d.DTLSOut.Packets}, {&c.DTLSOut.Bytes, d.DTLSOut.Bytes},
		{&c.Oversize, d.Oversize},
		{&c.ProbesOut.Packets, d.ProbesOut.Packets}, {&c.ProbesOut.Bytes, d.ProbesOut.Bytes},
		{&c.Pauses, d.Pauses}, {&c.LayerSwitches, d.LayerSwitches},
	} {
		*sum.to += sum.plus
	}
}

// Stage is how far a peer connection has come.
type Stage uint8

// Stages of a peer connection.
const (
	StageICE  Stage = iota // no path yet
	StageDTLS              // a path, but no keys
	StageUp                // media may flow
	StageLost              // the path is lost, it may recover
	NumStages = int(iota)
)

func (s Stage) String() string { return [NumStages]string{"ice", "dtls", "up", "lost"}[s] }

// Stage is how far the connection has come.
func (p *Peer) Stage() Stage {
	switch {
	case p.failedAt != 0:
		return StageLost
	case p.up:
		return StageUp
	case p.havePath:
		return StageDTLS
	}
	return StageICE
}
