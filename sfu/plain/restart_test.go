package plain

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// viewer is a route.Sink that remembers.
type viewer struct {
	out     []route.Outgoing
	in      []uint64 // source numbers of out
	arrived []mono.Time
}

func (v *viewer) Send(now mono.Time, p *route.Packet, o route.Outgoing) {
	v.out, v.in, v.arrived = append(v.out, o), append(v.in, p.Seq), append(v.arrived, now)
}
func (v *viewer) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (v *viewer) LayerChanged(_, _ media.Layer)                 {}

// run is how a source counts.
type run struct {
	seq  uint16
	ts   uint32
	step uint32 // of the timestamp, for one packet
}

// Payloads of VP8 that begin a key frame, and another one.
var (
	vp8Key   = append([]byte{0x10, 0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00}, make([]byte, 20)...)
	vp8Delta = []byte{0x10, 0x31, 0x02, 0x00, 1, 2, 3}
)

// play sends count packets, as they follow each other.
func (b *bench) play(encoding int, r run, count int, every time.Duration) {
	for i := range count {
		if i > 0 {
			b.now = b.now.Add(every)
		}
		payload := vp8Delta
		if i == 0 {
			payload = vp8Key
		}
		b.send(0, encoding, r.seq+uint16(i), r.ts+uint32(i)*r.step, uint32(7+encoding), payload)
	}
}

var vp8 = media.Codec{Name: media.VP8, PayloadType: 96, ClockRate: 90000}
var opus = media.Codec{Name: media.Opus, PayloadType: 111, ClockRate: 48000}

// TestRestart lets a source begin anew with the SSRC that it had (RFC 3550, A.1):
// everything has to get through from the first packet on, the numbers of a
// subscription go on without a gap, and its timestamps by the time that passed.
func TestRestart(t *testing.T) {
	const first = 40000
	for _, kind := range []struct {
		name  string
		track TrackConfig
		count int // of packets, before and after
		every time.Duration
	}{
		{"video", TrackConfig{Kind: media.Video, Codec: vp8}, 60, time.Second / 30},
		{"short video", TrackConfig{Kind: media.Video, Codec: vp8}, 5, time.Second / 30},
		{"audio", TrackConfig{Kind: media.Audio, Codec: opus}, 900, 20 * time.Millisecond},
		{"simulcast", TrackConfig{Kind: media.Video, Codec: vp8, Simulcast: true}, 60, time.Second / 30},
		{"svc", TrackConfig{Kind: media.Video, Codec: vp8, SVC: true}, 60, time.Second / 30},
		{"opaque", TrackConfig{Kind: media.Video, Codec: vp8, Encrypted: true}, 60, time.Second / 30},
	} {
		rate := kind.track.Codec.ClockRate
		step := uint32(uint64(rate) * uint64(kind.every) / uint64(time.Second))
		end := uint16(first + kind.count)
		for _, again := range []struct {
			name  string
			seq   uint16
			pause time.Duration
		}{
			{"same number", first, 900 * time.Millisecond},
			{"same number, longer pause", first, 9 * time.Second},
			{"30 back", end - 30, 900 * time.Millisecond},
			{"from before the first", first - 10, 900 * time.Millisecond},
			{"the last number", end - 1, 900 * time.Millisecond},
			{"5000 back", end - 5000, 900 * time.Millisecond},
			{"20000 on", end + 20000, 900 * time.Millisecond},
			{"20000 on, no pause", end + 20000, kind.every},
			{"200 on", end + 200, 900 * time.Millisecond},
			{"half the circle", end + 32768, 900 * time.Millisecond},
		} {
			for _, clock := range []struct {
				name string
				ts   func(last uint32, pause time.Duration) uint32
			}{
				{"same timestamps", func(uint32, time.Duration) uint32 { return 1 << 31 }},
				{"41 minutes on", func(last uint32, _ time.Duration) uint32 { return last + 41*60*rate }},
				{"41 minutes back", func(last uint32, _ time.Duration) uint32 { return last - 41*60*rate }},
				{"wall clock", func(last uint32, pause time.Duration) uint32 {
					return last + uint32(uint64(pause)*uint64(rate)/uint64(time.Second))
				}},
			} {
				if again.name == "200 on" && (clock.name == "wall clock" || kind.count < 10) {
					continue // this is what loss looks like
				}
				t.Run(fmt.Sprintf("%s/%s/%s", kind.name, again.name, clock.name), func(t *testing.T) {
					b := newBench(t, kind.track)
					v := new(viewer)
					sub := route.NewSubscription(v)
					sub.Attach(b.now, b.source.Track(0))
					b.play(0, run{first, 1 << 31, step}, kind.count, kind.every)
					before, key, last := len(v.out), b.out[len(b.out)-1].SSRC, b.out[len(b.out)-1].Timestamp
					if before != kind.count {
						t.Fatalf("%d packets before", before)
					}
					b.now = b.now.Add(again.pause)
					b.play(0, run{again.seq, clock.ts(last, again.pause), step}, kind.count, kind.every)
					if got := len(v.out) - before; got != kind.count {
						t.Fatalf("%d of %d packets forwarded", got, kind.count)
					}
					for i := range kind.count {
						p := &b.out[kind.count+i]
						if uint16(p.Seq) != again.seq+uint16(i) || p.SSRC == key || p.Resumed != (i == 0) {
							t.Fatalf("packet %d is %d of %x, resumed %v", i, uint16(p.Seq), p.SSRC, p.Resumed)
						}
					}
					for i := 1; i < len(v.out); i++ {
						want := int32(step)
						if i == before {
							want = int32(uint64(again.pause) * uint64(rate) / uint64(time.Second))
						}
						d := int32(v.out[i].Timestamp - v.out[i-1].Timestamp)
						if v.out[i].Seq != v.out[i-1].Seq+1 || d < want-int32(step) || d > want+int32(step) {
							t.Fatalf("packet %d: number %d, timestamp %d on, want %d", i, v.out[i].Seq, d, want)
						}
					}
				})
			}
		}
	}
}

