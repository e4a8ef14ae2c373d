package audiobridge

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// TestMix: participants on two shards hear each other and not themselves; who is muted is
// not heard; who goes to another room hears those there; the mix and the participants are
// recorded.
func TestMix(t *testing.T) {
	folder := t.TempDir()
	b := exchange(t, folder, `general: { record_tmp_ext = "part" }
room-1: { sampling_rate = 16000, record = true, record_dir = "`+folder+`", record_file = "mix.wav", mjrs_dir = "`+folder+`" }
room-2: { sampling_rate = 48000 }`)
	const a, c, d = 400, 900, 1500
	ann, cat := b.phone(1, 1, a, ",'record':true,'filename':'ann'"), b.phone(1, 2, c, "")
	dan := b.phone(2, 3, d, "")
	ann.awaitTones("ann hears cat", []float64{c}, []float64{a, d})
	cat.awaitTones("cat hears ann", []float64{a}, []float64{c, d})
	b.Admin(`{"request":"mute","room":1,"id":1}`)
	cat.awaitTones("ann is muted", nil, []float64{a, c, d})
	b.Admin(`{"request":"unmute","room":1,"id":1}`)
	cat.awaitTones("ann is not muted any more", []float64{a}, []float64{c, d})
	b.Admin(`{"request":"mute_room","room":1}`)
	cat.awaitTones("all are muted", nil, []float64{a, c, d})
	b.Admin(`{"request":"unmute_room","room":1}`)
	cat.awaitTones("ann is heard again", []float64{a}, []float64{c, d})

	if got := ann.ask("{'request':'changeroom','room':2}"); !strings.Contains(got, "roomchanged") {
		t.Fatal(got)
	}
	ann.awaitTones("ann hears dan", []float64{d}, []float64{a, c})
	dan.awaitTones("dan hears ann", []float64{a}, []float64{c, d})
	cat.awaitTones("cat hears nobody", nil, []float64{a, c, d})
	if got := ann.ask("{'request':'suspend','room':2,'id':" + participantID(ann) + "}"); got != "{'audiobridge':'success'}" {
		t.Error(got)
	}
	dan.awaitTones("ann is suspended", nil, []float64{a, c, d})
	ann.mu.Lock()
	n := ann.packets
	ann.ear.pcm = nil
	ann.mu.Unlock()
	ann.ask("{'request':'resume','room':2,'id':" + participantID(ann) + "}")
	ann.awaitTones("ann hears dan again", []float64{d}, []float64{a, c})
	ann.mu.Lock()
	if ann.packets == n {
		t.Error("nothing came after the resume")
	}
	ann.mu.Unlock()

	ann.Hangup()
	cat.ask("{'request':'leave'}")
	b.Admin(`{"request":"destroy","room":1}`)
	var done string
	waittest.Until(t, "the recording of the mix is whole", func() bool {
		for _, n := range b.Notices() {
			if strings.Contains(n, "recordingdone") {
				done = n
			}
		}
		return done != ""
	})
	if want := `{"event":"recordingdone","room":1,"record_file":"` + filepath.Join(folder, "mix.wav") + `"}`; done != want {
		t.Errorf("event handlers hear %s, want %s", done, want)
	}
	wav, err := os.ReadFile(filepath.Join(folder, "mix.wav"))
	if err != nil || len(wav) < 44+16000 || int(binary.LittleEndian.Uint32(wav[40:])) != len(wav)-44 || binary.LittleEndian.Uint32(wav[24:]) != 16000 {
		t.Fatalf("the mix has %d bytes, %v", len(wav), err)
	}
	// Somewhere both are heard at once.
	both := false
	for at := 44; at+2*3200 <= len(wav); at += 2 * 3200 {
		var pcm []float32
		for i := range 3200 {
			pcm = append(pcm, float32(int16(binary.LittleEndian.Uint16(wav[at+2*i:])))/32768)
		}
		both = both || amplitude(pcm, a, 16000) > .08 && amplitude(pcm, c, 16000) > .08
	}
	if !both {
		t.Error("the recording does not have both voices at once")
	}
	waittest.Until(t, "ann's recording is whole", func() bool {
		info, err := os.Stat(filepath.Join(folder, "ann-audio.mjr"))
		return err == nil && info.Size() > 5000
	})
}

func participantID(p *phone) string { return p.Handle.(*handle).current().id }

// song makes a file of a tone of Opus in Ogg.
func song(t *testing.T, seconds int, hz float64) string {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("no ffmpeg: there is no file to be played")
	}
	name := filepath.Join(t.TempDir(), "song.opus")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=frequency="+strconv.Itoa(int(hz))+":sample_rate=48000", "-t", strconv.Itoa(seconds),
		"-af", "volume=4", "-c:a", "libopus", "-frame_duration", "20", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// TestFiles: a file is heard by the participants, and by forwarders of its group alone.
