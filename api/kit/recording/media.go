package recording

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// known are the header extensions that are of use to those who read a file.
var known = map[sdp.Kind]string{sdp.Audio: sdp.URIAudioLevel, sdp.Video: sdp.URIVideoOrientation}

// Agreed is the medium of a section as a description has it in which codecs are agreed
// on; false if there is none. Its origin and file are left to fill in.
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

// Base is the name of recordings for which a client has none: of a plugin, with an
// identifier, and the time. It leads to no other folder, whatever clients call themselves.
// The names of the media follow, see Medium.NameIn.
func Base(name string, apart any) string {
	base := fmt.Sprintf("%s-%v-%d", name, apart, time.Now().UnixMicro())
	return strings.NewReplacer("/", "_", "\x00", "_").Replace(base)
}

// NameIn names the file of a medium, of which its client has one of each kind.
func (m *Medium) NameIn(base string) { m.Name = base + "-" + plugin.KindName(m.Kind) }

// Fields are the fields by which participants have their media recorded.
var Fields = []schema.Field{{Name: "record", Type: schema.Bool}, {Name: "filename", Type: schema.String}}

// Firsts are the first media of each kind, as copies.
func Firsts(media []Medium) (list []Medium) {
	for _, m := range media {
		if !slices.ContainsFunc(list, func(other Medium) bool { return other.Kind == m.Kind }) {
			list = append(list, m)
		}
	}
	return list
}

// Named are copies of media that go to files with a base in common, and muted where media
// of the kind do not go on.
func Named(media []Medium, base string, mutes func(sdp.Kind) bool) []Medium {
	list := slices.Clone(media)
	for i := range list {
		m := &list[i]
		m.NameIn(base)
		m.Muted = m.Kind != sdp.Application && mutes(m.Kind)
	}
	return list
}

// MuteKinds mutes media, or no longer, whose keys are their kinds.
func (s *Set) MuteKinds(mutes func(sdp.Kind) bool) {
	for _, k := range []sdp.Kind{sdp.Audio, sdp.Video} {
		s.SetMuted(int(k), mutes(k))
	}
}

// StartAll begins to record the media that are not recorded yet; one that has another codec now
// goes on in another file. If one of the files cannot be
// made, none is; that is logged and reported to event handlers. Like Start it waits, and the text of the
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

// split parts media of which audio and video go to one file, in a format, from others.
func split(format string, media []Medium) (joint, others []Medium) {
	for _, m := range media {
		if Joint(format) && m.Kind != sdp.Application {
			joint = append(joint, m)
		} else {
			others = append(others, m)
		}
	}
	return joint, others
}

// StartAs is StartAll in a format: if that is for several media, audio and video go to one
// file with the name base, else each to its own.
func (s *Set) StartAs(who Owner, format, base string, media []Medium) error {
	joint, others := split(format, media)
	if err := s.StartJoint(who, format, base, joint); err != nil {
		return err
	}
	return s.StartAll(who, others)
}

// BeginAs is StartAs without waiting, so locks may be held; it is to Begin and BeginJoint
// what that is to StartAll and StartJoint.
func (s *Set) BeginAs(who Owner, format, base string, media []Medium) {
	joint, others := split(format, media)
	for _, m := range others {
		s.Begin(who, m)
	}
	s.BeginJoint(who, format, base, joint)
}

// PlanAs is Plan for what goes to one file in a format: one medium, or several that a
// format for such has in the file of the first.
func (s *Set) PlanAs(who Owner, format string, media []Medium) (open func() error) {
	if joint, _ := split(format, media); len(joint) > 0 {
		return s.PlanJoint(who, format, joint[0].Name, joint)
	}
	return s.Plan(who, media[0])
}

// SetOrigin makes the recording of a medium continue with another origin, nil = none for now.
func (s *Set) SetOrigin(key int, o sfu.Origin, track int) {
	s.do(key, func(e *slot) { e.follow(o, track) })
}
