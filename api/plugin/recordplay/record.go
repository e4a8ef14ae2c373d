package recordplay

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	kitrec "bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
	"bifrons/sdp"
)

var recordFields = []schema.Field{
	{Name: "name", Type: schema.NonEmptyString, Required: true},
	{Name: "id", Type: schema.Uint},
	{Name: "is_private", Type: schema.Bool},
	{Name: "filename", Type: schema.String},
	{Name: "audiocodec", Type: schema.String},
	{Name: "videocodec", Type: schema.String},
	{Name: "videoprofile", Type: schema.String},
	{Name: "opusred", Type: schema.Bool},
	{Name: "textdata", Type: schema.Bool},
	{Name: "update", Type: schema.Bool},
}

// The codecs that can be recorded, in order of preference.
var (
	audioCodecs = []string{sdp.Opus, sdp.Multiopus, sdp.PCMU, sdp.PCMA, sdp.G722, sdp.L16at48, sdp.L16at16}
	videoCodecs = sdp.DefaultVideoCodecs
)

// The RTP header extensions that are accepted.
var (
	audioExtensions = []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URITransportCC, sdp.URIAudioLevel}
	videoExtensions = []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URITransportCC, sdp.URIVideoOrientation}
)

// maxName is how long the name of a recording may be, in bytes: lists have all of them.
const maxName = 1 << 10

// record records the media of the client's offer, or answers a further offer.
func (h *handle) record(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if r.JSEP == nil || r.JSEP.SDP.Type != sdp.TypeOffer {
		return kit.Fail(errMissingElement, "Missing SDP offer")
	}
	s := h.current()
	switch {
	case s != nil && s.records && r.JSEP.Update:
		return s.renegotiate(r, w), nil
	case s != nil || h.HangingUp():
		return kit.Fail(errInvalidState, "Already recording or playing something")
	case r.JSEP.Update:
		return kit.Fail(errInvalidState, "Not a recording session, can't update")
	}
	if err := codes.Check(recordFields, r.Body); err != nil {
		return kit.Response{}, err
	}
	s, answer, err := h.newRecording(r)
	if err != nil {
		return kit.Response{}, err
	}
	writeResult(w, s.writeRecording)
	return kit.Response{JSEP: answer, After: func() { h.begin(s) }}, nil
}

// current is the handle's job, nil if none.
func (h *handle) current() *job {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	return h.job
}

func (s *job) writeRecording(w *json.Writer) {
	w.Str("status", "recording")
	w.Int("id", s.rec.id)
	w.Bool("is_private", s.rec.private)
}

// newRecording reserves the recording that a request asks for, and makes the answer to the offer. It
// waits for the disk.
func (h *handle) newRecording(r *kit.Request) (*job, *plugin.JSEP, *schema.Error) {
	p := h.plugin
	name := oneLine(r.Body.Str("name"))
	if name == "" || len(name) > maxName {
		return nil, nil, kit.Errorf(errInvalidElement, "Invalid element (name has no or more than %d bytes)", maxName)
	}
	base, err := p.base(r.Body.Str("filename"))
	if err != nil {
		return nil, nil, err
	}
	s := &job{h: h, records: true, chat: -1, e2ee: r.JSEP.E2EE, owner: kitrec.Owner{Events: &p.Events, Host: h.Host}}
	answer := sdp.Answer(r.JSEP.SDP, answerOptions(r.Body))
	s.agree(answer, r.Body)
	id, _ := r.Body.Number("id")
	s.rec = &recording{info: info{
		id: id, name: name, private: r.Body.FlagOr("is_private", p.general.Private), date: time.Now().Format(dateLayout),
	}}
	there := s.there()
	if !there[audio] && !there[video] {
		return nil, nil, kit.Errorf(errInvalidSDP, "Neither audio nor video that can be recorded")
	}
	for _, m := range s.media {
		i := medium(m.Kind)
		s.rec.codecs[i] = m.Codec
		s.rec.red = s.rec.red || m.RED != 0
	}
	if err := p.reserve(s.rec, base, there); err != nil {
		return nil, nil, err
	}
	for i := range s.media {
		s.media[i].Name = kitrec.Path(p.folder, s.rec.files[medium(s.media[i].Kind)])
		if !p.Gateway.MayWrite(s.media[i].Name + mjrExtension) {
			p.forget(s.rec)
			return nil, nil, kit.Errorf(errUnknown, "The folder of the recordings is protected")
		}
	}
	answer.Name = s.title()
	p.mu.Lock()
	defer p.mu.Unlock()
	h.job = s
	return s, &plugin.JSEP{SDP: answer, E2EE: s.e2ee}, nil
}

