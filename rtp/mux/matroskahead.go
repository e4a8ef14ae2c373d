package mux

import (
	"bytes"
	"time"

	"github.com/at-wat/ebml-go"

	"bifrons/rtp/frame"
)

// The elements of Matroska that stand before and behind the clusters (RFC 9559, 5.1).
type (
	ebmlHead struct {
		Version        uint64 `ebml:"EBMLVersion"`
		ReadVersion    uint64 `ebml:"EBMLReadVersion"`
		MaxIDLength    uint64 `ebml:"EBMLMaxIDLength"`
		MaxSizeLength  uint64 `ebml:"EBMLMaxSizeLength"`
		DocType        string `ebml:"EBMLDocType"`
		DocVersion     uint64 `ebml:"EBMLDocTypeVersion"`
		DocReadVersion uint64 `ebml:"EBMLDocTypeReadVersion"`
	}
	seek struct {
		ID       []byte `ebml:"SeekID"`
		Position uint64 `ebml:"SeekPosition,size=8"`
	}
	segmentInfo struct {
		Scale      uint64    `ebml:"TimecodeScale"`
		MuxingApp  string    `ebml:"MuxingApp"`
		WritingApp string    `ebml:"WritingApp"`
		Duration   float64   `ebml:"Duration,omitempty"`
		Date       time.Time `ebml:"DateUTC,size=8,omitempty"`
	}
	trackEntry struct {
		Number       uint64        `ebml:"TrackNumber"`
		UID          uint64        `ebml:"TrackUID"`
		Type         uint64        `ebml:"TrackType"`
		Lacing       uint64        `ebml:"FlagLacing"`
		Name         string        `ebml:"Name,omitempty"`
		Language     string        `ebml:"Language"`
		CodecID      string        `ebml:"CodecID"`
		CodecPrivate []byte        `ebml:"CodecPrivate,omitempty"`
		SeekPreRoll  uint64        `ebml:"SeekPreRoll,omitempty"`
		Video        *videoSetting `ebml:"Video"`
		Audio        *audioSetting `ebml:"Audio"`
	}
	videoSetting struct {
		Interlaced uint64 `ebml:"FlagInterlaced"`
		Width      uint64 `ebml:"PixelWidth"`
		Height     uint64 `ebml:"PixelHeight"`
	}
	audioSetting struct {
		Frequency float64 `ebml:"SamplingFrequency"`
		Channels  uint64  `ebml:"Channels"`
		BitDepth  uint64  `ebml:"BitDepth,omitempty"`
	}
	simpleTag struct {
		Name string `ebml:"TagName"`
		Text string `ebml:"TagString"`
	}
	tag struct {
		Targets struct{}  `ebml:"Targets"`
		Simple  simpleTag `ebml:"SimpleTag"`
	}
	cuePoint struct {
		Time      uint64      `ebml:"CueTime"`
		Positions cuePosition `ebml:"CueTrackPositions"`
	}
	cuePosition struct {
		Track   uint64 `ebml:"CueTrack"`
		Cluster uint64 `ebml:"CueClusterPosition"`
	}
)

