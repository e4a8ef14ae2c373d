package audiobridge

import "bifrons/sfu"

type fakeConference struct{}

func (fakeConference) Close()                                {}
func (fakeConference) SetMuted(bool)                         {}
func (fakeConference) Record(func(at sfu.Time, pcm []int16)) {}
func (fakeConference) Join(partyConfig) party                { return fakeParty{} }

type fakeParty struct{}

func (fakeParty) Leave()                       {}
func (fakeParty) Set(partySettings)            {}
func (fakeParty) SetTalking(int, int)          {}
func (fakeParty) SetGroup(int)                 {}
func (fakeParty) Input(sfu.Origin, int, uint8) {}
func (fakeParty) Output(*sfu.Peer, int)        {}
func (fakeParty) Stream() (sfu.Origin, error)  { return theSource, nil }
func (fakeParty) ResetDecoder()                {}
func (fakeParty) Stats() partyStats            { return partyStats{} }

var theSource *sfu.Source

func fake(p *Plugin) {
	p.newConference = func(conferenceConfig, func()) (conference, error) {
		theSource, _ = p.Gateway.Engine().NewSource(sfu.SourceConfig{Tracks: make([]sfu.TrackConfig, 1)}, nil)
		return fakeConference{}, nil
	}
}
