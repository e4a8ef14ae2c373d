package recording

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// known are the header extensions that are of use to those who read a file.
var known = map[sdp.Kind]string{sdp.Audio: sdp.URIAudioLevel, sdp.Video: sdp.URIVideoOrientation}

// Agreed is the medium of a section as a description has it in which codecs are agreed
// on; false if there is none. What is left to say is where it comes from and where it goes.
func Agreed(s *sdp.Section) (m Medium, ok bool) {
	if s.Rejected() {
		return m, false
	}
	m.Kind = s.Kind
	switch s.Kind {
	case sdp.Application:
		m.Codec = "text" // whatever is sent
		return m, true
	case sdp.Audio, sdp.Video:
	default:
		return m, false
	}
	for i := range s.Codecs {
		c := &s.Codecs[i]
		if c.ID() == sdp.RED {
			m.RED = c.PT
			continue
		}
		m.Codec, m.Fmtp = c.ID(), c.Fmtp
		break
	}
	if id := s.ExtensionID(known[s.Kind]); id != 0 {
		m.Extensions = map[uint8]string{id: known[s.Kind]}
	}
	return m, m.Codec != ""
}

// Base is the name of recordings for which a client has none: of a plugin, with what tells
// them apart, and the time. It leads to no other folder, whatever clients call themselves.
// The names of the media follow, see Medium.NameIn.
func Base(name string, apart any) string {
	base := fmt.Sprintf("%s-%v-%d", name, apart, time.Now().UnixMicro())
	return strings.NewReplacer("/", "_", "\x00", "_").Replace(base)
}

// NameIn names the file of a medium, of which its client has one of each kind.
func (m *Medium) NameIn(base string) { m.Name = base + "-" + plugin.KindName(m.Kind) }

// StartAll begins to record the media that are not recorded yet; one that has another codec now
// goes on in another file. If one of the files cannot be
// made, none is; the log and event handlers are told. Like Start it waits, and the text of the
// error is for clients.
func (s *Set) StartAll(who Owner, media []Medium) error {
	var begun []int
	for _, m := range media {
		err := s.Start(who, m)
		if errors.Is(err, ErrRecording) {
			continue
		}
		if err == nil {
			begun = append(begun, m.Key)
			continue
		}
		for _, key := range begun {
			s.Stop(key)
		}
		return who.told(m.Name+extension, err)
	}
	return nil
}

// SetOrigin makes the recording of a medium go on with another origin, nil = none for now.
func (s *Set) SetOrigin(key int, o sfu.Origin, track int) {
	s.do(key, func(e *slot) { e.follow(o, track) })
}
