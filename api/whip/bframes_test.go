package whip

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// lines is a log in memory.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), words)
}

// TestBFrames publishes H.264 with pictures in the order of an encoder with B-frames: the log
// says so.
func TestBFrames(t *testing.T) {
	var log lines
	l := newLab(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Endpoints: []Endpoint{{ID: "x", Room: "4"}}})
	p := webrtctest.NewReceiver(t, webrtctest.Options{})
	track := p.NewTrack(webrtc.MimeTypeH264, "video", "")
	p.Must(p.AddTrack(track, &webrtctest.Source{Track: track}))
	r := l.want(l.do("POST", "/whip/endpoint/x", sendOnly(p.Offer(nil)), asSDP), 201, "H264")
	p.Accept(r.text)
	p.AwaitConnected()
	pictures := []struct {
		shown uint32
		nal   byte // its type with nal_ref_idc
	}{{0, 0x65}, {3, 0x61}, {1, 0x01}, {2, 0x01}} // I P B B, as sent
	n := 0
	waittest.UntilEvery(t, 10*time.Millisecond, waittest.Patience, "B-frames are told of", func() bool {
		group, x := n/len(pictures), pictures[n%len(pictures)]
		p.Must(track.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: uint16(n), Timestamp: 90000 + (uint32(4*group)+x.shown)*3600},
			Payload: []byte{x.nal, 0x88, 0x84, 0x00, 0x10},
		}))
		n++
		return log.has("has B-frames")
	})
}
