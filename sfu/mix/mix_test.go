package mix

import (
	"testing"

	"bifrons/rtp/mono"
	"bifrons/rtp/opus"
)

// wants checks how much of some tones an ear heard in the last half of a second.
func wants(t *testing.T, who string, pcm []float32, hz float64, least, most float64) {
	t.Helper()
	if len(pcm) < 24000 {
		t.Fatalf("%s hears %d samples", who, len(pcm))
	}
	if a := amplitude(pcm[len(pcm)-24000:], hz); a < least || a > most {
		t.Errorf("%s hears %.0f Hz with an amplitude of %.4f, want %.3f to %.3f", who, hz, a, least, most)
	}
}

func TestOthersAreHeardAndNotOneself(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		l := newLab(t, Config{Rate: rate})
		ann := l.speaks(l.join(PartyConfig{}), tone(500, .2))
		bob := l.speaks(l.join(PartyConfig{}), tone(900, .2))
		eve := l.speaks(l.join(PartyConfig{}), tone(1500, .2))
		l.run(75)
		for _, x := range []struct {
			who  string
			s    *someone
			self float64
		}{{"ann", ann, 500}, {"bob", bob, 900}, {"eve", eve, 1500}} {
			for _, hz := range []float64{500, 900, 1500} {
				if hz == x.self {
					wants(t, x.who, x.s.ear.pcm, hz, 0, .01)
				} else {
					wants(t, x.who, x.s.ear.pcm, hz, .12, .25)
				}
			}
		}
	}
}

func TestListenersShareAnEncoder(t *testing.T) {
	l := newLab(t, Config{Rate: 48000})
	l.speaks(l.join(PartyConfig{}), tone(500, .2))
	var list []*someone
	for range 20 {
		list = append(list, l.join(PartyConfig{}))
	}
	l.join(PartyConfig{Settings: Settings{Encoding: opus.Settings{Bitrate: 20000}}})
	l.run(75)
	if s := l.c.Stats(); s.Encoders != 3 || s.Decoders != 1 || s.Parties != 22 {
		t.Errorf("%d encoders and %d decoders for %d parties", s.Encoders, s.Decoders, s.Parties)
	}
	for _, s := range list {
		wants(t, "a listener", s.ear.pcm, 500, .17, .23)
	}
}

func TestWhoIsNotHeard(t *testing.T) {
	l := newLab(t, Config{Rate: 16000})
	ann := l.speaks(l.join(PartyConfig{}), tone(500, .2))
	admin := l.speaks(l.join(PartyConfig{Settings: Settings{Exempt: true}}), tone(900, .2))
	bob := l.join(PartyConfig{})
	hears := func(when string, ann, admin bool) {
		t.Helper()
		bob.ear.forget()
		l.run(75)
		for hz, on := range map[float64]bool{500: ann, 900: admin} {
			if on {
				wants(t, when+": bob", bob.ear.pcm, hz, .12, .25)
			} else {
				wants(t, when+": bob", bob.ear.pcm, hz, 0, .005)
			}
		}
	}
	hears("at first", true, true)
	ann.Set(Settings{Volume: 100, Muted: true})
	hears("muted", false, true)
	ann.Set(Settings{Volume: 100})
	hears("not muted any more", true, true)
	l.c.SetMuted(true)
	hears("the conference is muted", false, true)
	l.c.SetMuted(false)
	ann.Set(Settings{Volume: 100, Suspended: true})
	ann.ear.forget()
	hears("suspended", false, true)
	if ann.ear.n != 0 {
		t.Errorf("who is suspended gets %d packets", ann.ear.n)
	}
	ann.Set(Settings{Volume: 100})
	admin.quiet = true
	hears("the other is quiet", true, false)
	admin.quiet = false
	ann.Leave()
	hears("one has left", false, true)
	if !ann.Party.over() || !ann.mouth.over {
		t.Error("its input is not closed")
	}
}

func TestStereo(t *testing.T) {
	l := newLab(t, Config{Rate: 48000, Stereo: true})
	l.speaks(l.join(PartyConfig{Settings: Settings{Position: 0}}), tone(500, .3))
	l.speaks(l.join(PartyConfig{Settings: Settings{Position: 75}}), tone(900, .3))
	l.speaks(l.join(PartyConfig{Settings: Settings{Position: -1}}), tone(1500, .1)) // is not moved
	bob := l.join(PartyConfig{Settings: Settings{Encoding: opus.Settings{Bitrate: 96000}}})
	l.run(75)
	left, right := bob.ear.channel(0), bob.ear.channel(1)
	wants(t, "the left ear", left, 500, .25, .33)
	wants(t, "the right ear", right, 500, 0, .01)
	wants(t, "the left ear", left, 900, .06, .09)
	wants(t, "the right ear", right, 900, .19, .25)
	wants(t, "the left ear", left, 1500, .08, .12)
	wants(t, "the right ear", right, 1500, .08, .12)
}

func TestG711(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA} {
		for _, cfg := range []Config{{Rate: 8000}, {Rate: 12000}, {Rate: 16000}, {Rate: 48000}, {Rate: 24000, Stereo: true}} {
			l := newLab(t, cfg)
			l.speaks(l.join(PartyConfig{Settings: Settings{Position: -1}}), tone(500, .2))
			phone := l.join(PartyConfig{Codec: codec, Settings: Settings{Position: -1}})
			other := l.join(PartyConfig{Codec: codec})
			l.run(25)
			l.run(75)
			wants(t, "a telephone", phone.ear.pcm, 500, .17, .23)
			if s := l.c.Stats(); phone.ear.stream != other.ear.stream || s.Encoders != 1 {
				t.Errorf("telephones do not share, or %d encoders", s.Encoders)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	l := newLab(t, Config{Rate: 16000, Groups: 2})
	l.speaks(l.join(PartyConfig{Group: 1}), tone(500, .2))
	l.speaks(l.join(PartyConfig{Group: 2}), tone(900, .2))
	first, all := l.join(PartyConfig{Hears: 1, Idle: true}), l.join(PartyConfig{Idle: true})
	l.run(75)
	wants(t, "who hears the first group", first.ear.pcm, 500, .14, .25)
	wants(t, "who hears the first group", first.ear.pcm, 900, 0, .01)
	wants(t, "who hears all", all.ear.pcm, 500, .14, .25)
	wants(t, "who hears all", all.ear.pcm, 900, .14, .25)
}

func TestManyAreLoud(t *testing.T) {
	l := newLab(t, Config{Rate: 48000})
	var peak float32
	l.c.Tap(func(_ mono.Time, pcm []float32) {
		for _, x := range pcm {
			peak = max(peak, x, -x)
		}
	})
	for i := range 10 {
		l.speaks(l.join(PartyConfig{}), tone(300+200*float64(i), .8))
	}
	bob := l.join(PartyConfig{})
	l.run(75)
	if peak > 1 || peak < .5 {
		t.Errorf("the peak of the sum is %.3f", peak)
	}
	wants(t, "who hears them", bob.ear.pcm, 300, .05, .2)
}