// forget takes a recording out that there is not after all.
func (p *Plugin) forget(r *recording) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(r)
}

// medium is the index of a kind.
func medium(k sdp.Kind) int {
	switch k {
	case sdp.Audio:
		return audio
	case sdp.Video:
		return video
	}
	return data
}

// there says which media are recorded.
func (s *job) there() (there [numMedia]bool) {
	for _, m := range s.media {
		there[medium(m.Kind)] = true
	}
	return there
}

// base is the prefix of the names of a recording's files, from the folder of all; ""
// = the usual. Clients may name what is in that folder, folders in it included, which are
// made.
func (p *Plugin) base(filename string) (string, *schema.Error) {
	if filename == "" {
		return "", nil
	}
	base := filepath.Clean(filename)
	if filepath.IsAbs(base) {
		for _, folder := range []string{p.folder, p.general.Path} {
			if rel, err := filepath.Rel(folder, base); err == nil && filepath.IsLocal(rel) {
				base = rel
			}
		}
	}
	if !filepath.IsLocal(base) || base == "." || strings.HasSuffix(filename, "/") || oneLine(base) != base {
		return "", kit.Errorf(errInvalidElement, "Invalid element (filename is none in the folder of the recordings)")
	}
	root, err := os.OpenRoot(p.folder)
	if err == nil {
		defer root.Close()
		err = root.MkdirAll(filepath.Dir(base), 0o755) // not by links that lead out of it
	}
	if err != nil {
		return "", kit.Errorf(errInvalidElement, "Invalid element (filename is in no folder that can be made)")
	}
	return filepath.ToSlash(base), nil
}

// answerOptions accept the first audio and video that the client sends, and data.
func answerOptions(body kit.Args) sdp.AnswerOptions {
	var seen [numMedia]bool
	return sdp.AnswerOptions{Choose: func(_ int, s *sdp.Section) sdp.SectionChoice {
		m := medium(s.Kind)
		first := !seen[m]
		seen[m] = true
		if m == data {
			return sdp.SectionChoice{Reject: !first}
		}
		c := sdp.SectionChoice{NoSend: true, Reject: !first || !s.Direction.Sends()}
		if m == audio {
			c.Extensions, c.OpusRED = audioExtensions, body.Is("opusred")
			c.Codecs = wanted(body.Lower("audiocodec"), audioCodecs)
		} else {
			c.Extensions, c.Profile = videoExtensions, body.Str("videoprofile")
			c.Codecs = wanted(body.Lower("videocodec"), videoCodecs)
		}
		return c
	}}
}

// wanted are the codecs to look for: one that can be insisted on, or all.
func wanted(codec string, known []string) []string {
	if slices.Contains(known, codec) {
		return []string{codec}
	}
	return known
}

// agree applies the outcome of an answer.
func (s *job) agree(answer *sdp.Description, body kit.Args) {
	for i := range answer.Sections {
		a := &answer.Sections[i]
		s.kinds = append(s.kinds, a.Kind)
		m, ok := kitrec.Agreed(a)
		if !ok {
			continue
		}
		m.Key, m.Track, m.E2EE = i, i, s.e2ee
		if a.Kind == sdp.Application {
			if !body.FlagOr("textdata", true) {
				m.Codec = "binary"
			}
			s.chat, m.E2EE = i, false
		}
		s.media = append(s.media, m)
	}
}

