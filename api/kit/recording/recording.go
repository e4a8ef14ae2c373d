// Package recording records the media of clients to files, as requests to plugins say.
package recording

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/task"
	"bifrons/rtp/mjr"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Errors of Start, besides those of the file system.
var (
	ErrRecording = errors.New("it is recorded already")
	ErrProtected = errors.New("its folder is protected")
)

// extension is that of the files.
const extension = ".mjr"

// Medium is one medium that a client sends, to be recorded to a file of its own.
type Medium struct {
	Key  int    // the plugin's key for it
	Name string // path of the file without its extension, "" = one is made up
	Kind sdp.Kind

	Codec, Fmtp, Description string
	Extensions               map[uint8]string // URIs by id, of those worth knowing
	RED                      uint8            // payload type, 0 = not used
	E2EE                     bool

	Origin sfu.Origin // nil for data, which is given to Message
	Track  int
	Muted  bool
	Lowest bool // of several encodings the lowest is recorded, not the best
}

// Recordable reports whether there are recordings of the medium's codec.
func (m *Medium) Recordable() bool { return mjr.TypeOf(strings.ToLower(m.Codec)) != 0 }

// Path is where a file of a name goes: into the folder, if there is one, whatever the
// name says.
func Path(folder, name string) string {
	if folder == "" || name == "" {
		return name
	}
	return filepath.Join(folder, filepath.Join("/", name))
}

// Owner is who records: a plugin, for a handle or for none (plugin.Nobody).
type Owner struct {
	Events *kit.Events
	Host   plugin.Host
}

// Set are the recordings of a participant, or of whatever else has media. Its methods
// may be called from any goroutine; but for Start none waits. The zero Set is empty.
type Set struct {
	opening sync.Mutex // held while a file is made

	mu     sync.Mutex
	list   []*slot
	parts  map[int]string // name of the latest file, by key
	paused bool
}

// slot is the place of one recording. The Set's lock guards it.
type slot struct {
	key   int
	kind  sdp.Kind
	codec string
	muted bool
	rests bool           // it is paused, beside Set.paused
	file  *sfu.Recording // nil while it is being made
	track int            // in the file
	joint bool           // other media may be in the file
	kept  bool           // of a joint file that is being made: it was in the one before

	origin sfu.Origin // where it comes from, and which track of that
	from   int
	early  []message // that came while the file is being made
	bytes  int       // in early
}

// message is one of a data channel.
type message struct {
	binary  bool
	payload []byte
}

// maxEarly is how many bytes of messages wait for their file.
const maxEarly = 64 << 10

// follow makes a slot continue with another origin, nil = none for now.
func (e *slot) follow(o sfu.Origin, track int) {
	if e.origin, e.from = o, track; e.file != nil {
		e.file.SetOrigin(e.track, o, track)
	}
}

// Start begins to record a medium. It waits for the file system, so no lock of the
// plugin's may be held. Error texts are for clients.
func (s *Set) Start(who Owner, m Medium) error {
	open := s.Plan(who, m)
	if open == nil {
		return ErrRecording
	}
	return open()
}

// Begin is Start without waiting, so locks may be held. A running recording stays as
// it is; but with another codec it goes on in another file. A failure is logged and reported to event handlers.
func (s *Set) Begin(who Owner, m Medium) {
	open := s.Plan(who, m)
	if open == nil {
		return
	}
	go func() {
		defer task.Contain(who.Events.Gateway.Logger(), "the begin of a recording", func() { s.Stop(m.Key) })
		_ = who.told(m.Name+extension, open())
	}()
}

// Plan takes the place of a recording, which can be stopped from now on; locks may be
// held. open is the rest of Start and has to be called; nil = it is recorded already.
func (s *Set) Plan(who Owner, m Medium) (open func() error) {
	e := &slot{key: m.Key, kind: m.Kind, codec: m.Codec, muted: m.Muted, origin: m.Origin, from: m.Track}
	next, ok := s.reserve(e, m.Name)
	if !ok {
		return nil
	}
	return func() error { return s.open(who, e, m, next) }
}