// TestRestartSwapped begins anew with the first two packets in the wrong order,
// and with the second one lost.
func TestRestartSwapped(t *testing.T) {
	for _, order := range [][]uint16{{1, 0, 2, 3}, {0, 2, 1, 3}, {0, 2, 3}} {
		b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus})
		b.play(0, run{1000, 0, 960}, 50, 20*time.Millisecond)
		b.now = b.now.Add(time.Second)
		for _, i := range order {
			b.send(0, 0, 30000+i, uint32(i)*960, 7, []byte{1})
		}
		if got := len(b.out) - 50; got != len(order) {
			t.Errorf("%v: %d packets came through", order, got)
		}
		if b.out[50].Seq&0xffff != 30000 {
			t.Errorf("%v: began with %d", order, b.out[50].Seq&0xffff)
		}
	}
}

// TestRestartByDescription begins a new run with another session, whatever the
// numbers say.
func TestRestartByDescription(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus})
	b.play(0, run{1000, 0, 960}, 50, 20*time.Millisecond)
	key := b.out[49].SSRC
	b.source.Restart()
	b.now = b.now.Add(20 * time.Millisecond)
	b.send(0, 0, 1049, 49*960, 7, []byte{1})
	if len(b.out) != 51 || b.out[50].SSRC == key || !b.out[50].Resumed {
		t.Errorf("%d packets, the last of %x", len(b.out), b.out[len(b.out)-1].SSRC)
	}
	// Another codec, and the first one again: still another run each time.
	keys := map[uint32]bool{key: true, b.out[50].SSRC: true}
	for _, c := range []media.Codec{vp8, opus} {
		b.source.SetTracks([]TrackConfig{{Kind: media.Audio, Codec: c}})
		b.send(0, 0, 1050, 50*960, 7, []byte{1})
		k := b.out[len(b.out)-1].SSRC
		if keys[k] {
			t.Errorf("%v: key %x again", c.Name, k)
		}
		keys[k] = true
	}
}

// TestRepeated drops what came before, as from a network that doubles or a loop.
func TestRepeated(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: vp8})
	b.play(0, run{65530, 0, 3000}, 20, time.Second/30)
	for i := range 10 {
		b.send(0, 0, uint16(65540+i), uint32(10+i)*3000, 7, vp8Delta)
	}
	if len(b.out) != 20 || b.drops[media.DropDuplicate] != 10 {
		t.Errorf("%d packets, %d dropped as duplicates", len(b.out), b.drops[media.DropDuplicate])
	}
}

// TestDataRestart passes messages at once, whatever their numbers: nothing is held
// back that no other message may follow.
func TestDataRestart(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Data, SSRC: 7})
	var got []string
	b.source.OnData = func(_ int, _ bool, payload []byte) { got = append(got, string(payload)) }
	now := b.now
	send := func(after time.Duration, seq uint16, text string) {
		b.now = b.now.Add(after)
		b.send(0, 0, seq, uint32(b.now.Sub(now)/time.Millisecond), 7, []byte(text))
	}
	send(0, 0, "a")
	send(time.Second, 1, "b")
	send(10*time.Millisecond, 1, "b again: a repetition")
	send(time.Minute, 0, "c")
	send(10*time.Millisecond, 1, "d")
	send(time.Minute, 40000, "e")
	if fmt.Sprint(got) != "[a b c d e]" {
		t.Errorf("got %q", got)
	}
}

