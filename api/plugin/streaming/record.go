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

// recording begins to record streams of a mountpoint, one after another, or ends that.
// It waits for the file system.
func (p *Plugin) recording(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	var files [][]recorded
	m, err := p.manage(r.Body, func(m *mountpoint) (err *schema.Error) {
		files, err = m.readRecording(r.Body)
		return err
	})
	for i := 0; i < len(files) && err == nil; i++ {
		err = m.record(h.Host, files[i])
	}
	w.Str("streaming", "ok")
	return kit.Response{}, err
}

// recorded is a stream that is to be recorded.
type recorded struct {
	stream int
	name   string // of the file
}

// readRecording reads the recordings that a request wants, file by file, and ends what it wants
// ended. The lock is held.
func (m *mountpoint) readRecording(body kit.Args) (files [][]recorded, err *schema.Error) {
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
	var list []recorded
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
		return m.files(list), nil
	}
	for _, x := range list {
		m.recordings.Stop(x.stream)
	}
	return nil, nil
}

// files are the streams that go to one file each: those with audio and video do together,
// if the format is for that, in the file of the first of them.
func (m *mountpoint) files(list []recorded) (files [][]recorded) {
	joint := -1
	for _, x := range list {
		switch {
		case !recording.Joint(m.recordFormat) || m.streams[x.stream].kind == sdp.Application:
			files = append(files, []recorded{x})
		case joint < 0:
			joint = len(files)
			files = append(files, []recorded{x})
		default:
			files[joint] = append(files[joint], x)
		}
	}
	return files
}

// record begins the recording of one file.
func (m *mountpoint) record(host plugin.Host, file []recorded) *schema.Error {
	open, err := m.planRecording(host, file)
	if err != nil {
		return err
	}
	if failure := open(); failure != nil {
		return errorf(errCantRecord, "Error starting recorder: %v", failure)
	}
	return nil
}

func (m *mountpoint) planRecording(host plugin.Host, file []recorded) (open func() error, err *schema.Error) {
	m.Lock()
	defer m.Unlock()
	if m.Gone {
		return nil, noSuch(m.id)
	}
	media := make([]recording.Medium, len(file))
	for i, x := range file {
		st := &m.streams[x.stream]
		if m.recordings.Records(x.stream) || slices.ContainsFunc(file[:i], func(y recorded) bool { return y.stream == x.stream }) {
			return nil, errorf(errInvalidRequest, "Recording already started for the stream %s", st.mid)
		}
		st.file = x.name
		media[i] = m.medium(x.stream)
	}
	return m.recordings.PlanAs(m.recorder(host), m.recordFormat, media), nil
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
	var media []recording.Medium
	base := ""
	for i := range m.streams {
		if m.recordings.Records(i) {
			media = append(media, m.medium(i))
		}
	}
	if i := slices.IndexFunc(media, func(x recording.Medium) bool { return x.Kind != sdp.Application }); i >= 0 {
		base = media[i].Name
	}
	m.recordings.BeginAs(m.recorder(m.plugin.Nobody()), m.recordFormat, base, media)
}
