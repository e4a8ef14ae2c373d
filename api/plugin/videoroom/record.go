package videoroom

import (
	"cmp"
	"strconv"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// enableRecording begins to record everybody, or ends that.
func (p *Plugin) enableRecording(r *kit.Request, w *json.Writer) *schema.Error {
	on := r.Body.Is("record")
	return p.rooms.Manage(r.Body, func(room *room) *schema.Error {
		if on != room.record {
			room.record = on
			for _, x := range room.members {
				x.recordings.SetOn(on, x.startRecording)
			}
		}
		w.Str("videoroom", "success")
		w.Bool("record", on)
		return nil
	})
}

// The functions below need room.mu. Files are made without it.

// startRecording starts the recordings that are wanted and not yet running.
func (p *publisher) startRecording() {
	r, from := p.room, p.origin()
	if p.gone || p.answering || from == nil || !p.recordings.On && !r.record {
		return
	}
	who := recording.Owner{Events: &r.plugin.Events, Host: r.plugin.Nobody()}
	if p.h != nil {
		who.Host = p.h.Host
	}
	base := cmp.Or(p.recordings.Base, recording.Base("videoroom-"+r.id+"-user", p.id))
	var media []recording.Medium
	for _, s := range p.streams {
		m := s.medium()
		if s.disabled || !m.Recordable() {
			continue
		}
		if s.kind != sdp.Application {
			m.Origin = from
		}
		m.Name = recording.Path(r.recDir, base+"-"+plugin.KindName(s.kind)+"-"+strconv.Itoa(s.mindex))
		media = append(media, m)
	}
	p.recordings.BeginAs(who, r.recordFormat, recording.Path(r.recDir, base), media)
}

// medium is a stream as it is recorded, but for where to.
func (s *stream) medium() recording.Medium {
	m := recording.Medium{
		Key: s.mindex, Track: s.mindex, Kind: s.kind, Codec: cmp.Or(s.Codec, "text"), Fmtp: s.Fmtp(), Description: s.description,
		E2EE: s.publisher.e2ee, Muted: !s.flows(),
	}
	if s.orientationExt != 0 {
		m.Extensions = map[uint8]string{s.orientationExt: sdp.URIVideoOrientation}
	}
	return m
}
