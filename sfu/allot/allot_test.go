package allot

import (
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// point is an operating point of simulcast.
func point(encoding, temporal int8, kbps uint64, frames float64) route.Rate {
	return route.Rate{Layer: layer(encoding, temporal), Peak: kbps * 1000, Recent: kbps * 1000, Frames: frames}
}

func layer(encoding, temporal int8) media.Layer {
	return media.Layer{Encoding: encoding, Spatial: -1, Temporal: temporal}
}

// camera is what browsers send of 720p.
func camera() Stream {
	return Stream{Video: true, Wish: media.NoLayer, Rates: []route.Rate{
		point(0, 0, 60, 7.5), point(0, 1, 90, 15), point(0, 2, 150, 30),
		point(1, 0, 200, 7.5), point(1, 1, 300, 15), point(1, 2, 500, 30),
		point(2, 0, 900, 7.5), point(2, 1, 1500, 15), point(2, 2, 2500, 30),
	}}
}

// screen has few pictures a second.
func screen() Stream {
	return Stream{Video: true, Wish: media.NoLayer, Rates: []route.Rate{
		point(0, 0, 100, 2.5), point(0, 1, 200, 5), point(1, 0, 300, 2.5), point(1, 1, 600, 5),
	}}
}

func plain(kbps uint64) Stream {
	return Stream{Video: true, Wish: media.NoLayer, Rates: []route.Rate{{Layer: media.NoLayer, Peak: kbps * 1000, Recent: kbps * 1000, Frames: 30}}}
}

func audio() Stream {
	return Stream{Rates: []route.Rate{{Layer: media.NoLayer, Peak: 50_000, Recent: 50_000}}}
}

func with(s Stream, f func(*Stream)) Stream {
	f(&s)
	return s
}

// run divides for a while, every 100 ms.
type run struct {
	Allotter
	now    mono.Time
	shares []Share
	want   uint64
}

func (r *run) divide(kbps uint64, sure bool, streams ...Stream) []Share {
	if r.now == 0 {
		r.now = mono.Time(time.Hour)
	}
	r.now = r.now.Add(100 * time.Millisecond)
	r.shares = make([]Share, len(streams))
	r.want = r.Divide(r.now, Line{Target: kbps * 1000, Sure: sure}, streams, r.shares)
	return r.shares
}

func (r *run) stay(d time.Duration, kbps uint64, sure bool, streams ...Stream) []Share {
	for range d / (100 * time.Millisecond) {
		r.divide(kbps, sure, streams...)
	}
	return r.shares
}

func TestFirstDivision(t *testing.T) {
	heavy := func(s *Stream) { s.Weight = 4 }
	paused := media.Layer{Encoding: -9}
	for _, c := range []struct {
		name    string
		kbps    uint64
		streams []Stream
		want    []media.Layer
	}{
		{"all of a good line", 5000, []Stream{audio(), camera()}, []media.Layer{media.NoLayer, layer(2, 2)}},
		{"what fits with a margin", 640, []Stream{audio(), camera()}, []media.Layer{media.NoLayer, layer(1, 2)}},
		{"audio comes off first", 560, []Stream{audio(), camera()}, []media.Layer{media.NoLayer, layer(1, 1)}},
		{"not below eleven pictures a second for a larger one", 260, []Stream{camera()}, []media.Layer{layer(0, 2)}},
		{"the lowest", 70, []Stream{camera()}, []media.Layer{layer(0, 0)}},
		{"nothing of video, but audio", 60, []Stream{audio(), camera()}, []media.Layer{media.NoLayer, paused}},
		{"a screen: detail first", 340, []Stream{screen()}, []media.Layer{layer(1, 0)}},
		{"a wish is a bound", 5000, []Stream{with(camera(), func(s *Stream) { s.Wish = layer(1, 1) })}, []media.Layer{layer(1, 1)}},
		{"so is a rate", 5000, []Stream{with(camera(), func(s *Stream) { s.Max = 600_000 })}, []media.Layer{layer(1, 2)}},
		{"below all layers it is the lowest", 5000, []Stream{with(camera(), func(s *Stream) { s.Max = 10_000 })}, []media.Layer{layer(0, 0)}},
		{"two alike", 1200, []Stream{camera(), camera()}, []media.Layer{layer(1, 2), layer(1, 2)}},
		{"one has more weight", 2000, []Stream{camera(), with(camera(), heavy)}, []media.Layer{layer(1, 1), layer(2, 1)}},
		{"each has its lowest first", 2000, []Stream{with(camera(), heavy), plain(1200)}, []media.Layer{layer(1, 2), media.NoLayer}},
		{"not all fit", 170, []Stream{camera(), with(camera(), heavy), camera()}, []media.Layer{layer(0, 0), layer(0, 1), paused}},
		{"paused by the client", 5000, []Stream{with(camera(), func(s *Stream) { s.Paused = true }), plain(300)},
			[]media.Layer{{Encoding: 0, Spatial: 0, Temporal: -1}, media.NoLayer}},
		{"not measured yet", 5000, []Stream{{Video: true, Wish: media.NoLayer}}, []media.Layer{{Encoding: 0, Spatial: 0, Temporal: -1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r run
			for i, s := range r.divide(c.kbps, true, c.streams...) {
				if want := c.want[i]; s.Pause != (want == paused) || !s.Pause && s.Ceiling != want {
					t.Errorf("stream %d: %+v, want %+v", i, s, want)
				}
			}
		})
	}
}

// With layers that are a little dearer or cheaper from one call to the next, nothing changes.
func TestNothingFlaps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var r run
	noisy := func() []Stream {
		list := []Stream{audio(), camera(), camera(), screen()}
		for i := range list {
			for j := range list[i].Rates {
				x := &list[i].Rates[j]
				x.Recent = uint64(float64(x.Peak) * (0.9 + 0.1*random.Float64()))
				x.Peak = uint64(float64(x.Peak) * (0.98 + 0.04*random.Float64()))
			}
		}
		return list
	}
	r.divide(2000, false, noisy()...)
	first := append([]Share(nil), r.shares...)
	for i := range 1200 {
		r.divide(uint64(1960+random.IntN(80)), i%7 == 0, noisy()...)
		for j := range first {
			if r.shares[j].Ceiling != first[j].Ceiling || r.shares[j].Pause {
				t.Fatalf("after %d calls stream %d has %+v in place of %+v", i, j, r.shares[j], first[j])
			}
		}
	}
}

func TestDown(t *testing.T) {
	var r run
	r.divide(5000, false, audio(), camera())
	if got := r.stay(time.Second, 2300, false, audio(), camera())[1]; got.Ceiling != layer(2, 2) {
		t.Errorf("%+v: without evidence a little is no reason to go down", got)
	}
	if got := r.divide(2300, true, audio(), camera())[1]; got.Ceiling != layer(2, 1) {
		t.Errorf("%+v on evidence, want the next one at once", got)
	}
	if got := r.divide(400, false, audio(), camera())[1]; got.Ceiling != layer(1, 1) {
		t.Errorf("%+v, and much less needs no evidence", got)
	}
}

// What is sent at the top may be more than the target by now: a probe can tell whether that is so.
func TestWantsWhatIsSent(t *testing.T) {
	var r run
	r.divide(5000, false, audio(), camera())
	used := r.shares[0].Rate + r.shares[1].Rate
	if r.want != 0 {
		t.Errorf("wants %d at the top", r.want)
	}
	if r.divide(used/1000-100, false, audio(), camera()); r.want < used || r.want > used*5/4 {
		t.Errorf("wants %d where it sends %d", r.want, used)
	}
}

// The key frame with which a way down begins is no reason for another one.
func TestDownSettles(t *testing.T) {
	var r run
	r.divide(5000, false, camera())
	if got := r.divide(600, true, camera())[0]; got.Ceiling != layer(1, 2) {
		t.Fatalf("%+v: did not go down", got)
	}
	key := camera()
	for i := range key.Rates {
		if key.Rates[i].Layer == layer(1, 2) {
			key.Rates[i].Peak, key.Rates[i].Recent = 3*key.Rates[i].Peak, 3*key.Rates[i].Recent
		}
	}
	if got := r.stay(downSettles-200*time.Millisecond, 600, true, key)[0]; got.Ceiling != layer(1, 2) {
		t.Errorf("%+v by its key frame", got)
	}
	if got := r.stay(300*time.Millisecond, 600, true, key)[0]; got.Ceiling == layer(1, 2) {
		t.Errorf("%+v though it takes more", got)
	}
}

// A way up soon after one down costs its own layer's rate.
func TestUpAfterDown(t *testing.T) {
	var r run
	r.divide(5000, false, camera())
	r.divide(160, true, camera())
	if got := r.stay(time.Second, 600, false, camera())[0]; got.Ceiling != layer(1, 2) || got.Rate != 500_000 {
		t.Errorf("%+v", got)
	}
}

// What waits after a way down was sent before: while much more arrives than is sent now, there is
// no reason for another one, for a second.
func TestDownShows(t *testing.T) {
	var r run
	shares := make([]Share, 1)
	divide := func(target, arriving uint64) media.Layer {
		r.now = r.now.Add(100 * time.Millisecond)
		r.Divide(r.now, Line{Target: target * 1000, Arriving: arriving * 1000, Sure: true}, []Stream{camera()}, shares)
		return shares[0].Ceiling
	}
	r.divide(5000, false, camera())
	if got := divide(600, 800); got != layer(1, 2) {
		t.Fatalf("%v: did not go down", got)
	}
	for range 9 {
		if got := divide(200, 800); got != layer(1, 2) {
			t.Fatalf("%v by what was sent before", got)
		}
	}
	divide(200, 800)
	if got := divide(200, 800); got.Encoding != 0 {
		t.Errorf("%v after a second", got)
	}
	r.stay(time.Minute, 5000, false, camera())
	divide(600, 800)
	if got := divide(200, 300); got.Encoding != 0 {
		t.Errorf("%v where less arrives", got)
	}
}

// Nothing more is put on a line on which a long queue stands; what is there stays.
func TestFullLine(t *testing.T) {
	var r run
	shares := make([]Share, 1)
	divide := func(full bool) media.Layer {
		r.now = r.now.Add(100 * time.Millisecond)
		r.Divide(r.now, Line{Target: 5_000_000, Full: full}, []Stream{camera()}, shares)
		return shares[0].Ceiling
	}
	r.divide(600, false, camera())
	for range 100 {
		if got := divide(true); got != layer(1, 2) {
			t.Fatalf("%v on a full line", got)
		}
	}
	if got := divide(false); got != layer(2, 2) {
		t.Errorf("%v on a free line", got)
	}
}

// A way up that failed is tried again later and later, but at once where the line has become
// better than when it failed.
func TestUpBacksOff(t *testing.T) {
	var r run
	r.divide(560, false, camera())
	fail := func() {
		t.Helper()
		if got := r.divide(2000, false, camera())[0]; got.Ceiling != layer(2, 1) {
			t.Fatalf("%+v: did not go up", got)
		}
		if got := r.divide(560, true, camera())[0]; got.Ceiling.Encoding != 1 {
			t.Fatalf("%+v: did not go down", got)
		}
	}
	for _, hold := range []time.Duration{5, 10, 20} {
		fail()
		if got := r.stay(hold*time.Second-200*time.Millisecond, 2000, false, camera())[0]; got.Ceiling.Encoding != 1 {
			t.Fatalf("%+v within %d s", got, hold)
		}
		if r.want < 1_650_000 {
			t.Fatalf("wants %d, and nothing shows whether the line has become better", r.want)
		}
		r.stay(300*time.Millisecond, 560, false, camera())
	}
	fail()
	if got := r.divide(2700, false, camera())[0]; got.Ceiling.Encoding != 2 {
		t.Errorf("%+v with much more than when it failed", got)
	}
}

// What failed says nothing of less than that, nor of a line that has changed: it is asked for what
// shows the latter.
func TestUpOnlyBacksOffFromWhatFailed(t *testing.T) {
	var r run
	r.divide(560, false, audio(), camera())
	r.divide(2000, false, audio(), camera())
	if got := r.stay(2*time.Second, 130, true, audio(), camera())[1]; got.Ceiling != layer(0, 0) {
		t.Fatalf("%+v: did not go down", got)
	}
	if got := r.stay(time.Second, 400, false, audio(), camera())[1]; got.Ceiling != layer(1, 1) {
		t.Errorf("%+v a second after much more failed", got)
	}
	if got := r.stay(2*time.Second, 2000, false, audio(), camera())[1]; got.Ceiling != layer(1, 2) {
		t.Errorf("%+v where that failed", got)
	}
	if room := uint64(1.3 * 1_950_000); r.want < room+50_000 {
		t.Errorf("wants %d, which cannot show that the line has become better", r.want)
	}
	if got := r.divide(r.want/1000*97/100, false, audio(), camera())[1]; got.Ceiling.Encoding != 2 {
		t.Errorf("%+v with most of what was wanted", got)
	}
}

// A way up that failed says nothing of what was sent for long before it.
func TestUpFailsNotWhatWasBefore(t *testing.T) {
	var r run
	shares := make([]Share, 1)
	divide := func(target, arriving uint64, sure bool) media.Layer {
		r.now = r.now.Add(100 * time.Millisecond)
		r.Divide(r.now, Line{Target: target * 1000, Arriving: arriving * 1000, Sure: sure}, []Stream{camera()}, shares)
		return shares[0].Ceiling
	}
	r.stay(10*time.Second, 340, false, camera())
	if got := divide(560, 310, false); got != layer(1, 2) {
		t.Fatalf("%v: did not go up", got)
	}
	for range 20 {
		divide(560, 350, false)
	}
	if got := divide(160, 350, true); got == layer(1, 2) {
		t.Fatalf("%v: did not go down", got)
	}
	for range 15 {
		divide(160, 160, true)
	}
	if got := divide(340, 160, false); got != layer(1, 1) {
		t.Errorf("%v with what was fine before", got)
	}
}

// Where the target follows what is sent, layers are tried one by one, and each is given time to show.
func TestTrailingTarget(t *testing.T) {
	var r run
	trail := func(d time.Duration, carries uint64) {
		for i := range d / (100 * time.Millisecond) {
			r.now = r.now.Add(100 * time.Millisecond)
			s := camera()
			r.shares = make([]Share, 2)
			target, sure := uint64(300_000), false
			if i > 0 {
				target = min(r.last()*3/2, carries)
				sure = r.last() > carries
			}
			r.want = r.Divide(r.now, Line{Target: target, Sure: sure, Trailing: true}, []Stream{audio(), s}, r.shares)
		}
	}
	r.now = mono.Time(time.Hour)
	if trail(20*time.Second, 5_000_000); r.shares[1].Ceiling != layer(2, 2) {
		t.Errorf("%+v on a good line", r.shares[1])
	}
	r = run{now: mono.Time(time.Hour)}
	if trail(60*time.Second, 700_000); r.shares[1].Ceiling != layer(1, 2) {
		t.Errorf("%+v on one of 700 kbit/s", r.shares[1])
	}
}

// last is what the streams of the last division take.
func (r *run) last() (sum uint64) {
	for i := range r.states {
		s := &r.states[i]
		if sum += uint64(s.peak); s.known && !s.paused {
			sum += uint64(s.steps[s.plan].recent)
		}
	}
	return sum
}

// The queue that the key frame of a way up makes is no reason to go back at once.
func TestUpSettles(t *testing.T) {
	var r run
	r.divide(560, false, camera())
	r.divide(2000, false, camera())
	if got := r.stay(time.Second, 1000, true, camera())[0]; got.Ceiling != layer(2, 1) {
		t.Errorf("%+v within a second, with two thirds of what it takes", got)
	}
	if got := r.stay(time.Second, 1000, true, camera())[0]; got.Ceiling.Encoding != 1 {
		t.Errorf("%+v after two seconds of that", got)
	}
	r = run{}
	r.divide(560, false, camera())
	r.divide(2000, false, camera())
	if got := r.divide(600, true, camera())[0]; got.Ceiling.Encoding != 1 {
		t.Errorf("%+v with much less than what it takes", got)
	}
}

// A target below what arrives is no reason to go down where nothing tells that this is too much.
func TestWhatArrivesIsCarried(t *testing.T) {
	for _, c := range []struct {
		arriving uint64
		sure     bool
		stays    bool
	}{{1_550_000, false, true}, {1_550_000, true, false}, {900_000, false, false}, {0, false, false}} {
		var r run
		r.stay(5*time.Second, 2000, false, audio(), camera())
		streams, shares := []Stream{audio(), camera()}, make([]Share, 2)
		r.Divide(r.now.Add(time.Second), Line{Target: 1_000_000, Sure: c.sure, Arriving: c.arriving}, streams, shares)
		if stays := shares[1].Ceiling == layer(2, 1); stays != c.stays {
			t.Errorf("%+v: %+v", c, shares[1])
		}
	}
}

// Video pauses when not even its lowest layer fits for a while, that of least weight first, and comes
// back with a margin.
func TestPause(t *testing.T) {
	first, second := with(camera(), func(s *Stream) { s.Weight = 2 }), camera()
	var r run
	r.divide(2000, false, audio(), first, second)
	if got := r.stay(2*time.Second, 130, true, audio(), first, second); got[1].Pause || got[2].Pause || got[2].Ceiling != layer(0, 0) {
		t.Errorf("%+v within 2 s", got)
	}
	if got := r.stay(2*time.Second, 130, true, audio(), first, second); got[1].Pause || !got[2].Pause || got[2].Rate != 0 {
		t.Errorf("%+v after 4 s", got)
	}
	if got := r.stay(4*time.Second, 30, true, audio(), first, second); got[0].Pause || got[0].Rate != 50_000 || !got[1].Pause || !got[2].Pause {
		t.Errorf("%+v on a line that carries not even the audio", got)
	}
	if r.want < 110_000 {
		t.Errorf("wants %d: nothing would bring the video back", r.want)
	}
	if got := r.stay(10*time.Second, 118, false, audio(), first, second); !got[1].Pause {
		t.Errorf("%+v without a margin", got)
	}
	if got := r.stay(10*time.Second, 300, false, audio(), first, second); got[1].Pause || got[2].Pause {
		t.Errorf("%+v with enough", got)
	}
}

// A stream that is far too much for a line ends soon where others would stand with it.
func TestFarTooMuch(t *testing.T) {
	camera := with(camera(), func(s *Stream) { s.Weight = 2 })
	slides := with(plain(400), func(s *Stream) { s.Adapting = true })
	var r run
	r.divide(2000, false, audio(), camera, slides)
	if got := r.stay(2*time.Second, 150, true, audio(), camera, slides); got[1].Pause || !got[2].Pause {
		t.Errorf("%+v beside a camera", got)
	}
	r = run{}
	r.divide(2000, false, audio(), slides)
	if got := r.stay(4*time.Second, 150, true, audio(), slides); got[1].Pause {
		t.Errorf("%+v by itself, where nobody waits for its end", got)
	}
}

// A stream that pauses comes back once the lowest layers of all fit, whatever others have by then.
func TestOthersMakeRoom(t *testing.T) {
	var r run
	slides := plain(180)
	r.divide(2000, false, audio(), camera(), slides)
	r.stay(4*time.Second, 150, true, audio(), camera(), slides)
	if got := r.stay(10*time.Second, 300, false, audio(), camera(), slides); !got[2].Pause || got[1].Ceiling != layer(0, 2) {
		t.Fatalf("%+v where not all fit", got)
	}
	if got := r.stay(time.Second, 340, false, audio(), camera(), slides); got[2].Pause || got[1].Pause || got[1].Ceiling == layer(0, 2) {
		t.Errorf("%+v where all do", got)
	}
	// It is not tried again and again.
	pauses, paused := 0, false
	for range 120 {
		r.stay(2*time.Second, 150, true, audio(), camera(), slides)
		for range 5 {
			if p := r.stay(100*time.Millisecond, 340, false, audio(), camera(), slides)[2].Pause; p != paused {
				if paused = p; p {
					pauses++
				}
			}
		}
	}
	if pauses > 9 {
		t.Errorf("%d pauses in 5 min", pauses)
	}
}

// What fits into what arrives goes on, though the target is less until the queue is empty that
// another stream has made.
func TestOthersGoOn(t *testing.T) {
	for _, c := range []struct {
		arriving uint64
		goesOn   bool
	}{{170_000, true}, {70_000, false}} {
		var r run
		slides := plain(180)
		r.divide(2000, false, audio(), slides, camera())
		streams, shares := []Stream{audio(), slides, camera()}, make([]Share, 3)
		stay := func(d time.Duration) {
			for range d / (100 * time.Millisecond) {
				r.now = r.now.Add(100 * time.Millisecond)
				r.Divide(r.now, Line{Target: 31_000, Sure: true, Arriving: c.arriving}, streams, shares)
			}
		}
		stay(500 * time.Millisecond)
		if shares[1].Pause || shares[2].Pause {
			t.Errorf("%+v: %+v at once", c, shares)
		}
		stay(time.Second)
		if !shares[1].Pause || shares[2].Pause == c.goesOn {
			t.Errorf("%+v: %+v after 2 s", c, shares)
		}
		stay(4 * time.Second)
		if !shares[1].Pause || shares[2].Pause == c.goesOn {
			t.Errorf("%+v: %+v after 6 s", c, shares)
		}
	}
}

// A sender that adapts is asked for what there is room for, and wants more as long as it uses it.
func TestAdapting(t *testing.T) {
	stream := with(plain(300), func(s *Stream) { s.Adapting = true })
	var r run
	r.divide(400, false, audio(), stream)
	if got := r.shares[1].Room; got != 350_000 || r.want < 650_000 {
		t.Errorf("room %d, wants %d", got, r.want)
	}
	if r.divide(1000, false, audio(), stream); r.want != 0 || r.shares[1].Room != 950_000 {
		t.Errorf("wants %d with three times of what it takes", r.want)
	}
	if r.divide(200, false, audio(), with(plain(50), func(s *Stream) { s.Adapting = true })); r.want < 350_000 {
		t.Errorf("wants %d with too little for any picture", r.want)
	}
	stream.Max = 500_000
	if r.divide(400, false, audio(), stream); r.want != 0 {
		t.Errorf("wants %d beyond its bound", r.want)
	}
	if r.divide(1000, false, audio(), stream); r.shares[1].Room != 500_000 {
		t.Errorf("room %d beyond its bound", r.shares[1].Room)
	}
}

// A stream that begins gets something of the line, and a publisher that drops its highest encoding
// costs nobody a layer.
func TestChanges(t *testing.T) {
	var r run
	r.divide(3000, false, camera())
	if got := r.divide(3000, false, camera(), camera()); got[0].Ceiling != layer(2, 2) || got[1].Ceiling != layer(1, 2) {
		t.Errorf("%+v for two", got)
	}
	short := camera()
	short.Rates = short.Rates[:6]
	if got := r.divide(3000, false, short, camera()); got[0].Ceiling != layer(1, 2) || got[1].Ceiling != layer(2, 1) {
		t.Errorf("%+v when the top one of the first has ended", got)
	}
	if got := r.divide(3000, false, camera()); got[0].Ceiling != layer(2, 2) {
		t.Errorf("%+v when the other one is gone", got)
	}
}

// anyStreams makes streams out of bytes.
func anyStreams(b []byte) (streams []Stream) {
	for len(b) >= 4 && len(streams) < 6 {
		s := Stream{Video: b[0]&1 != 0, Paused: b[0]&14 == 2, Weight: int(b[0] >> 6), Adapting: b[0]&16 != 0, Wish: media.NoLayer}
		if b[1]&1 != 0 {
			s.Wish.Encoding = int8(b[1] >> 1 & 3)
		}
		if b[1]&8 != 0 {
			s.Wish.Temporal = int8(b[1] >> 4 & 3)
		}
		s.Max = uint64(b[2]) * 20_000
		n := int(b[3] & 15)
		b = b[4:]
		for i := 0; i < n && len(b) >= 2; i++ {
			rate := 1 + uint64(b[0])*10_000
			s.Rates = append(s.Rates, route.Rate{
				Layer: layer(int8(i/3), int8(i%3)), Peak: rate, Recent: rate * uint64(b[1]) / 255, Frames: float64(b[1] % 40),
			})
			b = b[2:]
		}
		streams = append(streams, s)
	}
	return streams
}

// check tells what a division must never do.
func check(t *testing.T, line Line, streams []Stream, shares []Share, was []Share, same bool) {
	t.Helper()
	sum, audio, floor := uint64(0), uint64(0), uint64(0)
	for i, s := range shares {
		x := &streams[i]
		sum += s.Rate
		switch {
		case !x.Video && s.Pause:
			t.Errorf("audio is paused: %+v", s)
		case !x.Video && len(x.Rates) > 0 && !x.Paused:
			audio += x.Rates[0].Peak
		case x.Video && len(x.Rates) > 0 && !x.Paused && !s.Pause:
			floor += x.Rates[0].Peak
			if s.Ceiling != x.Rates[0].Layer && (above(s.Ceiling, x.Wish) || x.Max > 0 && s.Rate > x.Max) {
				t.Errorf("%+v is more than was asked for by %+v", s, x)
			}
		}
	}
	allowed := line.Target
	if !line.Sure {
		allowed = line.Target * 12 / 10
	}
	if sum > max(allowed, audio+floor)+uint64(len(shares)) {
		t.Errorf("%d bit/s of %d, audio takes %d, the lowest layers %d: %+v", sum, line.Target, audio, floor, shares)
	}
	for i := range was {
		if x := &streams[i]; same && x.Video && len(x.Rates) > 0 && !x.Paused && line.Sure && was[i].Pause && !shares[i].Pause && sum > allowed {
			t.Errorf("video came back on a line that is too small: %+v", shares)
		}
	}
}

func FuzzDivide(f *testing.F) {
	f.Add([]byte{1, 0, 0, 9, 6, 200, 9, 200, 15, 200, 20, 200, 30, 200, 50, 200, 90, 200, 150, 200, 250, 200, 0, 0, 0, 1, 5, 255}, uint16(600), uint16(150))
	f.Add([]byte{65, 3, 0, 3, 6, 30, 9, 15, 15, 30, 129, 0, 3, 3, 6, 30, 9, 15, 4, 3}, uint16(100), uint16(3000))
	f.Fuzz(func(t *testing.T, b []byte, first, second uint16) {
		streams := anyStreams(b)
		shares, was := make([]Share, len(streams)), make([]Share, len(streams))
		var a Allotter
		now := mono.Time(time.Hour)
		for i := range 100 {
			line := Line{Target: uint64(first) * 1000, Sure: i%3 == 0}
			if i >= 30 {
				line.Target = uint64(second) * 1000
			}
			now = now.Add(100 * time.Millisecond)
			copy(was, shares)
			want := a.Divide(now, line, streams, shares)
			check(t, line, streams, shares, was, i > 0)
			if want > 20_000_000 {
				t.Errorf("wants %d", want)
			}
		}
	})
}

func TestDivideAllocatesNothing(t *testing.T) {
	var a Allotter
	streams := []Stream{audio(), camera(), camera(), screen()}
	shares := make([]Share, len(streams))
	now := mono.Time(time.Hour)
	a.Divide(now, Line{Target: 1e6}, streams, shares)
	if n := testing.AllocsPerRun(200, func() {
		now = now.Add(100 * time.Millisecond)
		a.Divide(now, Line{Target: 1e6 + uint64(now)%1e6}, streams, shares)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