// open makes the file of a reserved slot, one at a time: one that was stopped before has
// ended when the next with its name begins.
func (s *Set) open(who Owner, e *slot, m Medium, next bool) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	paused, wanted := s.state(e, &m)
	if !wanted {
		return nil
	}
	file, err := open(who, m, paused, next)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.has(e) { // it was stopped meanwhile
		if err == nil {
			file.Close()
		}
		return nil
	}
	if err != nil {
		s.remove(e)
		return err
	}
	e.file = file
	file.SetOrigin(0, e.origin, e.from)
	for _, m := range e.early {
		file.Message(0, m.binary, m.payload)
	}
	e.early = nil
	file.SetMuted(0, e.muted)
	file.SetPaused(s.paused || e.rests)
	return nil
}

// state is how a recording is to begin, if it is still wanted.
func (s *Set) state(e *slot, m *Medium) (paused, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Muted, m.Origin, m.Track = e.muted, e.origin, e.from
	return s.paused || e.rests, s.has(e)
}

// header describes a medium.
func (m *Medium) header() sfu.MJRHeader {
	return sfu.MJRHeader{
		Type: plugin.KindName(m.Kind)[0], Codec: strings.ToLower(m.Codec), Fmtp: m.Fmtp, Description: m.Description,
		Extensions: m.Extensions, RED: m.RED, Encrypted: m.E2EE,
	}
}

// open makes the file of a medium, or another one next to it.
func open(who Owner, m Medium, paused, next bool) (*sfu.Recording, error) {
	h := m.header()
	format, err := sfu.MJRFormat(h)
	if err != nil {
		return nil, err
	}
	path, err := place(m.Name, extension)
	if err != nil {
		return nil, err
	}
	return who.record(sfu.RecordConfig{
		Path: path, Next: next, Format: format, Paused: paused,
		Tracks: []sfu.RecordTrack{{
			Origin: m.Origin, Track: m.Track, ClockRate: h.Rate(), Muted: m.Muted, Lowest: m.Lowest,
		}},
	})
}

// record begins a recording.
func (o Owner) record(c sfu.RecordConfig) (*sfu.Recording, error) {
	gw := o.Events.Gateway
	if c.Suffix == "" {
		c.Suffix = gw.RecordingSuffix()
	}
	c.Check = func(path string) error {
		if !gw.MayWrite(path) {
			return ErrProtected
		}
		return nil
	}
	c.Trouble = o.Tell
	return gw.Engine().Record(c)
}

// place is the path of a recording with a name.
func place(name, extension string) (string, error) {
	if name == "" {
		name = fmt.Sprint("janus-recording-", rand.Uint32())
	}
	if strings.HasPrefix(name, " ") || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("the file name %.40q is not allowed", name)
	}
	return name + extension, nil
}

// Tell informs event handlers that writing fails, or works again.
func (o Owner) Tell(path string, err error) {
	o.Events.Notify(o.Host, func(w *json.Writer) {
		if err == nil {
			w.Str("event", "recording-resumed")
			w.Str("file", path)
			return
		}
		w.Str("event", "recording-failed")
		w.Str("file", path)
		w.Str("error", err.Error())
	})
}

// reserve takes a slot, unless there is one with its key. next says that its file is
// another one of that name.
func (s *Set) reserve(e *slot, name string) (next, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.find(e.key); old != nil {
		if old.codec == e.codec {
			return false, false
		}
		s.end(old)
	}
	s.list = append(s.list, e)
	return s.next(e.key, name), true
}

// next reports whether a medium was recorded to a file of that name before, since it was
// stopped last.
func (s *Set) next(key int, name string) bool {
	if s.parts == nil {
		s.parts = make(map[int]string)
	}
	before := s.parts[key]
	s.parts[key] = name
	return name != "" && name == before
}

