package route

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bifrons/rtp/codec"
	"bifrons/sfu/media"
)

func anyLayer(rng *rand.Rand, most int) media.Layer {
	at := func() int8 { return int8(rng.IntN(most+2) - 1) }
	return media.Layer{Encoding: at(), Spatial: at(), Temporal: at()}
}

// meet is the highest layer that two allow. It is written down anew, by looking at
// every layer there is.
func meet(a, b media.Layer) media.Layer {
	one := func(a, b int8) int8 {
		best := int8(-1)
		for l := range int8(8) {
			if (a < 0 || l <= a) && (b < 0 || l <= b) {
				best = l
			}
		}
		return best
	}
	return media.Layer{
		Encoding: one(a.Encoding, b.Encoding), Spatial: one(a.Spatial, b.Spatial), Temporal: one(a.Temporal, b.Temporal),
	}
}

// TestCeilingIsLikeALowerTarget compares a subscription that has target and
// ceiling with one whose target is the lower of both.
func TestCeilingIsLikeALowerTarget(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		one, other := newEncoder(t, 0), newEncoder(t, 0)
		wish, ceiling := media.NoLayer, media.NoLayer
		for i := range 400 {
			switch rng.IntN(20) {
			case 0:
				wish = anyLayer(rng, 2)
				one.sub.SetTarget(one.now, wish, 0)
			case 1:
				ceiling = anyLayer(rng, 2)
				one.sub.SetCeiling(one.now, ceiling)
			}
			other.sub.SetTarget(other.now, meet(wish, ceiling), 0)
			if a, b := one.frame(), other.frame(); a != b || one.out.current != other.out.current || one.plis != other.plis {
				t.Fatalf("seed %d, frame %d, wish %+v, ceiling %+v: %d packets of %+v and %d of %+v", seed, i, wish, ceiling,
					a, one.out.current, b, other.out.current)
			}
		}
		if !slices.Equal(one.out.subs, other.out.subs) {
			t.Fatalf("seed %d: other encodings", seed)
		}
	}
}

func TestCeilingOfEncodings(t *testing.T) {
	e := newEncoder(t, 0)
	limit := func(sub int8) { e.sub.SetCeiling(e.now, media.Layer{Encoding: sub, Spatial: -1, Temporal: -1}) }
	for i, step := range []struct {
		do   func()
		want int8
	}{
		{func() {}, 2},
		{func() { limit(1) }, 1},
		{func() { e.target(0) }, 0},
		{func() { limit(0) }, 0},
		{func() { e.target(-1) }, 0},
		{func() { e.target(2) }, 0},
		{func() { limit(-1) }, 2},
	} {
		step.do()
		e.wait(20)
		if got := e.out.current.Encoding; got != step.want {
			t.Fatalf("step %d: encoding %d is forwarded, want %d", i, got, step.want)
		}
	}
	limit(1)
	e.sub.Detach()
	e.sub.Attach(e.now, e.track)
	e.wait(40)
	e.current(1) // it is the subscription's
}

func TestCeilingOfLayers(t *testing.T) {
	upper := func(i *codec.Info) { i.Temporal = 1 }
	l := newLayered(t)
	l.frame(2, keyPicture)
	if got := l.frame(2, upper); got != 2 {
		t.Fatalf("%d frames of both spatial layers", got)
	}
	l.sub.SetCeiling(l.now, media.Layer{Encoding: -1, Spatial: 0, Temporal: 0})
	l.frame(2, keyPicture)
	if got := l.frame(2, upper); got != 0 {
		t.Errorf("%d frames above the temporal ceiling", got)
	}
	if got := l.frame(2, func(*codec.Info) {}); got != 1 {
		t.Errorf("%d frames of one spatial layer", got)
	}
	l.want(1, 1)
	l.frame(2, keyPicture)
	if got := l.frame(2, func(*codec.Info) {}); got != 1 {
		t.Errorf("%d frames: the wish went over the ceiling", got)
	}
	l.sub.SetCeiling(l.now, media.NoLayer)
	l.frame(2, keyPicture)
	if got := l.frame(2, upper); got != 2 {
		t.Errorf("%d frames without a ceiling", got)
	}
}
