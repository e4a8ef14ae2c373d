package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"bifrons/api/plugin/audiobridge"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// talkers are two participants of a room who go on talking to each other whatever others
// do, and have to hear each other without a gap.
type talkers struct {
	*bridge
	anna, bert *voice
}

const annaHz, bertHz, guestHz = 400, 1000, 1700

func newTalkers(t *testing.T, more message) *talkers {
	t.Helper()
	room := message{"room": 1, "sampling_rate": 48000}
	for k, v := range more {
		room[k] = v
	}
	b := newBridge(t, room)
	x := &talkers{bridge: b, anna: b.enter(1, 1, annaHz, bertHz, guestHz, songHz), bert: b.enter(1, 2, bertHz, annaHz, guestHz, songHz)}
	x.anna.speak()
	x.bert.speak()
	x.anna.awaitTone(t, bertHz)
	x.bert.awaitTone(t, annaHz)
	return x
}

// during does something, and expects that the two heard each other all the time.
func (x *talkers) during(what string, f func()) {
	x.t.Helper()
	x.anna.begin()
	x.bert.begin()
	f()
	x.anna.awaitTone(x.t, bertHz)
	x.bert.awaitTone(x.t, annaHz)
	gap := max(x.anna.of(bertHz).longest, x.bert.of(annaHz).longest)
	x.t.Logf("%s: the longest gap is %d ms", what, gap*20)
	if most := sized(250, 5); gap > most { // a machine that is short of time has some
		x.t.Errorf("%s: a gap of %d ms", what, gap*20)
	}
}

// over expects that nothing is left of the rooms once all have left.
func (x *talkers) over() {
	x.t.Helper()
	x.ask(message{"request": "destroy", "room": 1})
	waittest.Until(x.t, "nothing is mixed", func() bool {
		s := x.s.engine.Mixing()
		return s.Parties == 0 && s.Encoders == 0 && s.Decoders == 0
	})
	x.s.awaitEmpty(x.t)
}

// TestMixAttackMedia: participants who send what they should not hurt nobody else.
func TestMixAttackMedia(t *testing.T) {
	x := newTalkers(t, nil)
	long := time.Duration(sized(1, 10)) * time.Second
	r := rand.New(rand.NewPCG(1, 2))
	x.during("a flood", func() {
		v := x.enter(1, 3, guestHz)
		for begin, n := time.Now(), 0; time.Since(begin) < long; time.Sleep(5 * time.Millisecond) {
			for ; time.Since(begin) > time.Duration(n)*time.Millisecond; n++ {
				v.next()
			}
		}
		v.Close()
	})
	x.during("garbage", func() {
		v := x.enter(1, 4, guestHz)
		for begin := time.Now(); time.Since(begin) < long; time.Sleep(5 * time.Millisecond) {
			v.seq++
			v.time += opusFrame
			v.write(v.seq, v.time, garbage(r, 1200))
		}
		// and is understood again after that
		stop := v.speak()
		x.anna.awaitTone(t, guestHz)
		stop()
		v.Close()
	})
	x.during("jumps", func() {
		v := x.enter(1, 5, guestHz)
		for begin := time.Now(); time.Since(begin) < long; time.Sleep(5 * time.Millisecond) {
			v.seq += uint16(r.UintN(30000))
			v.time = r.Uint32()
			v.write(v.seq, v.time, v.tone[0])
		}
		stop := v.speak()
		x.anna.awaitTone(t, guestHz)
		stop()
		v.Close()
	})
	x.during("who vanishes", func() {
		v := x.enter(1, 7, guestHz)
		stop := v.speak()
		x.anna.awaitTone(t, guestHz)
		v.Wire.Sever()
		x.anna.awaitNone(t, guestHz)
		stop()
	})
	x.over()
}

// TestMixAttackCodec: a participant who negotiates its codec away, and one who comes again
// with another one by the same connection, hurt nobody else. The second hears and is heard by
// what was negotiated last.
func TestMixAttackCodec(t *testing.T) {
	x := newTalkers(t, nil)
	x.during("an offer without the codec", func() {
		v := x.enter(1, 4, guestHz)
		stop := v.speak()
		x.anna.awaitTone(t, guestHz)
		offer, err := v.PC.CreateOffer(nil)
		v.Must(err)
		v.h.message(message{"request": "configure"}, message{"type": "offer", "sdp": onlyPCMU(offer.SDP)})
		if m := v.h.awaitData("result", "ok"); !strings.Contains(m.sdp(), "m=audio 0 ") {
			t.Fatal(m.sdp())
		}
		v.h.awaitKind("hangup") // there is nothing that the connection is for
		x.anna.h.awaitData("leaving", 4.0)
		x.anna.awaitNone(t, guestHz)
		stop()
		v.Close()
	})
	x.during("other codecs", func() {
		v := x.enter(1, 3, guestHz, annaHz, bertHz)
		for _, codec := range []string{"opus", "pcmu", "opus", "pcmu", "opus"} {
			v.rejoin(1, 3, codec)
			stop := v.speak()
			x.anna.awaitTone(t, guestHz)
			x.bert.awaitTone(t, guestHz)
			v.awaitTone(t, annaHz)
			v.awaitTone(t, bertHz)
			if got := v.hearsPCMU(); got != (codec == "pcmu") {
				t.Errorf("PCMU %v with %s", got, codec)
			}
			stop()
		}
		v.Close()
	})
	x.over()
}