func TestFiles(t *testing.T) {
	const hz, voice = 700, 1800
	name := song(t, 1, hz)
	b := exchange(t, t.TempDir(), `general: { rtp_forward_own_ports = true }
room-1: { sampling_rate = 24000, groups = [ "x", "y" ] }`)
	ann := b.phone(1, 1, voice, ",'group':'x'")
	ann.Events()
	for _, bad := range []string{"/nowhere.opus", os.Args[0], "/dev/zero"} {
		if got := ann.ask("{'request':'play_file','room':1,'filename':'" + bad + "'}"); !strings.Contains(got, "'error_code':499,'error':'Error opening file '"+bad+"'") {
			t.Error(got)
		}
	}
	ann.expect("{'request':'play_file','room':1,'group':'z','filename':'"+name+"'}", failure("494", "No such group (z)"))
	hears := func(group string) func(tones, silent float64) {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		got := ann.ask("{'request':'rtp_forward','room':1,'host':'127.0.0.1','port':" + strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port) + group + "}")
		if !strings.Contains(got, "'audiobridge':'success'") {
			t.Fatal(got)
		}
		e := newEar(t)
		return func(tone, silent float64) {
			t.Helper()
			buf := make([]byte, 1500)
			conn.SetReadDeadline(time.Now().Add(waittest.Patience))
			for e.hears(tone) < .06 || e.hears(silent) > .02 {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatalf("forwarder%s: tone of %v with %v, of %v with %v: %v", group, tone, e.hears(tone), silent, e.hears(silent), err)
				}
				if n < 12 || buf[1]&0x7f != 100 {
					t.Fatalf("no packet: %x", buf[:n])
				}
				e.take(t, buf[12:n])
			}
		}
	}
	x, y := hears(",'group':'x'"), hears(",'group':'y'")
	ann.expect("{'request':'play_file','room':1,'filename':'"+name+"','file_id':'f','group':'y','loop':true}", "{'audiobridge':'success','room':1,'file_id':'f'}")
	ann.AwaitText(`"audiobridge":"announcement-started","room":1,"file_id":"f"`)
	ann.expect("{'request':'play_file','room':1,'filename':'"+name+"','file_id':'f'}", failure("490", "File ID f already exists"))
	ann.awaitTones("the file is heard", []float64{hz}, []float64{voice})
	y(hz, voice)
	x(voice, hz)
	ann.expect("{'request':'is_playing','room':1,'file_id':'f'}", "{'audiobridge':'success','room':1,'file_id':'f','playing':true}")
	ann.expect("{'request':'listannouncements','room':1}", "{'audiobridge':'announcements','room':1,'announcements':[{'file_id':'f','filename':'"+name+"','playing':true,'loop':true}]}")
	ann.expect("{'request':'stop_all_files','room':1}", "{'audiobridge':'success','room':1,'file_id_list':['f']}")
	ann.AwaitText(`"audiobridge":"announcement-stopped","room":1,"file_id":"f"`)
	ann.expect("{'request':'play_file','room':1,'filename':'"+name+"','file_id':'g'}", "{'audiobridge':'success','room':1,'file_id':'g'}")
	ann.AwaitText(`"announcement-stopped","room":1,"file_id":"g"`)
	ann.expect("{'request':'stop_file','room':1,'file_id':'g'}", "{'audiobridge':'success','room':1,'file_id':'g'}")
	if n := b.plugin.songs.n.Load(); n != 0 {
		t.Errorf("%d files are played", n)
	}
	if got := b.Notices(); !slices.Contains(got, `{"event":"announcement-started","room":1,"file_id":"g"}`) {
		t.Errorf("event handlers hear %v", got)
	}
	ann.awaitTones("silence", nil, []float64{hz, voice})
}

// TestPlainMedia: a participant by plain RTP is heard, and hears.
func TestPlainMedia(t *testing.T) {
	const hz, voice = 600, 1700
	b := exchange(t, t.TempDir(), `general: { local_ip = "127.0.0.1" }
room-1: { sampling_rate = 16000, allow_rtp_participants = true }`)
	ann := b.phone(1, 1, voice, "")
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := b.client()
	e := c.Ask(`{"request":"join","room":1,"rtp":{"ip":"127.0.0.1","port":`+strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port)+`,"payload_type":97}}`, nil)
	port, _ := e.Field("rtp", "port").(float64)
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}
	v := newVoice(t, hz)
	say(t, func(n int) {
		h := []byte{0x80, 97, byte(n >> 8), byte(n)}
		h = binary.BigEndian.AppendUint32(h, uint32(n)*960)
		h = binary.BigEndian.AppendUint32(h, 77)
		conn.WriteToUDP(append(h, v.packet(n).payload...), to)
	})
	ann.awaitTones("the plain one is heard", []float64{hz}, []float64{voice})
	far, buf := newEar(t), make([]byte, 1500)
	conn.SetReadDeadline(time.Now().Add(waittest.Patience))
	for far.hears(voice) < .08 || far.hears(hz) > .02 {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("hears itself with %v, ann with %v: %v\n%s", far.hears(hz), far.hears(voice), err, b.Log())
		}
		if buf[1]&0x7f != 97 {
			t.Fatalf("payload type %d", buf[1]&0x7f)
		}
		far.take(t, buf[12:n])
	}
}
