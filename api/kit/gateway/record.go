package gateway

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Stream is one of the four that go through a leg.
type Stream uint8

// The streams: from the client, and from the far end.
const (
	Audio Stream = iota
	Video
	PeerAudio
	PeerVideo
	numStreams
)

// streamNames are those in requests.
var streamNames = [numStreams]string{"audio", "video", "peer_audio", "peer_video"}

// queryNames are those by which the Admin API shows recordings.
var queryNames = [numStreams]string{"audio", "video", "audio-peer", "video-peer"}

// kind is its medium.
func (x Stream) kind() sdp.Kind { return sdp.Kind(x & 1) }

// ofPeer reports whether it comes from the far end.
func (x Stream) ofPeer() bool { return x >= PeerAudio }

// fileName is the name of a recording of the stream. own says how those of the client are called.
func (x Stream) fileName(base, own string) string {
	if x.ofPeer() {
		own = "peer"
	}
	return base + "-" + own + "-" + x.kind().String()
}

// wish is a recording to start as soon as the medium is there.
type wish struct {
	on   [numStreams]bool
	name [numStreams]string
}

// RecordFields are those of a request to record.
var RecordFields = append(schema.Typed(schema.Bool, streamNames[:]...), schema.Field{Name: "filename", Type: schema.String})

// chosen are the streams that a request names.
func chosen(body kit.Args) (on [numStreams]bool, any bool) {
	for x, name := range streamNames {
		on[x] = body.Is(name)
		any = any || on[x]
	}
	return on, any
}

// Record has streams recorded that a request names, from now on or as soon as they are agreed on. base is what their
// names begin with where the client has no filename. A file that cannot be made is logged and reported to event
// handlers. It waits for the file system. code is that of the error if no stream is named.
func (l *Leg) Record(who recording.Owner, body kit.Args, base string, code int) *schema.Error {
	on, any := chosen(body)
	if !any {
		return noStream(code)
	}
	own := "own"
	if name := body.Str("filename"); name != "" {
		base, own = name, "user"
	}
	l.mu.Lock()
	l.owner = who
	for x := range numStreams {
		if on[x] && !l.wish.on[x] {
			l.wish.on[x], l.wish.name[x] = true, x.fileName(base, own)
		}
	}
	media := l.wanted()
	l.mu.Unlock()
	for _, m := range media {
		_ = l.recordings.StartAll(who, []recording.Medium{m}) // it logs failures
	}
	if on[Video] || on[PeerVideo] {
		l.RequestKeyframes(on[Video], on[PeerVideo])
	}
	return nil
}

// StopRecording ends the recordings of the streams that a request names.
func (l *Leg) StopRecording(body kit.Args, code int) *schema.Error {
	on, any := chosen(body)
	if !any {
		return noStream(code)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for x := range numStreams {
		if on[x] {
			l.wish.on[x] = false
			l.recordings.Stop(int(x))
		}
	}
	return nil
}

func noStream(code int) *schema.Error {
	return kit.Errorf(code, "Invalid request (at least one of audio, video, peer_audio and peer_video should be true)")
}

// PauseRecording leaves out the streams that a request names, with the time of the pause, or no longer.
func (l *Leg) PauseRecording(body kit.Args, paused bool, code int) *schema.Error {
	on, any := chosen(body)
	if !any {
		return noStream(code)
	}
	for x := range numStreams {
		if on[x] {
			l.recordings.Pause(int(x), paused)
		}
	}
	if !paused && (on[Video] || on[PeerVideo]) {
		l.RequestKeyframes(on[Video], on[PeerVideo])
	}
	return nil
}

// wanted are the media that are to be recorded and were agreed on. mu is held.
func (l *Leg) wanted() (list []recording.Medium) {
	for x := range numStreams {
		f := l.flows[x.kind()]
		if !l.wish.on[x] || f == nil || l.peer == nil {
			continue
		}
		s := sdp.Section{Kind: x.kind(), Port: 9, Codecs: f.codecs}
		if f.ext.AudioLevel != 0 {
			s.Extensions = append(s.Extensions, sdp.Extension{ID: f.ext.AudioLevel, URI: sdp.URIAudioLevel})
		}
		if f.ext.VideoOrientation != 0 {
			s.Extensions = append(s.Extensions, sdp.Extension{ID: f.ext.VideoOrientation, URI: sdp.URIVideoOrientation})
		}
		m, ok := recording.Agreed(&s)
		if !ok {
			continue
		}
		m.Key, m.Name = int(x), l.wish.name[x]
		m.Origin, m.Track = l.origin(x)
		list = append(list, m)
	}
	return list
}

// followRecordings starts the recordings that are wanted and were not possible before. Recordings follow the media.
// mu is held.
func (l *Leg) followRecordings() {
	for _, m := range l.wanted() {
		l.recordings.SetOrigin(m.Key, m.Origin, m.Track)
		l.recordings.Begin(l.owner, m)
	}
}

// writeRecordings writes the names of the files, if there are any.
func (l *Leg) writeRecordings(w *json.Writer) {
	open := false
	for x, name := range queryNames {
		file := l.recordings.File(x)
		if file == "" {
			continue
		}
		if !open {
			w.Object("recording")
			open = true
		}
		w.Str(name, file)
	}
	if open {
		w.End()
	}
}