// event is a packet on its way.
type event struct {
	at  mono.Time
	seq uint16
	ts  uint32
	n   int
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// TestBadNetwork plays one run over networks that lose, delay, swap and repeat,
// with pauses of the source and pictures that are not sent in the order of their
// timestamps. Nothing of it may be taken for a new run, and all that arrives has
// to get through, once.
func TestBadNetwork(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		loss, late, twice := r.Float64()*0.2, r.Float64()*0.1, r.Float64()*0.2
		b := newBench(t, TrackConfig{Kind: media.Video, Codec: vp8})
		var way events
		now, seq, sent := b.now, uint16(r.Uint32()), 0
		start := now
		for frame := range 600 {
			now = now.Add(time.Second / 30)
			if r.IntN(100) == 0 {
				now = now.Add(time.Duration(r.IntN(4000)) * time.Millisecond)
			}
			clock := now
			if frame%4 == 1 { // shown after the next ones
				clock = now.Add(100 * time.Millisecond)
			}
			ts := uint32(int64(clock.Sub(start)) * 90000 / int64(time.Second))
			for range 1 + r.IntN(6) {
				seq++
				if r.Float64() < loss {
					continue
				}
				e := event{at: now.Add(time.Duration(r.IntN(20)) * time.Millisecond), seq: seq, ts: ts, n: sent}
				if r.Float64() < late {
					e.at = e.at.Add(time.Duration(r.IntN(700)) * time.Millisecond)
				}
				sent++
				heap.Push(&way, e)
				if r.Float64() < twice {
					e.at = e.at.Add(time.Duration(r.IntN(300)) * time.Millisecond)
					heap.Push(&way, e)
				}
			}
		}
		keys := map[uint32]bool{}
		for len(way) > 0 {
			e := heap.Pop(&way).(event)
			b.now = e.at
			b.send(0, 0, e.seq, e.ts, 7, vp8Delta)
		}
		for i := range b.out {
			keys[b.out[i].SSRC] = true
		}
		if len(b.out) != sent || len(keys) != 1 {
			t.Fatalf("seed %d: %d of %d packets, %d runs", seed, len(b.out), sent, len(keys))
		}
	}
}

// TestRestartsOnBadNetwork begins anew many times, on a network that loses and
// swaps. Each run has to begin with the first or second packet that arrives of it.
func TestRestartsOnBadNetwork(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 2))
		b := newBench(t, TrackConfig{Kind: media.Video, Codec: vp8})
		fixed := run{uint16(r.Uint32()), r.Uint32(), 3000}
		last := uint32(0)
		for n := range 12 {
			at := fixed
			if r.IntN(2) == 0 {
				at.seq += uint16(r.Uint32())
			}
			if r.IntN(2) == 0 {
				at.ts = r.Uint32()
			}
			var way events
			start := b.now.Add(900*time.Millisecond + time.Duration(r.IntN(5000))*time.Millisecond)
			for i := range 30 + r.IntN(90) {
				if i > 3 && r.IntN(10) == 0 {
					continue
				}
				e := event{at: start.Add(time.Duration(i) * time.Second / 30), seq: at.seq + uint16(i), ts: at.ts + uint32(i)*3000}
				if i > 3 {
					e.at = e.at.Add(time.Duration(r.IntN(100)) * time.Millisecond)
				}
				heap.Push(&way, e)
			}
			before, sent := len(b.out), len(way)
			for len(way) > 0 {
				e := heap.Pop(&way).(event)
				b.now = e.at
				b.send(0, 0, e.seq, e.ts, 7, vp8Delta)
			}
			if got := len(b.out) - before; got != sent {
				t.Fatalf("seed %d, run %d: %d of %d packets", seed, n, got, sent)
			}
			if p := &b.out[before]; !p.Resumed || p.SSRC == last || uint16(p.Seq) != at.seq {
				t.Fatalf("seed %d, run %d: began with %d, want %d", seed, n, uint16(p.Seq), at.seq)
			}
			last = b.out[len(b.out)-1].SSRC
		}
	}
}

// TestStrayLeavesNothing lets a stray packet go, when others come and at the end.
func TestStrayLeavesNothing(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: vp8})
	b.play(0, run{1000, 0, 3000}, 10, time.Second/30)
	b.send(0, 0, 30000, 5, 7, vp8Key)
	b.send(0, 0, 50000, 5, 7, vp8Key)
	b.send(0, 0, 1010, 30000, 7, vp8Delta)
	if len(b.out) != 11 || b.drops[media.DropSequence] != 2 {
		t.Errorf("%d packets, %d dropped", len(b.out), b.drops[media.DropSequence])
	}
	b.send(0, 0, 30000, 5, 7, vp8Key) // newBench counts what is not released
}

