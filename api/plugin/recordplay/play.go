package recordplay

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/plugin/recordplay/reader"
	"bifrons/api/schema"
	"bifrons/api/task"
	"bifrons/rtp/mjr"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// playback is the playing of a job.
type playback struct {
	lines    []line
	version  uint64 // of the last offer
	answered bool
	src      *sfu.Source // nil until it begins
	player   *sfu.Player
}

// line is an m-line with the medium played on it.
type line struct {
	medium int
	header *mjr.Header
	codec  sdp.Codec // without RED
	red    uint8     // payload type of RED in our offer, 0 = it is not offered
	takes  bool      // the client takes RED
}

// The kinds of media, and the types of their files.
var (
	kinds = [numMedia]sdp.Kind{audio: sdp.Audio, video: sdp.Video, data: sdp.Application}
	types = [numMedia]byte{audio: mjr.Audio, video: mjr.Video, data: mjr.Data}
)

// Payload types that we offer.
const (
	audioPT     = 111
	otherOpusPT = 112 // where RED has the former
	otherREDPT  = 63  // where the recorded one is that of video
	videoPT     = 100
)

// play offers a recording to the client.
func (h *handle) play(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if r.JSEP != nil {
		return kit.Fail(errInvalidElement, "A play request can't contain an SDP")
	}
	s, restart := h.current(), r.Body.Is("restart")
	switch {
	case restart && (s == nil || s.records):
		return kit.Fail(errInvalidState, "Not a playout session, can't restart")
	case restart:
		s.version++
		writeResult(w, func(w *json.Writer) {
			w.Str("status", "restarting")
			w.Int("id", s.rec.id)
		})
		return kit.Response{JSEP: &plugin.JSEP{SDP: s.offer(), E2EE: s.e2ee, Restart: true}}, nil
	case s != nil || h.HangingUp():
		return kit.Fail(errInvalidState, "Already recording or playing something")
	}
	id, _ := r.Body.Number("id")
	rec := h.plugin.find(id)
	if rec == nil {
		return kit.Fail(errNoSuch, "No such recording")
	}
	s = &job{h: h, rec: rec}
	broken := s.load()
	if !slices.ContainsFunc(s.lines, func(l line) bool { return l.medium != data }) {
		return kit.Fail(errUnreadable, "Error opening recording files")
	}
	h.set(s)
	writeResult(w, func(w *json.Writer) {
		w.Str("status", "preparing")
		w.Int("id", rec.id)
		if len(broken) > 0 {
			w.Str("warning", "Broken "+strings.Join(broken, " and ")+" file")
		}
	})
	return kit.Response{JSEP: &plugin.JSEP{SDP: s.offer(), E2EE: s.e2ee}, After: func() { h.offered(s) }}, nil
}

// set makes a job the handle's.
func (h *handle) set(s *job) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	h.job = s
}

// offered drops the media that could not be offered.
func (h *handle) offered(s *job) {
	if h.Host.Peer() == nil {
		h.end()
		return
	}
	var there [numMedia]bool
	for _, l := range s.lines {
		there[l.medium] = true
	}
	h.notifyMedia(s, "playout", there)
}

// load reads the headers of a recording's files, and names those that are broken.
func (s *job) load() (broken []string) {
	p := s.h.plugin
	for i, file := range s.rec.files {
		if file == "" {
			continue
		}
		h, err := p.header(file)
		codec, known := offerable(h, i)
		if err != nil || !known {
			p.Gateway.Logger().Warn("recording with a file that cannot be played", "recording", s.rec.id, "file", file, "error", err)
			broken = append(broken, mediaNames[i])
			continue
		}
		s.e2ee = s.e2ee || h.Encrypted
		s.lines = append(s.lines, newLine(i, h, codec))
		s.kinds = append(s.kinds, kinds[i])
	}
	return broken
}

