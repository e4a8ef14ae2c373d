package peer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bifrons/api/client"
	"bifrons/rtp"
	"bifrons/rtp/mjr"
)

// RecordedID is the id of the recording that WriteRecording makes.
const RecordedID = 4712

const recordPlugin = "janus.plugin.recordplay"

// WriteRecording makes a recording of media in a folder, for Record&Play.
func WriteRecording(folder string, m Media, length time.Duration) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	camera, microphone := newCamera(m, 1), newMicrophone(m)
	file := func(typ byte, codec string) []byte {
		h := mjr.Header{Type: typ, Codec: codec, Created: time.Now().UnixMicro(), First: time.Now().UnixMicro()}
		return mjr.AppendHeader(mjr.AppendMagic(nil), &h)
	}
	var seq [2]uint16
	frame := func(dst []byte, track int, at time.Duration, rate uint32, payload []byte, marker bool) []byte {
		putTag(payload, 1, 0)
		seq[track]++
		h := rtp.FixedHeader{PayloadType: [2]uint8{audioType, videoType}[track], Marker: marker, SequenceNumber: seq[track],
			Timestamp: uint32(int64(at) * int64(rate) / int64(time.Second)), SSRC: uint32(track + 1)}
		return mjr.AppendFrame(dst, uint32(at.Milliseconds()), append(h.Append(nil), payload...))
	}
	audio, video := file(mjr.Audio, "opus"), file(mjr.Video, "vp8")
	for at := time.Duration(0); at < length; at += time.Second / time.Duration(m.AudioPPS) {
		audio = frame(audio, 0, at, 48000, microphone.next(), false)
	}
	for at := time.Duration(0); at < length; at += time.Second / time.Duration(m.VideoFPS) {
		list := camera.next()
		for i, payload := range list {
			video = frame(video, 1, at, 90000, payload, i == len(list)-1)
		}
	}
	nfo := fmt.Sprintf("[%d]\r\nname = bench\r\nprivate = false\r\ndate = now\r\naudio = a.mjr\r\nvideo = v.mjr\r\n", RecordedID)
	for name, b := range map[string][]byte{"a.mjr": audio, "v.mjr": video, "bench.nfo": []byte(nfo)} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Recorded has the server find the recording of WriteRecording.
func (j *Janus) Recorded(ctx context.Context) error {
	h, err := j.attach(ctx, recordPlugin)
	if err != nil {
		return err
	}
	_, err = h.Ask(ctx, client.Object{"request": "update"}, nil)
	return err
}

// Play receives that.
func (j *Janus) Play(ctx context.Context) (*Negotiation, error) {
	h, err := j.attach(ctx, recordPlugin)
	return j.offered(h, client.Object{"request": "play", "id": RecordedID}), err
}