// marshal is ebml.Marshal. It fails only for types that it does not know.
func marshal(v any) []byte {
	var b bytes.Buffer
	if err := ebml.Marshal(v, &b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// appendEBML appends the header with the kind of file, and the start of the segment, whose
// size is unknown until the end.
func (m *Matroska) appendEBML(dst []byte) []byte {
	h := ebmlHead{1, 1, 4, 8, "matroska", 4, 2}
	if m.webm {
		h.DocType = "webm"
	}
	dst = append(dst, marshal(&struct {
		Head ebmlHead `ebml:"EBML"`
	}{h})...)
	return append(dst, 0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}

// appendHead appends SeekHead, Info, Tracks and Tags, as far as they are known.
func (m *Matroska) appendHead(dst []byte) []byte {
	info := segmentInfo{Scale: 1e6, MuxingApp: m.info.App, WritingApp: m.info.App, Duration: float64(m.end)}
	if !m.info.Date.IsZero() {
		info.Date = m.info.Date.UTC()
	}
	parts := [][]byte{marshal(&struct {
		Info segmentInfo `ebml:"Info"`
	}{info})}
	type tracks struct {
		Entries []trackEntry `ebml:"TrackEntry"`
	}
	var t tracks
	for i := range m.info.Tracks {
		t.Entries = append(t.Entries, newTrackEntry(i, &m.info.Tracks[i]))
	}
	parts = append(parts, marshal(&struct {
		Tracks tracks `ebml:"Tracks"`
	}{t}))
	if m.info.Comment != "" {
		type tags struct {
			Tag tag `ebml:"Tag"`
		}
		parts = append(parts, marshal(&struct {
			Tags tags `ebml:"Tags"`
		}{tags{tag{Simple: simpleTag{"COMMENT", m.info.Comment}}}}))
	}
	dst = append(dst, m.seekHead(parts)...)
	return append(dst, bytes.Join(parts, nil)...)
}

// seekHead says where the parts behind it are, and the cues.
func (m *Matroska) seekHead(parts [][]byte) []byte {
	type seekHead struct {
		Seek []seek `ebml:"Seek"`
	}
	var h seekHead
	for _, p := range parts {
		h.Seek = append(h.Seek, seek{ID: p[:4]})
	}
	if m.cues.at != 0 {
		h.Seek = append(h.Seek, seek{ID: ebml.ElementCues.Bytes(), Position: uint64(m.cues.at)})
	}
	v := struct {
		Head seekHead `ebml:"SeekHead"`
	}{h}
	at := len(marshal(&v))
	for i, p := range parts {
		h.Seek[i].Position = uint64(at)
		at += len(p)
	}
	return marshal(&v)
}

// newTrackEntry is the description of a track in the file.
func newTrackEntry(i int, t *Track) trackEntry {
	e := trackEntry{Number: uint64(i + 1), UID: uint64(i + 1), Name: t.Name, Language: "und"}
	switch {
	case t.Codec.Video():
		w, h := t.size()
		e.Type, e.Video = 1, &videoSetting{Interlaced: 2, Width: uint64(w), Height: uint64(h)}
		e.CodecPrivate = record(t, true)
	case t.text():
		e.Type, e.CodecID = 0x11, "S_TEXT/UTF8"
		return e
	default:
		e.Type, e.Audio = 2, &audioSetting{Frequency: float64(t.rate()), Channels: uint64(t.channels())}
	}
	switch t.Codec {
	case frame.VP8:
		e.CodecID = "V_VP8"
	case frame.VP9:
		e.CodecID = "V_VP9"
	case frame.AV1:
		e.CodecID = "V_AV1"
	case frame.H264:
		e.CodecID = "V_MPEG4/ISO/AVC"
	case frame.H265:
		e.CodecID = "V_MPEGH/ISO/HEVC"
	case frame.Opus:
		e.CodecID, e.CodecPrivate = "A_OPUS", OpusHead(t.channels())
		e.SeekPreRoll = uint64(80 * time.Millisecond)
	default:
		e.CodecID, e.Audio.BitDepth = "A_PCM/INT/LIT", 16
	}
	return e
}

// appendCues appends the index.
func (m *Matroska) appendCues(dst []byte) []byte {
	var points []cuePoint
	for _, c := range m.cues.list {
		points = append(points, cuePoint{uint64(c.at), cuePosition{uint64(c.track + 1), uint64(c.offset - int64(m.ebml))}})
	}
	if len(points) == 0 {
		return dst
	}
	type list struct {
		Points []cuePoint `ebml:"CuePoint"`
	}
	return append(dst, marshal(&struct {
		Cues list `ebml:"Cues"`
	}{list{points}})...)
}
