package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// packets are an RTP packet that comes in, one that goes out, and a sender
// report.
func take(f *File, at mono.Time) (in, out, report []byte) {
	in = append([]byte{0x80, 96, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4}, bytes.Repeat([]byte{0x5a}, 100)...)
	out = append([]byte{0x80, 111, 0, 8, 0, 0, 0, 9, 5, 6, 7, 8}, bytes.Repeat([]byte{0xa5}, 40)...)
	report = append([]byte{0x80, 200, 0, 6, 1, 2, 3, 4}, make([]byte, 20)...)
	f.Take(media.Captured{At: at, Head: in})
	f.Take(media.Captured{At: at.Add(20 * time.Millisecond), Outgoing: true, Head: out[:12], Body: out[12:]})
	f.Take(media.Captured{At: at.Add(time.Second), RTCP: true, Head: report})
	return in, out, report
}

func record(t *testing.T, cfg Config, at mono.Time) {
	t.Helper()
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	take(f, at)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Take(media.Captured{At: at, Head: []byte{1}}) // too late, is left out
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f.Written() != 3 || f.Dropped() != 0 {
		t.Errorf("%d packets written, %d dropped", f.Written(), f.Dropped())
	}
}

// frame is one record of a libpcap file.
type frame struct {
	at       time.Time
	length   uint32 // of the packet as it was
	from, to string
	payload  []byte
}

// parse reads a file as this machine writes it.
func parse(t *testing.T, path string) []frame {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u32 := func(off int) uint32 { return binary.NativeEndian.Uint32(b[off:]) }
	if u32(0) != 0xa1b2c3d4 || u32(16) != 65535 || u32(20) != 1 {
		t.Fatalf("file header % x", b[:24])
	}
	var list []frame
	for b = b[24:]; len(b) > 0; {
		kept := int(u32(8))
		p := b[16 : 16+kept]
		ip, udp := p[14:], p[34:]
		if binary.BigEndian.Uint16(p[12:]) != 0x800 || ip[0] != 0x45 || ip[9] != 17 {
			t.Fatalf("headers % x", p[:42])
		}
		if n := int(binary.BigEndian.Uint16(ip[2:])); n != int(binary.BigEndian.Uint16(udp[4:]))+20 || n != int(u32(12))-14 {
			t.Errorf("lengths disagree: % x", p[:42])
		}
		list = append(list, frame{
			at: time.Unix(int64(u32(0)), int64(u32(4))*1000), length: u32(12),
			from:    fmt.Sprintf("%d.%d.%d.%d:%d", ip[12], ip[13], ip[14], ip[15], binary.BigEndian.Uint16(udp)),
			to:      fmt.Sprintf("%d.%d.%d.%d:%d", ip[16], ip[17], ip[18], ip[19], binary.BigEndian.Uint16(udp[2:])),
			payload: udp[8:],
		})
		b = b[16+kept:]
	}
	return list
}

func TestPCAP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	at := mono.Now()
	record(t, Config{Path: path}, at)
	record(t, Config{Path: path, Truncate: 20}, at) // appends
	list := parse(t, path)
	if len(list) != 6 {
		t.Fatalf("%d packets", len(list))
	}
	remote, us := "10.1.1.1:1000", "10.2.2.2:2000"
	for i, want := range []struct {
		from, to    string
		kept, whole int
		after       time.Duration
	}{
		{remote, us, 112, 112, 0}, {us, remote, 52, 52, 20 * time.Millisecond}, {remote, us, 28, 28, time.Second},
		{remote, us, 20, 112, 0}, {us, remote, 20, 52, 20 * time.Millisecond}, {remote, us, 20, 28, time.Second},
	} {
		f := list[i]
		if f.from != want.from || f.to != want.to || len(f.payload) != want.kept || int(f.length) != headersLen+want.whole {
			t.Errorf("packet %d: %+v", i, f)
		}
		if d := f.at.Sub(at.Add(want.after).Wall()); d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("packet %d is %v late", i, d)
		}
	}
	if got := list[1].payload; got[1] != 111 || got[12] != 0xa5 {
		t.Errorf("payload % x", got)
	}
}

func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	at := mono.Now()
	record(t, Config{Path: path, Format: Text, Truncate: 13, Label: "[session=1][handle=2]"}, at)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\r\n")
	stamp := at.Wall().Format("15:04:05.000000")
	want := []string{
		"I " + stamp + " 000000  80 60 00 07 00 00 00 09 01 02 03 04 5a JANUS_TEXT2PCAP_RTP [session=1][handle=2]",
		"O " + at.Add(20*time.Millisecond).Wall().Format("15:04:05.000000") +
			" 000000  80 6f 00 08 00 00 00 09 05 06 07 08 a5 JANUS_TEXT2PCAP_RTP [session=1][handle=2]",
		"I " + at.Add(time.Second).Wall().Format("15:04:05.000000") +
			" 000000  80 c8 00 06 01 02 03 04 00 00 00 00 00 JANUS_TEXT2PCAP_RTCP [session=1][handle=2]",
		"",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", lines, want)
	}
}

// TestWireshark lets tshark decode a file as RTP and RTCP.
func TestWireshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	path := filepath.Join(t.TempDir(), "a.pcap")
	record(t, Config{Path: path}, mono.Now())
	cmd := exec.CommandContext(t.Context(), tshark, "-r", path, "-n",
		"-o", "rtp.heuristic_rtp:TRUE", "-d", "udp.port==1000,rtp", "-T", "fields",
		"-e", "_ws.col.Protocol", "-e", "rtp.seq", "-e", "rtp.ssrc", "-e", "rtcp.pt", "-e", "_ws.malformed")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "RTP\t7\t0x01020304\t\t\nRTP\t8\t0x05060708\t\t\nRTCP\t\t\t200\t\n"
	if string(out) != want {
		t.Errorf("tshark reads %q, want %q", out, want)
	}
}

// TestFullQueue has no writer: Take must neither wait nor lose count.
func TestFullQueue(t *testing.T) {
	f := &File{free: make(chan *packet, 1), queue: make(chan *packet, 1)}
	f.free <- new(packet)
	for range 3 {
		f.Take(media.Captured{At: 1, Head: []byte{1}})
	}
	if f.Dropped() != 2 || len(f.queue) != 1 {
		t.Errorf("%d dropped, %d queued", f.Dropped(), len(f.queue))
	}
}

func TestTakeAllocatesNothing(t *testing.T) {
	f := &File{free: make(chan *packet, 1), queue: make(chan *packet, 1)}
	f.free <- new(packet)
	head, body := make([]byte, 20), make([]byte, 1000)
	once := func() {
		f.Take(media.Captured{At: 1, Outgoing: true, Head: head, Body: body})
		f.free <- <-f.queue
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing", "a.pcap"), "/dev/null"} {
		if f, err := Open(Config{Path: path}); err == nil {
			f.Close()
			t.Errorf("%s was opened", path)
		}
	}
}

func TestFullDisk(t *testing.T) {
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	f, err := Open(Config{Path: filepath.Join(t.TempDir(), "a.pcap")})
	if err != nil {
		t.Fatal(err)
	}
	f.out.Reset(file)
	defer file.Close()
	take(f, 1)
	if err := f.Close(); err == nil {
		t.Error("no error from a full disk")
	}
}
