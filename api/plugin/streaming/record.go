package streaming

import (
	"slices"
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// recordItem are the fields of an item of the list media.
var recordItem = typed(schema.String, "mid", "filename")

// recordLevels: with a list of media the old fields mean nothing.
func recordLevels(_ *handle, body kit.Args) schema.Levels {
	top, old := typed(schema.Any, "id", "secret", "action", "media"), typed(schema.Any, "audio", "video", "data")
	if !body.Has("media") {
		top = fields(top, old)
	}
	return schema.Levels{Used: []schema.Level{{Fields: top}, {In: "media", Fields: recordItem}}, Unused: fields(old, recordItem)}
}

// recording begins to record streams of a mountpoint, one after the other, or ends that.
// It waits for the file system.
func (p *Plugin) recording(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	var list []recorded
	m, err := p.manage(r.Body, func(m *mountpoint) (err *schema.Error) {
		list, err = m.readRecording(r.Body)
		return err
	})
	if err == nil && m.joint() {
		list, err = m.recordJoint(h.Host, list)
	}
	for i := 0; i < len(list) && err == nil; i++ {
		err = m.record(h.Host, list[i])
	}
	w.Str("streaming", "ok")
	return kit.Response{}, err
}

// recorded is a stream that is to be recorded.
type recorded struct {
	stream int
	name   string // of the file
}

// readRecording reads what a request wants recorded, and ends what it wants ended. The
// lock is held.
func (m *mountpoint) readRecording(body kit.Args) (list []recorded, err *schema.Error) {
	action := body.Lower("action")
	start, kind := action == "start", schema.String
	if !start {
		kind = schema.Bool
	}
	switch {
	case !start && action != "stop":
		return nil, errorf(errInvalidElement, "Invalid action (should be start|stop)")
	case !m.live():
		return nil, errorf(errInvalidRequest, "Recording is only available on RTP-based live streams")
	}
	if err := check(fields(typed(schema.Array, "media"), typed(kind, "audio", "video", "data")), body); err != nil {
		return nil, err
	}
	modern := body.Has("media")
	if !modern && !body.Has("audio") && !body.Has("video") && !body.Has("data") {
		return nil, errorf(errInvalidRequest, "Missing at least one of audio, video and data, or media")
	}
	for _, item := range body.Items("media") {
		i := slices.IndexFunc(m.streams, func(st streamSettings) bool { return strings.EqualFold(st.mid, item.Str("mid")) })
		if name, named := item.Text("filename"); i >= 0 && (named || !start) { // others are of no use
			list = append(list, recorded{i, name})
		}
	}
	for i := range m.streams {
		old := plugin.KindName(m.streams[i].kind)
		if name, named := body.Text(old); !modern && (named || body.Is(old)) {
			list = append(list, recorded{i, name})
		}
	}
	if start {
		return list, nil
	}
	for _, x := range list {
		m.recordings.Stop(x.stream)
	}
	return nil, nil
}

// record begins to record a stream.
func (m *mountpoint) record(host plugin.Host, x recorded) *schema.Error {
	open, err := m.planRecording(host, x)
	if err != nil {
		return err
	}
	if failure := open(); failure != nil {
		return errorf(errCantRecord, "Error starting recorder: %v", failure)
	}
	return nil
}

func (m *mountpoint) planRecording(host plugin.Host, x recorded) (open func() error, err *schema.Error) {
	m.Lock()
	defer m.Unlock()
	if m.destroyed {
		return nil, noSuch(m.id)
	}
	st := &m.streams[x.stream]
	if m.recordings.Records(x.stream) {
		return nil, errorf(errInvalidRequest, "Recording already started for the stream %s", st.mid)
	}
	st.file = x.name
	return m.recordings.Plan(m.recorder(host), m.medium(x.stream)), nil
}

// joint tells whether audio and video go to one file.
func (m *mountpoint) joint() bool { return recording.Joint(m.recordFormat) }

// recordJoint begins to record audio and video to one file, with the name of the first of
// them. It returns what is left to be recorded.
func (m *mountpoint) recordJoint(host plugin.Host, list []recorded) (rest []recorded, err *schema.Error) {
	open, rest, err := m.planJoint(host, list)
	if err != nil || open == nil {
		return rest, err
	}
	if failure := open(); failure != nil {
		return nil, errorf(errCantRecord, "Error starting recorder: %v", failure)
	}
	return rest, nil
}

func (m *mountpoint) planJoint(host plugin.Host, list []recorded) (open func() error, rest []recorded, err *schema.Error) {
	m.Lock()
	defer m.Unlock()
	if m.destroyed {
		return nil, nil, noSuch(m.id)
	}
	var media []recording.Medium
	for _, x := range list {
		st := &m.streams[x.stream]
		if st.kind == sdp.Application {
			rest = append(rest, x)
			continue
		}
		if m.recordings.Records(x.stream) {
			return nil, nil, errorf(errInvalidRequest, "Recording already started for the stream %s", st.mid)
		}
		st.file = x.name
		media = append(media, m.medium(x.stream))
	}
	if len(media) == 0 {
		return nil, rest, nil
	}
	return m.recordings.PlanJoint(m.recorder(host), m.recordFormat, media[0].Name, media), rest, nil
}

func (m *mountpoint) recorder(host plugin.Host) recording.Owner {
	return recording.Owner{Events: &m.plugin.Events, Host: host}
}

// medium is a stream as it is recorded. The lock is held.
func (m *mountpoint) medium(i int) recording.Medium {
	st := &m.streams[i]
	x := recording.Medium{Key: i, Track: i, Name: st.file, Kind: st.kind, E2EE: m.e2ee}
	if st.kind == sdp.Application {
		x.Codec = "text" // binary as well
		return x
	}
	x.Origin, x.Codec, x.Fmtp, x.Lowest = m.src, st.format.ID, st.format.Fmtp, st.simulcast
	return x
}

// reformatted makes the recordings of streams go on in other files that have another
// codec now. The lock is held.
func (m *mountpoint) reformatted() {
	who := m.recorder(m.plugin.Nobody())
	var joint []recording.Medium
	for i := range m.streams {
		switch {
		case !m.recordings.Records(i):
		case m.joint() && m.streams[i].kind != sdp.Application:
			joint = append(joint, m.medium(i))
		default:
			m.recordings.Begin(who, m.medium(i))
		}
	}
	if len(joint) > 0 {
		m.recordings.BeginJoint(who, m.recordFormat, joint[0].Name, joint)
	}
}