// offerable is the codec of a file, if that has the kind of media that it should have. h may
// be nil.
func offerable(h *mjr.Header, medium int) (c sdp.Codec, ok bool) {
	if h == nil || h.Type != types[medium] {
		return c, false
	}
	if medium == data {
		return c, true
	}
	c, ok = sdp.LookupCodec(h.Codec)
	return c, ok && (c.ID() != sdp.RED && c.ID() != sdp.DTMF)
}

// newLine chooses the payload types of a line.
func newLine(medium int, h *mjr.Header, codec sdp.Codec) line {
	l := line{medium: medium, header: h, codec: codec}
	l.codec.Fmtp = h.Fmtp
	if medium == video {
		l.codec.PT = videoPT
		return l
	}
	if _, static := sdp.StaticCodec(codec.PT); !static || medium == data {
		l.codec.PT = audioPT
	}
	if l.red = h.RED; l.red == 0 || codec.ID() != sdp.Opus {
		l.red = 0
		return l
	}
	switch l.red {
	case audioPT:
		l.codec.PT = otherOpusPT
	case videoPT, videoPT + 1: // and its retransmissions
		l.red = otherREDPT
	}
	return l
}

// offer describes the media to play.
func (s *job) offer() *sdp.Description {
	o := sdp.OfferOptions{Name: s.title(), Version: s.version}
	mid := s.freeID()
	for i := range s.lines {
		l := &s.lines[i]
		x := sdp.OfferSection{Kind: kinds[l.medium], Direction: sdp.SendOnly}
		if l.medium != data {
			x.Codec, x.PT, x.Fmtp, x.RED = l.codec.ID(), l.codec.PT, l.codec.Fmtp, l.red
			x.Extensions = []sdp.Extension{{ID: mid, URI: sdp.URIMID}}
			if id := l.header.ExtensionID(l.extension()); id != 0 && id <= maxExtension {
				x.Extensions = append(x.Extensions, sdp.Extension{ID: id, URI: l.extension()})
			}
		}
		o.Sections = append(o.Sections, x)
	}
	return sdp.Offer(o)
}

// title is the name of the descriptions.
func (s *job) title() string { return "Recording " + itoa(s.rec.id) }

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// maxExtension is the highest id of a header extension in one byte (RFC 8285, 4.2).
const maxExtension = 14

// extension is the URI of the header extension that is played on a line.
func (l *line) extension() string {
	if l.medium == video {
		return sdp.URIVideoOrientation
	}
	return sdp.URIAudioLevel
}

// freeID is the first id that no header extension of the recording has.
func (s *job) freeID() uint8 {
	for id := uint8(1); ; id++ {
		if !slices.ContainsFunc(s.lines, func(l line) bool { return l.header.ExtensionID(l.extension()) == id }) {
			return id
		}
	}
}

// accept applies the outcome of the client's answer, with the lock held.
func (s *job) accept(answer *sdp.Description) {
	s.answered = true
	for i := range s.lines {
		if i >= len(answer.Sections) {
			return
		}
		s.lines[i].takes = slices.ContainsFunc(answer.Sections[i].Codecs, func(c sdp.Codec) bool { return c.ID() == sdp.RED })
	}
}

// proceed begins to play when the client has answered and its connection is up. It waits
// for the disk.
func (h *handle) proceed() {
	h.plugin.mu.Lock()
	s := h.job
	ready := s != nil && !s.records && s.answered && h.up && s.src == nil
	h.plugin.mu.Unlock()
	peer := h.Host.Peer()
	if !ready || peer == nil {
		return
	}
	src, parts, err := s.open(peer.Shard())
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if err != nil {
		h.plugin.Gateway.Logger().Error("recording is not played", "recording", s.rec.id, "error", err)
		h.ClosePeer()
		return
	}
	for i := range s.lines {
		if s.lines[i].medium != data {
			peer.Subscribe(sfu.Subscription{Origin: src, Track: i, Section: i, Target: media.NoLayer})
		}
	}
	s.src, s.player = src, h.plugin.Gateway.Engine().Play(src, parts, false, s.ended)
}

