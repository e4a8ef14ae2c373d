package streaming

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/rtp/waittest"
)

// feed sends packets to the ports of a mountpoint, which are those in the reply to create.
type feed struct {
	t     *testing.T
	conn  *net.UDPConn
	ports []map[string]any
}

func (th *rig) feed(create string) *feed {
	th.t.Helper()
	var reply struct {
		Stream struct{ Ports []map[string]any }
	}
	if err := json.Unmarshal([]byte(th.ask(create)), &reply); err != nil || len(reply.Stream.Ports) == 0 {
		th.t.Fatalf("%s: %v", create, err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		th.t.Fatal(err)
	}
	th.t.Cleanup(func() { conn.Close() })
	return &feed{th.t.(*testing.T), conn, reply.Stream.Ports}
}

func (f *feed) send(stream int, port string, b []byte) {
	f.t.Helper()
	n, ok := f.ports[stream][port].(float64)
	if !ok {
		f.t.Fatalf("no %s of %v", port, f.ports[stream])
	}
	if _, err := f.conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(n)}); err != nil {
		f.t.Fatal(err)
	}
}

func packet(pt uint8, n uint16, ssrc uint32, payload []byte) []byte {
	b := make([]byte, rtp.FixedHeaderLen)
	rtp.FixedHeader{Marker: true, PayloadType: pt, SequenceNumber: n, Timestamp: uint32(n) * 960, SSRC: ssrc}.Put(b)
	return append(b, payload...)
}

// picture is a key frame of VP8 (RFC 7741) so many pixels wide.
func picture(width uint16) []byte {
	b := []byte{0x10, 0, 0, 0, 0x9d, 0x01, 0x2a}
	b = binary.LittleEndian.AppendUint16(b, width)
	return append(b, make([]byte, 20)...)
}

// files are the files that a mountpoint is recorded to, as info has them.
func (th *rig) files(id string) (list []string) {
	th.t.Helper()
	for _, x := range regexp.MustCompile(`"recording":"([^"]*)"`).FindAllStringSubmatch(th.ask(`{"request":"info","id":`+id+`}`), -1) {
		list = append(list, x[1])
	}
	return list
}

func (th *rig) expectFiles(want ...string) {
	th.t.Helper()
	if got := th.files("1"); !slices.Equal(got, want) {
		th.t.Errorf("recorded to %v, want %v", got, want)
	}
}

// recorded sends until n packets more have been recorded.
func (th *rig) recorded(n uint64, send func()) {
	th.t.Helper()
	before, _ := th.core.Engine().RecordTotals()
	waittest.Until(th.t, "packets in files", func() bool {
		send()
		now, _ := th.core.Engine().RecordTotals()
		return now.Packets >= before.Packets+n
	})
}

func (th *rig) open() int { _, n := th.core.Engine().RecordTotals(); return n }

func (th *rig) whole(left int) {
	th.t.Helper()
	waittest.Until(th.t, fmt.Sprint("all files but ", left, " to be whole"), func() bool { return th.open() == left })
}

const recordable = `{"request":"create","type":"rtp","id":1,"media":[
	{"type":"audio","mid":"a","port":0,"pt":111,"codec":"opus","fmtp":"stereo=1"},
	{"type":"video","mid":"v","port":0,"port2":0,"port3":0,"simulcast":true,"pt":96,"codec":"vp8"},
	{"type":"video","mid":"h","port":0,"pt":97,"codec":"h264","h264sps":"Z0LAH9kA8BF+,aM48gA=="},
	{"type":"data","mid":"d","port":0,"datatype":"binary"}]}`

