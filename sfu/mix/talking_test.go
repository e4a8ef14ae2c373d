package mix

import (
	"slices"
	"testing"
)

// TestTalking: who talks is told when the mean of the levels goes past the threshold, once
// for each window, whether packets come in time or several at once.
func TestTalking(t *testing.T) {
	for _, burst := range []int{0, 2, 5} {
		l := newLab(t, Config{Rate: 16000})
		var told []bool
		ann := l.join(PartyConfig{Window: 25, Threshold: 30, Talking: func(talking bool, level float64) {
			told = append(told, talking)
			if talking != (level < 30) {
				t.Errorf("talking %v with a level of %v", talking, level)
			}
		}})
		if s := ann.Stats(); s.Level != 127 || s.HasLevel || s.Talking {
			t.Errorf("before anything was said: %+v", s)
		}
		l.speaks(ann, tone(500, .14)) // -20 dBov
		ann.burst = burst
		l.run(24)
		if s := ann.Stats(); len(told) > 0 || s.Level != 127 || !s.HasLevel {
			t.Errorf("before the first window is over: %v, %+v", told, s)
		}
		l.run(51)
		// A packet that has not come when a window ends counts in the next one.
		if s := ann.Stats(); !slices.Equal(told, []bool{true}) || !s.Talking || s.Level < 20 || s.Level > 25 {
			t.Errorf("bursts of %d: told %v while it talks, %+v", burst, told, s)
		}
		ann.mouth.quiet = true
		l.run(50)
		if s := ann.Stats(); !slices.Equal(told, []bool{true, false}) || s.Talking || s.Level != 127 {
			t.Errorf("bursts of %d: told %v when it is silent, %+v", burst, told, s)
		}
		ann.mouth.quiet = false
		l.run(25)
		ann.mouth.over = true // nothing comes any more
		l.run(50)
		if !slices.Equal(told, []bool{true, false, true, false}) {
			t.Errorf("bursts of %d: told %v", burst, told)
		}
	}
}

// TestTalkingMissing: what is lost counts as silence.
func TestTalkingMissing(t *testing.T) {
	var x talking
	x.set(10, 60)
	for i := range 10 {
		if i%2 == 0 {
			x.hear(21, Frame)
		}
		if changed := x.tick(); changed {
			t.Error("half of it is lost, and it talks")
		}
	}
	if x.mean() != 74 {
		t.Errorf("mean %v", x.mean())
	}
	for range 9 {
		x.hear(21, Frame)
		x.tick()
	}
	x.hear(21, 3*Frame) // packets of other lengths count by that
	if !x.tick() || x.mean() != 21 {
		t.Errorf("mean %v", x.mean())
	}
}

// TestTalkingWithoutLevels: who sends no levels is heard by the energy of what is decoded,
// shares an encoder while that is silence, and is never said to talk.
func TestTalkingWithoutLevels(t *testing.T) {
	l := newLab(t, Config{Rate: 16000})
	ann := l.join(PartyConfig{Window: 5, Threshold: 126, Talking: func(bool, float64) { t.Error("it is said to talk") }})
	l.speaks(ann, tone(500, .2)).level = false
	bob := l.join(PartyConfig{})
	for range 2 {
		ann.mouth.quiet = true
		l.run(250)
		if s := ann.Stats(); s.Heard || s.Own || s.HasLevel || s.Talking {
			t.Errorf("while it is silent: %+v", s)
		}
		wants(t, "bob", bob.ear.pcm, 500, 0, .001)
		ann.mouth.quiet = false
		l.run(75)
		if s := ann.Stats(); !s.Heard || !s.Own || s.HasLevel || s.Talking || s.Level != 127 {
			t.Errorf("while it speaks: %+v", s)
		}
		wants(t, "bob", bob.ear.pcm, 500, .17, .25)
	}
}