// open makes the source, on a shard, and the player that feeds it.
func (s *job) open(shard int) (*sfu.Source, []sfu.Part, error) {
	p := s.h.plugin
	var tracks []sfu.TrackConfig
	var parts []sfu.Part
	for i := range s.lines {
		l := &s.lines[i]
		t, part, err := l.open(p.folder, s.rec.files[l.medium])
		if err != nil {
			closeParts(parts)
			return nil, nil, err
		}
		part.Track = i
		tracks, parts = append(tracks, t), append(parts, part)
	}
	src, err := p.Gateway.Engine().NewSource(sfu.SourceConfig{Label: s.title(), Shard: shard, Tracks: tracks}, s)
	if err != nil {
		closeParts(parts)
	}
	return src, parts, err
}

func closeParts(parts []sfu.Part) {
	for _, part := range parts {
		_ = part.Reader.Close()
	}
}

// open opens the file of a line.
func (l *line) open(folder, file string) (t sfu.TrackConfig, part sfu.Part, err error) {
	f, err := kit.OpenIn(folder, file+mjrExtension)
	if err != nil {
		return t, part, err
	}
	part.Device = sfu.DeviceOf(f)
	if l.medium == data {
		t.Kind = media.Data
		part.Messages, part.Binary = true, l.header.Codec == "binary"
		part.Reader, err = opened(reader.OpenMessages(f))
	} else {
		t, err = l.track(), nil
		var opus uint8
		if t.Codec.Name == media.RED {
			opus = l.codec.PT
		}
		part.Reader, err = opened(reader.Open(f, opus))
	}
	if err != nil {
		_ = f.Close()
	}
	return t, part, err
}

// opened is a recording as the engine knows it.
func opened[T sfu.MediaReader](t T, err error) (sfu.MediaReader, error) { return t, err }

// track describes the medium of a line to the engine.
func (l *line) track() sfu.TrackConfig {
	t := sfu.TrackConfig{Kind: media.Audio, Encrypted: l.header.Encrypted,
		Codec: media.Codec{Name: media.ParseCodecName(l.codec.Name), PayloadType: l.codec.PT, ClockRate: uint32(l.codec.Clock)}}
	id := l.header.ExtensionID(l.extension())
	switch {
	case l.medium == video:
		t.Kind, t.Ext.VideoOrientation = media.Video, id
	case l.red != 0 && l.takes:
		t.Codec.Name, t.Codec.PayloadType = media.RED, l.red
		fallthrough
	default:
		t.Ext.AudioLevel = id
	}
	return t
}

// linger is how long a connection outlives the recording played on it, so that the client can
// ask again for the last packets, and show what it has buffered.
const linger = 300 * time.Millisecond

// ended ends the connection when all was played.
func (s *job) ended(err error) {
	if err != nil && err != io.EOF {
		s.h.plugin.Gateway.Logger().Warn("recording is damaged, playing ended there", "recording", s.rec.id, "error", err)
	}
	time.AfterFunc(linger, func() {
		defer task.Contain(s.h.plugin.Gateway.Logger(), "the end of a recording that was played", nil)
		s.hangUp()
	})
}

// hangUp closes the connection, if it is still the job's.
func (s *job) hangUp() {
	p := s.h.plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.h.job == s {
		s.h.ClosePeer()
	}
}

// SourceEvent ends the connection when the source has failed.
func (s *job) SourceEvent(e sfu.Event) {
	if e.Kind == sfu.EventClosed {
		s.hangUp()
	}
}

// SourceData plays a message.
func (s *job) SourceData(_ int, binary bool, payload []byte) {
	s.h.plugin.SendData(s.h.Host.Peer(), kit.Message{Label: kit.DataLabel, Binary: binary, Payload: payload})
}

// close ends playing. Files that are still being read are closed soon.
func (s *job) close() {
	if s.player != nil {
		s.player.Stop()
	}
	if s.src != nil {
		s.src.Close()
	}
}
