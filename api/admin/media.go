package admin

import (
	"cmp"
	"slices"
	"strconv"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

func profileName(d *sfu.Association) string {
	if d.Profile.Valid() {
		return "SRTP_" + d.Profile.String()
	}
	return "none"
}

// writeExtensions writes the ids of the header extensions of all sections.
func (v *view) writeExtensions(w *json.Writer) {
	var all media.ExtensionIDs
	for i := range v.s.Sections {
		x := &v.s.Sections[i].Ext
		all = media.ExtensionIDs{
			MID: cmp.Or(all.MID, x.MID), RID: cmp.Or(all.RID, x.RID),
			RepairedRID: cmp.Or(all.RepairedRID, x.RepairedRID), AudioLevel: cmp.Or(all.AudioLevel, x.AudioLevel),
			VideoOrientation:     cmp.Or(all.VideoOrientation, x.VideoOrientation),
			AbsSendTime:          cmp.Or(all.AbsSendTime, x.AbsSendTime),
			TransportSequence:    cmp.Or(all.TransportSequence, x.TransportSequence),
			PlayoutDelay:         cmp.Or(all.PlayoutDelay, x.PlayoutDelay),
			DependencyDescriptor: cmp.Or(all.DependencyDescriptor, x.DependencyDescriptor),
			AbsCaptureTime:       cmp.Or(all.AbsCaptureTime, x.AbsCaptureTime),
			VideoLayers:          cmp.Or(all.VideoLayers, x.VideoLayers),
		}
	}
	w.Object("extensions")
	for _, e := range []struct {
		uri string
		id  uint8
	}{
		{sdp.URIMID, all.MID}, {sdp.URIRID, all.RID}, {sdp.URIRepairedRID, all.RepairedRID},
		{sdp.URIAbsSendTime, all.AbsSendTime}, {sdp.URITransportCC, all.TransportSequence},
		{sdp.URIAudioLevel, all.AudioLevel}, {sdp.URIVideoOrientation, all.VideoOrientation},
		{sdp.URIPlayoutDelay, all.PlayoutDelay}, {sdp.URIDependencyDescriptor, all.DependencyDescriptor},
		{sdp.URIAbsCaptureTime, all.AbsCaptureTime}, {sdp.URIVideoLayers, all.VideoLayers},
	} {
		if e.id > 0 {
			w.Int(e.uri, int64(e.id))
		}
	}
	w.End()
}

func (v *view) writeMedia(w *json.Writer) {
	w.Object("media")
	for i := range v.s.Sections {
		s := &v.s.Sections[i]
		var d janus.SectionDescription
		if s.Index < len(v.d.Sections) {
			d = v.d.Sections[s.Index]
		}
		w.Object(cmp.Or(s.MID, strconv.Itoa(s.Index)))
		w.Str("type", s.Kind.String())
		w.Int("mindex", int64(s.Index))
		w.Str("mid", s.MID)
		if s.Kind == media.Data {
			w.Object("stats")
			writeTraffic(w, "in", v.s.DTLS.DataIn)
			writeTraffic(w, "out", v.s.DTLS.DataOut)
			w.Uint("lost", v.s.DTLS.DataLost)
			w.End()
		} else {
			v.writeStream(w, s, &d)
		}
		w.End()
	}
	w.End()
}

func (v *view) writeStream(w *json.Writer, s *sfu.SectionSnapshot, d *janus.SectionDescription) {
	if d.LocalStream != "" || d.RemoteStream != "" {
		w.Object("msid")
		w.OptStr("local-stream", d.LocalStream)
		w.OptStr("local-track", d.LocalTrack)
		w.OptStr("remote-stream", d.RemoteStream)
		w.OptStr("remote-track", d.RemoteTrack)
		w.End()
	}
	w.Bool("do_nacks", s.NACK)
	queue := int64(0)
	if v.s.Up {
		queue = v.admin.core.Tuning().MinNackQueue.Milliseconds()
	}
	w.Int("nack-queue-ms", queue)
	writeSSRCs(w, s)
	writeRIDs(w, s, d)
	w.Object("direction")
	w.Bool("send", s.Send)
	w.Bool("recv", s.Receive)
	w.End()
	writeCodecs(w, s, d)
	writeRTCP(w, s)
	if s.Share != nil && s.Kind == media.Video {
		writeShare(w, s.Share, s.Layer)
	}
	if s.Kind == media.Video && s.Send && (s.Sent.Packets > 0 || s.Share != nil) {
		writeLayers(w, s, v.s.Line)
	}
	w.Object("stats")
	writeIn(w, s)
	writeOut(w, s)
	w.End()
}

// writeSSRCs writes those of the remote as they came, or else as announced.
func writeSSRCs(w *json.Writer, s *sfu.SectionSnapshot) {
	w.Object("ssrc")
	w.OptUint("ssrc", uint64(s.SSRC))
	w.OptUint("ssrc-rtx", uint64(s.RTXSSRC))
	peers := [media.MaxEncodings]string{"ssrc-peer", "ssrc-peer-sim-1", "ssrc-peer-sim-2"}
	var ssrcs, repairs [media.MaxEncodings]uint32
	for i := range ssrcs {
		if i < len(s.Encodings) {
			ssrcs[i], repairs[i] = s.Encodings[i].SSRC, s.Encodings[i].RTXSSRC
		}
		ssrcs[i] = cmp.Or(s.Received[i].SSRC, ssrcs[i])
		repairs[i] = cmp.Or(s.Received[i].RTXSSRC, repairs[i])
	}
	for i, name := range peers {
		w.OptUint(name, uint64(ssrcs[i]))
	}
	for i, name := range peers {
		w.OptUint(name+"-rtx", uint64(repairs[i]))
	}
	w.End()
}

func writeRIDs(w *json.Writer, s *sfu.SectionSnapshot, d *janus.SectionDescription) {
	if len(d.RIDs) == 0 {
		return
	}
	w.Object("rid-simulcast")
	writeStrings(w, "rid", d.RIDs)
	w.Int("rid-ext-id", int64(s.Ext.RID))
	if id := s.Ext.RepairedRID; id != 0 {
		w.Int("ridrtx-ext-id", int64(id))
	}
	w.Str("rid-order", d.RIDOrder)
	if d.Legacy {
		w.Str("rid-syntax", "legacy")
	}
	w.End()
}

// writeCodecs writes the codecs in use, once there were packets.
func writeCodecs(w *json.Writer, s *sfu.SectionSnapshot, d *janus.SectionDescription) {
	c := s.Codec
	if c.ClockRate == 0 {
		return
	}
	find := func(name media.CodecName) (media.Codec, bool) {
		i := slices.IndexFunc(s.Codecs, func(c media.Codec) bool { return c.Name == name })
		if i < 0 {
			return media.Codec{}, false
		}
		return s.Codecs[i], true
	}
	red, hasRED := find(media.RED)
	if opus, ok := find(media.Opus); ok && c.Name == media.RED {
		c = opus // which is in there
	}
	w.Object("codecs")
	w.Int("pt", int64(c.PayloadType))
	if hasRED {
		w.Int("opus-red-pt", int64(red.PayloadType))
	}
	if c.RTX != 0 {
		w.Int("rtx-pt", int64(c.RTX))
	}
	w.OptStr("codec", d.Codec(c.PayloadType))
	w.End()
}

var rtcpNames = [media.MaxEncodings]string{"main", "sim1", "sim2"}

func writeRTCP(w *json.Writer, s *sfu.SectionSnapshot) {
	w.Object("rtcp")
	for i := range s.Received {
		r := &s.Received[i]
		out := sfu.Sent{Link: 100, Media: 100}
		if i == 0 {
			out = s.Sent
		} else if r.SSRC == 0 {
			continue
		}
		in := *r
		if r.SSRC == 0 {
			in.Link, in.Media = 100, 100
		}
		w.Object(rtcpNames[i])
		w.Uint("base", uint64(s.Rate()))
		if i == 0 {
			w.Int("rtt", janus.Milliseconds(out.RTT))
		}
		w.Int("lost", int64(in.Lost))
		w.Int("lost-by-remote", int64(out.Lost))
		w.Int("jitter-local", janus.Milliseconds(in.Jitter))
		w.Int("jitter-remote", janus.Milliseconds(out.Jitter))
		w.Int("in-link-quality", int64(in.Link))
		w.Int("in-media-link-quality", int64(in.Media))
		w.Int("out-link-quality", int64(out.Link))
		w.Int("out-media-link-quality", int64(out.Media))
		w.End()
	}
	w.End()
}

// writeIn writes the received media, with the received NACKs.
func writeIn(w *json.Writer, s *sfu.SectionSnapshot) {
	w.Object("in")
	r := &s.Received[0]
	writeReceived(w, r)
	if s.NACK {
		w.Uint("nacks", s.Sent.NACKs)
		w.Uint("retransmissions", r.Retransmissions)
	}
	for i, name := range []string{1: "video-simulcast-1", 2: "video-simulcast-2"} {
		if r := &s.Received[i]; name != "" && r.SSRC != 0 {
			w.Object(name)
			writeReceived(w, r)
			if s.NACK {
				w.Uint("nacks", 0) // we send one stream
			}
			w.End()
		}
	}
	w.End()
}

func writeReceived(w *json.Writer, r *sfu.Received) {
	w.Uint("packets", r.Packets)
	w.Uint("bytes", r.Bytes)
	w.Int("bytes_lastsec", int64(r.BytesLastSecond))
	w.OptTrue("b-frames", r.Reordered)
}

// writeOut writes the sent media, NACKs included.
func writeOut(w *json.Writer, s *sfu.SectionSnapshot) {
	w.Object("out")
	w.Uint("packets", s.Sent.Packets)
	w.Uint("bytes", s.Sent.Bytes)
	w.Int("bytes_lastsec", int64(s.Sent.BytesLastSecond))
	var nacks uint64
	for i := range s.Received {
		nacks += s.Received[i].NACKs
	}
	w.Uint("nacks", nacks)
	w.End()
}