func (s *Set) find(key int) *slot {
	for _, e := range s.list {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (s *Set) has(e *slot) bool { return s.find(e.key) == e }

func (s *Set) remove(e *slot) {
	for i := range s.list {
		if s.list[i] == e {
			s.list = append(s.list[:i:i], s.list[i+1:]...)
			return
		}
	}
}

// do runs f with the recording of a medium, if it has a file.
func (s *Set) do(key int, f func(e *slot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(key); e != nil {
		f(e)
	}
}

// Message records a message of a data channel, which is copied.
func (s *Set) Message(key int, binary bool, payload []byte) {
	s.do(key, func(e *slot) {
		switch {
		case e.file != nil:
			e.file.Message(e.track, binary, payload)
		case !s.paused && !e.rests && !e.muted && e.bytes+len(payload) < maxEarly:
			e.bytes += len(payload) + 64 // an empty one takes memory, too
			e.early = append(e.early, message{binary, bytes.Clone(payload)})
		}
	})
}

// SetMuted leaves out the packets of a medium, while its time advances.
func (s *Set) SetMuted(key int, muted bool) {
	s.do(key, func(e *slot) {
		e.muted = muted
		if e.file != nil {
			e.file.SetMuted(e.track, muted)
		}
	})
}

// SetPaused stops or resumes all recordings, including those begun later. The
// time of the pause is left out.
func (s *Set) SetPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
	for _, e := range s.list {
		if e.file != nil {
			e.file.SetPaused(paused || e.rests)
		}
	}
}

// Pause stops or resumes the recording of one medium, which has a file of its own. The time of the pause is left out.
func (s *Set) Pause(key int, paused bool) {
	s.do(key, func(e *slot) {
		if e.rests = paused; e.file != nil {
			e.file.SetPaused(paused || s.paused)
		}
	})
}

// Records reports whether a medium is recorded.
func (s *Set) Records(key int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(key) != nil
}

// Any reports whether anything is recorded.
func (s *Set) Any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) > 0
}

// Stop ends the recording of a medium, if there is one.
func (s *Set) Stop(key int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(key)
	delete(s.parts, key)
}

// Break is Stop for a medium that may be recorded again under its name, in another file; a
// file that it shares with others waits for it.
func (s *Set) Break(key int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(key); e != nil && e.joint {
		e.cut()
		return
	}
	s.stop(key)
}

func (s *Set) stop(key int) {
	if e := s.find(key); e != nil {
		s.end(e)
	}
}

func (s *Set) end(e *slot) {
	s.remove(e)
	switch {
	case e.file == nil:
	case s.shares(e):
		e.cut()
	default:
		e.file.Close()
	}
}

// StopAll ends all recordings. then, if not nil, is called on a goroutine of its own
// once the files are whole. Nothing is paused afterwards.
func (s *Set) StopAll(then func()) {
	s.mu.Lock()
	list := s.list
	s.list, s.parts, s.paused = nil, nil, false
	s.mu.Unlock()
	var files []*sfu.Recording
	for _, e := range list {
		if e.file != nil {
			e.file.Close()
			files = append(files, e.file)
		}
	}
	if then == nil {
		return
	}
	go func() {
		for _, f := range files {
			<-f.Done()
		}
		then()
	}()
}

// FinalPath is where the file that a medium is recorded to is once it is whole, "" = there
// is none. Next to others it has a number.
func (s *Set) FinalPath(key int) (path string) {
	s.do(key, func(e *slot) {
		if e.file != nil {
			path = e.file.FinalPath()
		}
	})
	return path
}

// File is the name of the file, without its folder, that a medium is recorded to at
// present, "" = none.
func (s *Set) File(key int) (name string) {
	s.do(key, func(e *slot) {
		if e.file != nil {
			name = e.name()
		}
	})
	return name
}

func (e *slot) name() string { return filepath.Base(e.file.Path()) }

// Write writes the names of the files, without folders, by kind as an object "recording", if
// anything is recorded.
func (s *Set) Write(w *json.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := false
	for _, kind := range []sdp.Kind{sdp.Audio, sdp.Video, sdp.Application} {
		for _, e := range s.list {
			if e.kind != kind || e.file == nil {
				continue
			}
			if !open {
				open = true
				w.Object("recording")
			}
			w.Str(plugin.KindName(kind), e.name())
			break
		}
	}
	if open {
		w.End()
	}
}