// begin makes the files, once the answer is on its way. It waits for the disk.
func (h *handle) begin(s *job) {
	peer := h.Host.Peer()
	if peer == nil { // the answer could not be used
		h.end()
		return
	}
	for _, m := range s.media {
		if m.Kind != sdp.Application {
			m.Origin = peer
		}
		if err := s.set.Start(s.owner, m); err != nil {
			h.plugin.Gateway.Logger().Error("not recorded", "recording", s.rec.id, "file", m.Name+mjrExtension, "error", err)
			continue
		}
		s.made[medium(m.Kind)] = s.found(m)
	}
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if !s.made[audio] && !s.made[video] {
		h.ClosePeer()
		return
	}
	h.limit()
	h.notifyMedia(s, "recording", s.made)
}

// found notes which file a medium is recorded to: it has a number if somebody else records to
// one of its name. It is false if the recording has been stopped already.
func (s *job) found(m kitrec.Medium) bool {
	path := s.set.FinalPath(m.Key)
	if path == "" {
		return false
	}
	i := medium(m.Kind)
	s.files[i] = s.rec.files[i] + strings.TrimPrefix(strings.TrimSuffix(path, mjrExtension), m.Name)
	return true
}

// renegotiate answers a further offer. The recorded media stay the same.
func (s *job) renegotiate(r *kit.Request, w *json.Writer) kit.Response {
	o := answerOptions(r.Body)
	choose := o.Choose
	o.Choose = func(i int, offered *sdp.Section) sdp.SectionChoice {
		c := choose(i, offered)
		for _, m := range s.media {
			if m.Key == i && m.Kind == offered.Kind && m.Codec != "" && m.Kind != sdp.Application {
				c.Codecs, c.OpusRED = []string{m.Codec}, m.RED != 0
			}
		}
		return c
	}
	o.Name = s.title()
	writeResult(w, s.writeRecording)
	return kit.Response{JSEP: &plugin.JSEP{SDP: sdp.Answer(r.JSEP.SDP, o), E2EE: s.e2ee, Restart: r.Body.Is("update")}}
}

// finishLimit is how long the end of a connection waits for its files: who hears of the
// end may list and play the recording at once.
const finishLimit = 2 * time.Second

// finish ends the recording, and makes it one that can be played. It waits for the disk,
// but not longer than finishLimit.
func (s *job) finish() {
	whole, done := make(chan struct{}), make(chan struct{})
	s.set.StopAll(func() { close(whole) })
	p := s.h.plugin
	p.tasks.Go(func() {
		defer task.Contain(p.Gateway.Logger(), "the end of a recording", nil)
		defer close(done)
		<-whole
		s.complete()
	})
	late := time.NewTimer(finishLimit)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		p.Gateway.Logger().Warn("recording is slow to be written", "recording", s.rec.id)
	}
}

// complete writes the .nfo file, and puts the recording into the index in place of the one
// that was being made.
func (s *job) complete() {
	p, r := s.h.plugin, *s.rec
	r.finished = true
	r.files = s.files
	for i, made := range s.made {
		if !made {
			r.codecs[i] = ""
		}
	}
	r.red = r.red && s.made[audio]
	usable := s.made[audio] || s.made[video]
	if usable {
		if err := p.writeNFO(&r.info); err != nil {
			p.Gateway.Logger().Error("recording without its .nfo file", "recording", r.id, "error", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(s.rec)
	if usable {
		_ = p.insert(&r) // in the place that was just made free
	}
}

// writeNFO writes the .nfo file of a recording, whole or not at all.
func (p *Plugin) writeNFO(n *info) error {
	f, err := os.CreateTemp(p.folder, ".nfo-")
	if err != nil {
		return err
	}
	_, err = f.Write(appendNFO(nil, n))
	if err == nil {
		err = f.Chmod(fs.FileMode(0o644))
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(p.folder, itoa(n.id)+nfoExtension))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
