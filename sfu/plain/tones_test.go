package plain

import (
	"slices"
	"testing"
	"time"

	"bifrons/sfu/media"
)

// press is the payload of a telephone event (RFC 4733, 2.3).
func press(code uint8, end bool, duration uint16) string {
	volume := byte(10)
	if end {
		volume |= 0x80
	}
	return string([]byte{code, volume, byte(duration >> 8), byte(duration)})
}

// TestTones tells each tone once, with its whole duration, whatever gets lost.
func TestTones(t *testing.T) {
	type part struct {
		ts      uint32
		payload string
	}
	for name, x := range map[string]struct {
		parts []part
		want  []tone
	}{
		"three ends": {
			[]part{{160, press(5, false, 400)}, {160, press(5, false, 800)}, {160, press(5, true, 1280)}, {160, press(5, true, 1280)}, {160, press(5, true, 1280)}},
			[]tone{{'5', 1280}},
		},
		"only an end": {[]part{{160, press(10, true, 800)}}, []tone{{'*', 800}}},
		"twice the same key": {
			[]part{{160, press(1, true, 400)}, {160, press(1, true, 400)}, {1600, press(1, false, 160)}, {1600, press(1, true, 500)}},
			[]tone{{'1', 400}, {'1', 500}},
		},
		"ends lost, another follows": {
			[]part{{160, press(11, false, 400)}, {1600, press(15, true, 500)}},
			[]tone{{'#', 400}, {'D', 500}},
		},
		"ends lost, nothing follows": {[]part{{160, press(12, false, 400)}}, []tone{{'A', 400}}},
		"out of order": {
			[]part{{160, press(1, false, 320)}, {160, press(1, true, 480)}, {160, press(1, false, 160)}, {1600, press(2, true, 480)}, {160, press(1, true, 480)}},
			[]tone{{'1', 480}, {'2', 480}},
		},
		"segments": {
			[]part{{160, press(3, false, 65535)}, {160 + 65535, press(3, false, 300)}, {160 + 65535, press(3, true, 465)}},
			[]tone{{'3', 66000}},
		},
		"clock goes round":  {[]part{{1<<32 - 10, press(7, true, 80)}, {150, press(8, true, 80)}}, []tone{{'7', 80}, {'8', 80}}},
		"no key of a phone": {[]part{{160, press(16, true, 80)}, {320, press(70, true, 80)}}, nil},
		"short":             {[]part{{160, "\x01\x8a\x00"}, {160, ""}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, media.Audio)
			c.s.SetRemote(c.now, farEnd(pcmu, phone))
			for i, p := range x.parts {
				c.send(packet{seq: uint16(i), ts: p.ts, ssrc: 7, pt: 101, payload: p.payload})
				c.now = c.now.Add(50 * time.Millisecond)
			}
			c.pass(time.Second)
			if !slices.Equal(c.tones, x.want) {
				t.Errorf("told of %v, want %v", c.tones, x.want)
			}
		})
	}
}

// TestTonesAreRelayed: they have the numbers of the voice around them, though their
// timestamps stand still, or count in units of their own.
func TestTonesAreRelayed(t *testing.T) {
	for _, main := range []media.Codec{pcmu, opus} {
		c := newCall(t, media.Audio)
		c.s.SetRemote(c.now, farEnd(main, phone))
		sub, out := subscribed(c.s.Track(), c.now)
		step := main.ClockRate / 50
		ts, seq := uint32(1<<31), uint16(65500)
		voice := func() {
			c.send(packet{seq: seq, ts: ts, ssrc: 7, pt: main.PayloadType, payload: "voice"})
		}
		next := func() {
			seq, ts = seq+1, ts+step
			c.pass(20 * time.Millisecond)
		}
		for range 5 {
			voice()
			next()
		}
		start := ts
		if main == opus {
			start = 4000 // the tone's own clock
		}
		for i := range 400 { // eight seconds
			c.send(packet{seq: seq, ts: start, ssrc: 7, pt: 101, payload: press(9, false, uint16(160*(i+1)))})
			next()
		}
		c.send(packet{seq: seq, ts: start, ssrc: 7, pt: 101, payload: press(9, true, 64160)})
		next()
		for range 5 {
			voice()
			next()
		}
		if len(out.list) != 411 {
			t.Fatalf("%v: %d packets", main.Name, len(out.list))
		}
		first, last := out.list[0], out.list[410]
		if last.Seq-first.Seq != 410 || last.Timestamp-first.Timestamp != 410*step {
			t.Errorf("%v: numbers move by %d, timestamps by %d", main.Name, last.Seq-first.Seq, last.Timestamp-first.Timestamp)
		}
		if got := c.in[200]; got.codec != media.TelephoneEvent || got.pt != 101 || got.run != c.in[0].run || c.in[410].run != got.run {
			t.Errorf("%v: in the middle %+v, at the end %+v", main.Name, got, c.in[410])
		}
		if !slices.Equal(c.tones, []tone{{'9', 64160}}) {
			t.Errorf("%v: told of %v", main.Name, c.tones)
		}
		if st := c.s.Stats(c.now); st.Lost != 0 || st.Jitter > time.Millisecond {
			t.Errorf("%v: lost %d, jitter %v", main.Name, st.Lost, st.Jitter)
		}
		sub.Detach()
	}
}

// TestTonesUnderSRTP are not told, but relayed.
func TestTonesUnderSRTP(t *testing.T) {
	c := newCall(t, media.Audio)
	theirs, opener := secret(2, 1)
	r := farEnd(pcmu, phone)
	r.Opener = opener
	c.s.SetRemote(c.now, r)
	c.receive(farRTP, seal(theirs, packet{seq: 1, ts: 160, ssrc: 7, pt: 101, payload: press(1, true, 400)}, 0))
	if len(c.tones) != 0 || len(c.in) != 1 {
		t.Errorf("told of %v, relayed %d", c.tones, len(c.in))
	}
}
