package recording

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bifrons/api/plugin"
	"bifrons/api/task"
	"bifrons/sfu"
)

// Format reports whether files can have a format: "mjr" or "", one for each medium, or one
// that players open, with audio and video of a participant in one file.
func Format(name string) bool { return name == "" || name == "mjr" || sfu.LiveContainer(name) }

// Joint reports whether files of a format have several media.
func Joint(format string) bool { return sfu.LiveContainer(format) }

// FormatSetting is a setting that says in which format there are recordings.
type FormatSetting struct{ To *string }

func (f FormatSetting) String() string { return *f.To }

// Set implements kit.Value.
func (f FormatSetting) Set(text string) (accepted, effect string) {
	if text = strings.ToLower(text); !Format(text) {
		return "mjr, webm, mkv or mp4", "taken as mjr"
	}
	if *f.To = text; !Joint(text) {
		*f.To = ""
	}
	return "", ""
}

// jointKey is the key of parts for files of several media.
const jointKey = -1

// app is the name of the program that wrote a file.
const app = "bifrons"

// BeginJoint begins to record audio and video to one file, of a format for which Joint is
// true, without waiting: locks may be held. name is its path without extension. Media that
// are in it already go on from their origins; with more of them, or other codecs, another
// file begins. A failure is logged and reported to event handlers.
func (s *Set) BeginJoint(who Owner, format, name string, media []Medium) {
	open := s.PlanJoint(who, format, name, media)
	if open == nil {
		return
	}
	go func() {
		defer task.Contain(who.Events.Gateway.Logger(), "the begin of a recording", s.stopJoint)
		_ = who.told(name+"."+format, open())
	}()
}

// StartJoint is BeginJoint, but waits for the file system. The error is for clients.
func (s *Set) StartJoint(who Owner, format, name string, media []Medium) error {
	open := s.PlanJoint(who, format, name, media)
	if open == nil {
		return nil
	}
	return who.told(name+"."+format, open())
}

// told logs, and reports to event handlers, that a recording does not begin, if there is an
// error.
func (o Owner) told(path string, err error) error {
	if err == nil {
		return nil
	}
	o.Events.Gateway.Logger().Warn("not recorded", "file", path, "session", o.Host.SessionID(), "handle", o.Host.HandleID(), "error", err)
	o.Tell(path, err)
	return fmt.Errorf("%s: %w", path, err)
}

// PlanJoint takes the place of a recording of several media; locks may be held. open is
// the rest, waits for the file system, and has to be called. nil = nothing is to be opened.
func (s *Set) PlanJoint(who Owner, format, name string, media []Medium) (open func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(media) == 0 || s.goesOn(media) {
		return nil
	}
	var list []*slot
	before := slices.Clone(s.list)
	s.endJoint()
	for i := range media {
		m := &media[i]
		if old := s.find(m.Key); old != nil {
			s.end(old)
		}
		e := &slot{key: m.Key, kind: m.Kind, codec: m.Codec, muted: m.Muted, track: i, joint: true, origin: m.Origin, from: m.Track}
		e.kept = slices.ContainsFunc(before, func(o *slot) bool { return o.joint && o.key == e.key && o.codec == e.codec })
		s.list = append(s.list, e)
		list = append(list, e)
	}
	next := s.next(jointKey, name)
	return func() error { return s.openJoint(who, format, name, list, media, next) }
}

// goesOn gives media that are in a joint file new origins. It is false if some are not in
// it. mu is held.
func (s *Set) goesOn(media []Medium) bool {
	for i := range media {
		if e := s.find(media[i].Key); e == nil || !e.joint || e.codec != media[i].Codec {
			return false
		}
	}
	for i := range media {
		m := &media[i]
		s.find(m.Key).follow(m.Origin, m.Track)
	}
	return true
}

// openJoint makes the file, after those that end. If that fails, the media that had one
// before get another one.
func (s *Set) openJoint(who Owner, format, name string, list []*slot, media []Medium, next bool) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	err := s.openTracks(who, format, name, list, media, next)
	if err == nil {
		return nil
	}
	if list, media = s.keep(list, media); len(list) > 0 {
		err = errors.Join(err, s.openTracks(who, format, name, list, media, next))
	}
	s.keep(list, media)
	return err
}

// keep leaves of media whose file could not be made those that had one before, once; the
// others are not recorded any more.
func (s *Set) keep(list []*slot, media []Medium) (kept []*slot, of []Medium) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range list {
		switch {
		case !s.has(e) || e.file != nil:
		case e.kept:
			e.kept, e.track = false, len(kept)
			kept, of = append(kept, e), append(of, media[i])
		default:
			s.remove(e)
		}
	}
	return kept, of
}

// openTracks makes the file of slots that are still wanted.
func (s *Set) openTracks(who Owner, format, name string, list []*slot, media []Medium, next bool) error {
	paused, wanted := s.jointState(list, media)
	if !wanted {
		return nil
	}
	file, err := openLive(who, format, name, media, paused, next)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left := false
	for i, e := range list {
		if !s.has(e) {
			file.SetOrigin(i, nil, 0)
			continue
		}
		left = true
		e.file = file
		file.SetOrigin(i, e.origin, e.from)
		file.SetMuted(i, e.muted)
	}
	if file.SetPaused(s.paused); !left {
		file.Close()
	}
	return nil
}

// jointState is how a recording is to begin, if any of its media are still wanted.
func (s *Set) jointState(list []*slot, media []Medium) (paused, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range list {
		media[i].Muted, media[i].Origin, media[i].Track = e.muted, e.origin, e.from
		wanted = wanted || s.has(e)
	}
	return s.paused, wanted
}

// openLive makes a file that players open.
func openLive(who Owner, format, name string, media []Medium, paused, next bool) (*sfu.Recording, error) {
	var live []sfu.LiveTrack
	var tracks []sfu.RecordTrack
	for i := range media {
		m := &media[i]
		if m.E2EE {
			return nil, fmt.Errorf("media that are encrypted end to end cannot be recorded as %s", format)
		}
		h := m.header()
		live = append(live, sfu.LiveTrack{Codec: h.Codec, Name: cmp.Or(h.Description, plugin.KindName(m.Kind)), RED: h.RED})
		tracks = append(tracks, sfu.RecordTrack{Origin: m.Origin, Track: m.Track, ClockRate: h.Rate(), Muted: m.Muted, Lowest: m.Lowest})
	}
	f, err := sfu.LiveFormat(format, app, live)
	if err != nil {
		return nil, err
	}
	path, err := place(name, "."+format)
	if err != nil {
		return nil, err
	}
	return who.record(sfu.RecordConfig{Path: path, Next: next, Format: f, Paused: paused, Tracks: tracks})
}

// shares reports whether the file of a slot that was taken out has others; mu is held.
func (s *Set) shares(e *slot) bool {
	for _, x := range s.list {
		if e.joint && x.file == e.file {
			return true
		}
	}
	return false
}

// cut ends a slot's part of its file.
func (e *slot) cut() { e.follow(nil, 0) }

// stopJoint ends the file of several media.
func (s *Set) stopJoint() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endJoint()
}

func (s *Set) endJoint() {
	for {
		var e *slot
		for _, x := range s.list {
			if x.joint {
				e = x
			}
		}
		if e == nil {
			return
		}
		s.end(e)
	}
}