// TestMixAttackRequests: files that are none, forwarders to nowhere, and participants who
// come and go: 1,000 in a minute under BIFRONS_SOAK.
func TestMixAttackRequests(t *testing.T) {
	x := newTalkers(t, nil)
	folder := t.TempDir()
	write := func(name string, b []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	song := filepath.Join(folder, "song.opus")
	writeSong(t, song, 100)
	whole, err := os.ReadFile(song)
	if err != nil {
		t.Fatal(err)
	}
	x.during("files that are no Opus", func() {
		r := rand.New(rand.NewPCG(3, 4))
		for name, b := range map[string][]byte{"empty": nil, "text": []byte("OpusHead"), "vorbis": []byte(strings.ReplaceAll(string(whole), "OpusHead", "\x01vorbis ")),
			"random": append(garbage(r, 100_000), garbage(r, 100_000)...)} {
			d := x.admin.message(message{"request": "play_file", "room": 1, "filename": write(name+".opus", b)}, nil).data()
			if d["error_code"] != 499.0 {
				t.Errorf("%s: %v", name, d)
			}
		}
		// One that ends in the middle, or goes wrong there, is played as far as that.
		bad := append([]byte{}, whole...)
		for i := len(bad) / 2; i < len(bad); i++ {
			bad[i] ^= 0x55
		}
		for name, b := range map[string][]byte{"cut": whole[:len(whole)/2], "spoilt": bad} {
			x.ask(message{"request": "play_file", "room": 1, "file_id": name, "filename": write(name+".opus", b)})
			x.anna.h.awaitData("audiobridge", "announcement-started")
			x.anna.h.awaitData("audiobridge", "announcement-stopped")
		}
		if list := x.ask(message{"request": "listannouncements", "room": 1})["announcements"].([]any); len(list) > 0 {
			t.Errorf("still there: %v", list)
		}
		x.ask(message{"request": "play_file", "room": 1, "file_id": "good", "filename": song, "loop": true})
		x.anna.awaitTone(t, songHz)
		x.bert.awaitTone(t, songHz)
		x.ask(message{"request": "stop_file", "room": 1, "file_id": "good"})
		x.anna.awaitNone(t, songHz)
	})
	x.during("forwarders to nowhere", func() {
		var ids []any
		for i := range sized(8, 64) {
			d := x.ask(message{"request": "rtp_forward", "room": 1, "host": "127.0.0.1", "port": 9, "codec": []string{"opus", "pcmu", "pcma"}[i%3], "always_on": i%2 == 0})
			ids = append(ids, d["stream_id"])
		}
		x.anna.awaitTone(t, bertHz)
		for _, id := range ids {
			x.ask(message{"request": "stop_rtp_forward", "room": 1, "stream_id": id})
		}
	})
	x.during("joins and leaves", func() {
		begin, n := time.Now(), sized(60, 1000)
		c := dial(t, x.s)
		v := &roomServer{t: t, s: x.s, c: c}
		v.each(n, func(i int) {
			if i%10 == 0 { // with media
				p := x.enter(1, 1000+i, guestHz)
				p.next()
				p.Close()
				return
			}
			h := c.attach(audiobridge.Package)
			h.message(message{"request": "join", "room": 1, "id": 1000 + i, "generate_offer": i%3 == 0}, nil)
			h.awaitData("audiobridge", "joined")
			h.message(message{"request": "leave"}, nil)
			h.awaitData("audiobridge", "left")
			h.send(message{"janus": "detach"})
		})
		t.Logf("%d joins and leaves took %v", n, time.Since(begin).Round(time.Millisecond))
	})
	waittest.Until(t, "only two are left", func() bool {
		return len(x.ask(message{"request": "listparticipants", "room": 1})["participants"].([]any)) == 2
	})
	x.over()
}

// TestMixPlainRTP: participants by plain RTP hear and are heard. What strangers send to
// their ports hurts nobody, and a room that is destroyed while all speak leaves nothing.
func TestMixPlainRTP(t *testing.T) {
	x := newTalkers(t, message{"allow_rtp_participants": true})
	p := x.plainEnter(1, 3, guestHz, annaHz, bertHz)
	p.speak(t)
	for _, e := range []*ear{x.anna.ear, x.bert.ear} {
		e.awaitTone(t, guestHz)
	}
	p.awaitTone(t, annaHz)
	p.awaitTone(t, bertHz)
	stranger := webrtctest.ListenUDP(t, "127.0.0.1")
	defer stranger.Close()
	r := rand.New(rand.NewPCG(5, 6))
	x.during("a stranger's flood", func() {
		for n := range sized(1000, 20000) {
			b := garbage(r, 300)
			if n%2 == 0 {
				q := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 100, SequenceNumber: uint16(r.Uint32()), Timestamp: r.Uint32(), SSRC: r.Uint32()}, Payload: b}
				b, _ = q.Marshal()
			}
			_, _ = stranger.WriteToUDP(b, p.to)
			if n%10 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	x.anna.awaitTone(t, guestHz)
	x.ask(message{"request": "destroy", "room": 1})
	for _, v := range []*voice{x.anna, x.bert} {
		v.h.awaitData("audiobridge", "destroyed")
		v.h.awaitKind("hangup")
	}
	waittest.Until(t, "nothing is mixed", func() bool {
		s := x.s.engine.Mixing()
		return s.Parties == 0 && s.Encoders == 0 && s.Decoders == 0
	})
	waittest.Until(t, "the port is closed", func() bool {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4zero, Port: p.to.Port})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	x.s.awaitEmpty(t)
	x.ask(message{"request": "create", "room": 1}) // still alive
	if d := x.ask(message{"request": "exists", "room": 1}); fmt.Sprint(d["exists"]) != "true" {
		t.Error(d)
	}
}