// FuzzSource feeds packets with any numbers, timestamps and pauses.
func FuzzSource(f *testing.F) {
	for _, again := range []uint16{0, 30, 5000, 45536} { // back, after 0.9 s
		var seed []byte
		for i := range uint16(80) {
			seq, pause := 40000+i, byte(2)
			if i >= 40 {
				seq -= 40 + again
			}
			if i == 40 {
				pause = 45
			}
			seed = append(seed, pause, byte(seq>>8), byte(seq), 0, byte(i), byte(i%40)&1)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264, ParameterSets: sets}, TrackConfig{Kind: media.Data})
		for len(in) >= 6 && len(b.out) < 1000 {
			b.now = b.now.Add(time.Duration(in[0]) * 20 * time.Millisecond)
			seq := uint16(in[1])<<8 | uint16(in[2])
			b.send(int(in[3]&1), 0, seq, uint32(in[4])<<20, uint32(in[3]>>7), [][]byte{idr, slice, sets, nil}[in[5]&3])
			in = in[6:]
		}
	})
}

// wireLoop is a Loop that keeps what is sent.
type wireLoop struct {
	*bench
	room [1500]byte
	sent [][]byte
}

func (w *wireLoop) Reserve() []byte { return w.room[:] }
func (w *wireLoop) Commit(_ netip.AddrPort, n int) {
	w.sent = append(w.sent, bytes.Clone(w.room[:n]))
}

// TestForwardRestart forwards a source that begins anew with the same SSRC. What
// leaves with one SSRC never has a number twice: with SRTP that would be two
// plaintexts with one key stream (RFC 3711, 9.1).
func TestForwardRestart(t *testing.T) {
	for _, ssrc := range []uint32{0, 99} {
		b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus})
		w := &wireLoop{bench: b}
		NewForwarder(b.now, w, b.source.Track(0), Forward{SSRC: ssrc})
		first := uint16(65500)
		for _, r := range []run{{first, 0, 960}, {first, 0, 960}, {first + 20, 1 << 30, 960}, {first + 30000, 7, 960}} {
			b.play(0, r, 50, 20*time.Millisecond)
			b.now = b.now.Add(time.Second)
		}
		if len(w.sent) != 200 {
			t.Fatalf("SSRC %d: %d packets", ssrc, len(w.sent))
		}
		var h, last rtp.Header
		for i, p := range w.sent {
			if err := h.Parse(p); err != nil {
				t.Fatal(err)
			}
			if d := h.Timestamp - last.Timestamp; i > 0 && (h.SequenceNumber != last.SequenceNumber+1 || d == 0 || d > 2*48000) {
				t.Fatalf("SSRC %d, packet %d: %d@%d follows %d@%d", ssrc, i, h.SequenceNumber, h.Timestamp, last.SequenceNumber, last.Timestamp)
			}
			last = h
		}
		want := ssrc
		if ssrc == 0 {
			want = 7
		}
		if last.SSRC != want || binary.BigEndian.Uint16(w.sent[0][2:]) != first {
			t.Errorf("SSRC %d, first number %d", last.SSRC, binary.BigEndian.Uint16(w.sent[0][2:]))
		}
	}
}

// TestForwardParameterSets gives the packets that are put in the SSRC of the others.
func TestForwardParameterSets(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264, ParameterSets: sets})
	w := &wireLoop{bench: b}
	NewForwarder(b.now, w, b.source.Track(0), Forward{})
	b.send(0, 0, 1, 0, 7, idr)
	for _, p := range w.sent {
		if ssrc := binary.BigEndian.Uint32(p[8:]); ssrc != 7 {
			t.Errorf("SSRC %d", ssrc)
		}
	}
	if len(w.sent) != 2 {
		t.Errorf("%d packets", len(w.sent))
	}
}

// TestDataForwardedAgain replaces a forwarder of messages by another one, as when a
// publisher goes to another server again: no message is taken for a repeated one.
func TestDataForwardedAgain(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Data, SSRC: 7})
	got := 0
	b.source.OnData = func(int, bool, []byte) { got++ }
	w := &wireLoop{bench: b}
	for range 5 {
		f := NewForwarder(b.now, w, nil, Forward{SSRC: 7})
		for range 40 {
			b.now = b.now.Add(10 * time.Millisecond)
			f.Message(b.now, false, []byte("x"))
		}
		f.Close()
	}
	for _, p := range w.sent {
		buf := b.pool.Get()
		buf.N = copy(buf.B, p)
		b.source.HandleRTP(b.now, 0, 0, buf)
		buf.Release()
	}
	if got != len(w.sent) || got != 200 {
		t.Errorf("%d of %d messages", got, len(w.sent))
	}
}