// TestRecording records the streams of a mountpoint until they are stopped one by one, by
// disable, and by destroy.
func TestRecording(t *testing.T) {
	waittest.NoLeaks(t)
	th := newRig(t, "")
	f := th.feed(recordable)
	th.want(`{"request":"recording","id":1,"action":"START","media":[{"mid":"H","filename":"FOLDER/deep/er/h"},{"mid":"a","filename":"FOLDER/a"},
		{"mid":"v"},{"filename":"FOLDER/x"},{"mid":"none","filename":"FOLDER/x"},5,{"mid":"d","filename":"FOLDER/d"},{"mid":"v","filename":"FOLDER/v"}]}`,
		`{"streaming":"ok"}`)
	th.expectFiles("a.mjr", "v.mjr", "h.mjr", "d.mjr")
	if got := th.ask(`{"request":"edit","id":1,"new_secret":"s"}`); !strings.Contains(got, "edited") {
		t.Error(got)
	}
	th.expectFiles() // for administrators only
	n, ssrc := uint16(0), uint32(7)
	send := func() {
		n++
		f.send(0, "port", packet(100, n, ssrc, fmt.Appendf(nil, "sound of %d", ssrc)))
		f.send(1, "port", packet(96, n, 10, picture(16)))
		f.send(1, "port_2", packet(96, n, 11, picture(32)))
		f.send(2, "port", packet(97, n, 12, []byte{0x65, 0x88, 0x84, 0}))
		f.send(3, "port", []byte("text"))
	}
	th.recorded(100, send)
	th.want(`{"request":"disable","id":1,"secret":"s","stop_recording":false}`, `{"streaming":"ok"}`)
	th.want(`{"request":"enable","id":1,"secret":"s"}`, `{"streaming":"ok"}`)
	n, ssrc = 5000, 8 // the source starts again
	waittest.Until(t, "its packets in the file", func() bool {
		send()
		file, err := os.Open(filepath.Join(th.folder, "a.mjr"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		end := make([]byte, 512)
		size, _ := file.Seek(0, io.SeekEnd)
		k, _ := file.ReadAt(end, max(size-int64(len(end)), 0))
		return strings.Contains(string(end[:k]), "of 8")
	})
	th.want(`{"request":"recording","id":1,"secret":"s","action":"stop","media":[{"mid":"A"},{},7,{"mid":"none"}]}`, `{"streaming":"ok"}`)
	th.whole(3)
	th.want(`{"request":"recording","id":1,"secret":"s","action":"stop","video":false,"data":true}`, `{"streaming":"ok"}`)
	th.whole(2)
	th.want(`{"request":"disable","id":1,"secret":"s"}`, `{"streaming":"ok"}`)
	th.whole(0)
	th.want(`{"request":"recording","id":1,"secret":"s","action":"start","video":"FOLDER/same"}`, `{"streaming":"ok"}`)
	if got := th.ask(`{"request":"info","id":1,"secret":"s"}`); !strings.Contains(got, `"recording":"same.mjr"`) || !strings.Contains(got, `"recording":"same-2.mjr"`) {
		t.Errorf("two streams under one name: %s", got)
	}
	th.want(`{"request":"destroy","id":1,"secret":"s"}`, `{"streaming":"destroyed","destroyed":1}`)
	th.whole(0)

	read := func(name string) (mjr.Header, []mjrtest.Frame) {
		t.Helper()
		h, frames := mjrtest.Numbered(t, filepath.Join(th.folder, name))
		if h.Encrypted || len(frames) < 10 {
			t.Fatalf("%s: header %+v, %d packets", name, h, len(frames))
		}
		return h, frames
	}
	h, audio := read("a.mjr")
	if last := audio[len(audio)-1]; h.Codec != "opus" || h.Fmtp != "stereo=1" || audio[0].SSRC != 7 || last.SSRC != 7 || string(last.Payload) != "sound of 8" || last.PayloadType != 111 {
		t.Errorf("audio: header %+v, last packet %+v", h, last)
	}
	_, video := read("v.mjr")
	lowest := false // another one may come first
	for i := range video {
		width := binary.LittleEndian.Uint16(video[i].Payload[7:])
		if lowest = lowest || width == 16; width != 16 && (lowest || i > 2) {
			t.Errorf("video %d pixels wide is recorded as packet %d", width, i)
		}
	}
	if h, video = read("deep/er/h.mjr"); h.Codec != "h264" || video[0].Payload[0]&31 != 24 || video[1].Payload[0] != 0x65 || video[0].Timestamp != video[1].Timestamp {
		t.Errorf("H.264: header %+v, begins with %v", h, video[:2])
	}
	h, data := mjrtest.Read(t, filepath.Join(th.folder, "d.mjr"))
	if h.Codec != "text" || h.Type != mjr.Data || len(data) < 10 || string(data[0].Payload) != "text" {
		t.Errorf("data: header %+v, %d messages", h, len(data))
	}
}

// TestRecordEncrypted says of what is encrypted end to end that it is.
func TestRecordEncrypted(t *testing.T) {
	th := newRig(t, "")
	f := th.feed(`{"request":"create","type":"rtp","id":1,"e2ee":true,"media":[{"type":"audio","mid":"a","port":0,"pt":111,"codec":"opus"}]}`)
	th.want(`{"request":"recording","id":1,"action":"start","audio":"FOLDER/a"}`, `{"streaming":"ok"}`)
	n := uint16(0)
	th.recorded(3, func() { n++; f.send(0, "port", packet(111, n, 5, []byte("x"))) })
	th.ask(`{"request":"destroy","id":1}`)
	th.whole(0)
	if h, _ := mjrtest.Numbered(t, filepath.Join(th.folder, "a.mjr")); !h.Encrypted {
		t.Errorf("header %+v", h)
	}
}

func TestRecordingErrors(t *testing.T) {
	th := newRig(t, "")
	th.feed(strings.Replace(recordable, `{"type":"data"`, `{"type":"audio","mid":"red","port":0,"pt":120,"codec":"isac16"},{"type":"data"`, 1))
	th.write("file", "")
	request := func(rest string) string { return `{"request":"recording","id":1,` + rest + `}` }
	for _, x := range []struct {
		rest string
		code int
	}{
		{`"action":"sing"`, 454}, {`"action":5`, 454}, {`"media":[]`, 453}, {`"action":"start"`, 452}, {`"action":"stop"`, 452},
		{`"action":"start","audio":true`, 454}, {`"action":"stop","audio":"x"`, 454}, {`"action":"start","media":"a"`, 454},
		{`"action":"start","media":[{"mid":"red","filename":"FOLDER/red"}]`, 459},
		{`"action":"start","media":[{"mid":"a","filename":"FOLDER/file/x"}]`, 459},
		{`"action":"start","media":[{"mid":"a","filename":" FOLDER/x"}]`, 459},
	} {
		th.fails(request(x.rest), x.code)
	}
	th.fails(`{"request":"recording","id":2,"action":"start"}`, 455)
	th.expectFiles()
	for _, ok := range []string{`"action":"start","media":[]`, `"action":"stop","media":[{"mid":"a"}]`, `"action":"stop","audio":true`} {
		th.want(request(ok), `{"streaming":"ok"}`)
	}
	// What comes before an error is begun.
	th.fails(request(`"action":"start","media":[{"mid":"a","filename":"FOLDER/a"},{"mid":"red","filename":"FOLDER/red"},{"mid":"v","filename":"FOLDER/v"}]`), 459)
	th.expectFiles("a.mjr")
	th.fails(request(`"action":"start","media":[{"mid":"v","filename":"FOLDER/v"},{"mid":"a","filename":"FOLDER/b"}]`), 452)
	th.fails(request(`"action":"start","audio":"FOLDER/b"`), 452)
	th.expectFiles("a.mjr", "v.mjr")
	if got := th.ask(request(`"action":"start","media":[],"video":"x"`)); got != `{"streaming":"ok","warning":"of no effect here: video"}` {
		t.Errorf("got %s", got)
	}
	th.ask(`{"request":"destroy","id":1}`)
	th.whole(0)
	left, err := os.ReadDir(th.folder)
	if err != nil || len(left) != 3 {
		t.Errorf("files %v, %v", left, err)
	}
}

// TestRecordRTSP records a camera over a reconnection.
func TestRecordRTSP(t *testing.T) {
	th := newRig(t, "")
	c := newCam(t)
	c.start()
	th.rtsp(c, `,"rtsp_reconnect_delay":1`)
	th.want(`{"request":"recording","id":1,"action":"start","audio":"FOLDER/sound","video":"FOLDER/door"}`, `{"streaming":"ok"}`)
	th.recorded(40, func() {})
	c.stop()
	c.start()
	th.recorded(40, func() {})
	th.want(`{"request":"recording","id":1,"action":"stop","audio":true,"video":true}`, `{"streaming":"ok"}`)
	th.whole(0)
	h, audio := mjrtest.Numbered(t, filepath.Join(th.folder, "sound.mjr"))
	if h.Codec != "pcmu" || len(audio) < 20 {
		t.Errorf("header %+v, %d packets", h, len(audio))
	}
	h, video := mjrtest.Numbered(t, filepath.Join(th.folder, "door.mjr"))
	if h.Codec != "h264" || !strings.Contains(h.Fmtp, "packetization-mode=1") || len(video) < 20 || video[0].Payload[0]&31 != 24 {
		t.Errorf("header %+v, %d packets", h, len(video))
	}
	th.ask(`{"request":"destroy","id":1}`)
}

// TestRecordFormat records audio and video to one file that players open.
func TestRecordFormat(t *testing.T) {
	waittest.NoLeaks(t)
	th := newRig(t, "")
	f := th.feed(strings.Replace(recordable, `{`, `{"record_format":"mkv",`, 1))
	if got := th.ask(`{"request":"recording","id":1,"action":"start","media":[{"mid":"a","filename":"FOLDER/x"},{"mid":"a","filename":"FOLDER/y"}]}`); !strings.Contains(got, "Recording already started") {
		t.Error(got)
	}
	th.expectFiles()
	th.want(`{"request":"recording","id":1,"action":"start","media":[{"mid":"a","filename":"FOLDER/all"},{"mid":"v","filename":"FOLDER/x"},{"mid":"d","filename":"FOLDER/d"}]}`,
		`{"streaming":"ok"}`)
	th.expectFiles("all.mkv", "all.mkv", "d.mjr")
	if got := th.ask(`{"request":"recording","id":1,"action":"start","media":[{"mid":"v","filename":"FOLDER/x"}]}`); !strings.Contains(got, "Recording already started") {
		t.Error(got)
	}
	n := uint16(0)
	th.recorded(100, func() {
		n++
		f.send(0, "port", packet(100, n, 7, []byte("\xfcsound")))
		f.send(1, "port", packet(96, n, 10, picture(16)))
		f.send(1, "port_2", packet(96, n, 11, picture(32)))
		f.send(3, "port", []byte("text"))
	})
	th.want(`{"request":"destroy","id":1}`, `{"streaming":"destroyed","destroyed":1}`)
	th.whole(0)
	b, err := os.ReadFile(filepath.Join(th.folder, "all.mkv"))
	if text := string(b); err != nil || strings.Count(text, "\xfcsound") < 10 || !strings.Contains(text, "A_OPUS") || !strings.Contains(text, "V_VP8") {
		t.Errorf("%d octets, %v", len(b), err)
	}
}
