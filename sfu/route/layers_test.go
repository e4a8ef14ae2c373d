package route

import (
	"testing"

	"bifrons/rtp/codec"
	"bifrons/sfu/media"
)

// layered sends one packet a frame of one scalable stream.
type layered struct {
	*fixture
	n, picture uint64
}

func newLayered(t *testing.T) *layered {
	l := &layered{fixture: newFixture(t)}
	l.track.SVC = true
	return l
}

// frame sends the frames of one picture, from the lowest spatial layer on, and
// returns how many were forwarded.
func (l *layered) frame(spatials int8, set func(i *codec.Info)) int {
	before := len(l.out.sent)
	l.picture++
	for sid := range spatials {
		l.layer(sid, sid == spatials-1, set)
	}
	return len(l.out.sent) - before
}

// layer sends the frame of one spatial layer.
func (l *layered) layer(sid int8, last bool, set func(i *codec.Info)) {
	l.n++
	l.push(l.n, uint32(l.picture)*3000, func(p *Packet) {
		p.Codec, p.Marker = media.AV1, last
		p.Info = codec.Info{HasSpatial: true, HasTemporal: true, Spatial: sid, FrameStart: true, FrameEnd: true}
		set(&p.Info)
		p.Info.Keyframe = p.Info.Keyframe && sid == 0
	})
}

func (l *layered) want(spatial, temporal int8) {
	l.sub.SetTarget(l.now, media.Layer{Encoding: -1, Spatial: spatial, Temporal: temporal}, 0)
}

// keyPicture begins a stream of two spatial layers.
func keyPicture(i *codec.Info) {
	i.Keyframe, i.SwitchUp, i.UpFrom, i.UpTo, i.Spatials = true, true, -1, 7, 2
}

// TestTemporalUpAtLowerFrames has frames of the base layer say that what follows
// may be taken, as dependency descriptors do, while others say nothing.
func TestTemporalUpAtLowerFrames(t *testing.T) {
	base := func(i *codec.Info) { i.SwitchUp, i.UpFrom, i.UpTo = true, 0, 1 }
	upper := func(i *codec.Info) { i.Temporal = 1 }
	l := newLayered(t)
	l.frame(2, keyPicture)
	if got := l.frame(2, upper); got != 2 || l.out.current.Temporal != 1 {
		t.Errorf("%d frames of temporal layer 1 after a key frame, current %+v", got, l.out.current)
	}
	l.want(-1, 0)
	l.frame(2, base)
	if got := l.frame(2, upper); got != 0 || l.out.current.Temporal != 0 {
		t.Errorf("%d frames of temporal layer 1 that is not wanted, current %+v", got, l.out.current)
	}
	l.want(-1, -1)
	if got := l.frame(2, upper); got != 0 {
		t.Errorf("%d frames of temporal layer 1 before it was safe", got)
	}
	l.frame(2, base)
	if got := l.frame(2, upper); got != 2 || l.out.current.Temporal != 1 {
		t.Errorf("%d frames of temporal layer 1 after it was safe, current %+v", got, l.out.current)
	}
}

// A frame that needs the layer below its own is not for those who lack that.
func TestTemporalUpStepByStep(t *testing.T) {
	at := func(tid int8) func(*codec.Info) {
		return func(i *codec.Info) {
			if i.Temporal = tid; tid > 0 {
				i.SwitchUp, i.UpFrom, i.UpTo = true, tid-1, tid
			}
		}
	}
	l := newLayered(t)
	l.want(-1, 0)
	l.frame(1, func(i *codec.Info) { keyPicture(i); i.Spatials = 1 })
	l.want(-1, -1)
	for i, c := range []struct {
		tid  int8
		want int
	}{{2, 0}, {1, 1}, {2, 1}, {0, 1}, {2, 1}} {
		if got := l.frame(1, at(c.tid)); got != c.want {
			t.Errorf("picture %d, temporal layer %d: %d frames, want %d", i, c.tid, got, c.want)
		}
	}
}

// What a lower spatial layer says does not count for the one that is shown.
func TestTemporalUpIsOfTheOwnLayer(t *testing.T) {
	l := newLayered(t)
	l.want(-1, 0)
	l.frame(2, keyPicture)
	l.want(-1, -1)
	l.frame(2, func(i *codec.Info) {
		if i.Spatial == 0 {
			i.SwitchUp, i.UpFrom, i.UpTo = true, 0, 1
		}
	})
	if got := l.frame(2, func(i *codec.Info) { i.Temporal = 1 }); got != 0 {
		t.Errorf("%d frames were forwarded on the word of another layer", got)
	}
}

// A picture is taken with all of its spatial layers, or not at all.
func TestTemporalUpTakesWholePictures(t *testing.T) {
	l := newLayered(t)
	l.want(-1, 0)
	l.frame(2, keyPicture)
	own := func(i *codec.Info) { i.Temporal, i.SwitchUp, i.UpFrom, i.UpTo = 1, true, 0, 1 }
	l.picture++
	before := len(l.out.sent)
	l.layer(0, false, own)
	l.want(-1, -1) // in the middle of it
	l.layer(1, true, own)
	if got := len(l.out.sent) - before; got != 0 {
		t.Errorf("%d frames of a picture that began without", got)
	}
	if got := l.frame(2, own); got != 2 {
		t.Errorf("%d of 2 layers of the next picture", got)
	}
	l.picture++
	before = len(l.out.sent)
	l.layer(0, false, own)
	l.want(-1, 0)
	l.layer(1, true, own)
	if got := len(l.out.sent) - before; got != 2 || !l.out.sent[before+1].Marker {
		t.Errorf("%d of 2 layers of a picture that had begun", got)
	}
	if got := l.frame(2, own); got != 0 {
		t.Errorf("%d frames of temporal layer 1 that is not wanted", got)
	}
}

// Packets of one picture have one fate, in whatever order they come.
func TestTemporalLatePacket(t *testing.T) {
	l := newLayered(t)
	l.track.SVC, l.track.Simulcast = false, true
	packet := func(seq uint64, ts uint32, tid int8, start bool) int {
		before := len(l.out.sent)
		l.push(seq, ts, func(p *Packet) {
			p.Info = codec.Info{HasTemporal: true, Temporal: tid, FrameStart: start, FrameEnd: !start, Keyframe: seq == 1}
			p.Info.SwitchUp, p.Info.UpFrom, p.Info.UpTo = start, tid-1, 1
		})
		return len(l.out.sent) - before
	}
	packet(1, 0, 0, true)
	for _, c := range []struct {
		what  string
		seq   uint64
		ts    uint32
		tid   int8
		start bool
		want  int
	}{
		{"end of an upper picture", 3, 3000, 1, false, 1},
		{"", 0, 0, 0, false, 0}, // the lowest layer is wanted from here on
		{"its start, late", 2, 3000, 1, true, 1},
		{"a base picture", 4, 6000, 0, true, 1},
		{"end of the next upper one", 6, 9000, 1, false, 0},
		{"", 0, 0, 0, true, 0}, // all are wanted again
		{"its start, late", 5, 9000, 1, true, 0},
		{"a base picture after that", 7, 12000, 0, true, 1},
		{"start of an upper picture", 8, 15000, 1, true, 1},
	} {
		if c.what == "" {
			temporal := int8(0)
			if c.start {
				temporal = -1
			}
			l.want(-1, temporal)
			continue
		}
		if got := packet(c.seq, c.ts, c.tid, c.start); got != c.want {
			t.Errorf("%s: %d packets, want %d", c.what, got, c.want)
		}
	}
}

// An encoder that stalls has not given up its upper layers.
func TestSVCStallIsNoSilence(t *testing.T) {
	l := newLayered(t)
	l.frame(2, keyPicture)
	plis := l.plis
	for range 5 {
		l.now += 400 * ms
		if got := l.frame(2, func(*codec.Info) {}); got != 2 {
			t.Fatalf("%d of 2 layers after a stall", got)
		}
	}
	if l.plis != plis || l.out.current.Spatial != 1 {
		t.Errorf("%d key frames asked for, current %+v", l.plis-plis, l.out.current)
	}
	for range 12 { // now the upper one really ends
		l.now += 33 * ms
		l.frame(1, func(*codec.Info) {})
	}
	if l.out.current.Spatial != 0 {
		t.Errorf("current %+v without a second layer", l.out.current)
	}
}

// A key frame tells how many spatial layers there are from then on.
func TestKeyframeEndsLayers(t *testing.T) {
	l := newLayered(t)
	l.frame(2, keyPicture)
	if l.out.current.Spatial != 1 {
		t.Fatalf("current %+v", l.out.current)
	}
	l.now += 33 * ms
	l.frame(1, func(i *codec.Info) { keyPicture(i); i.Spatials = 1 })
	if l.out.current.Spatial != 0 {
		t.Errorf("current %+v, and the key frame has one layer", l.out.current)
	}
}

// TestSpatialLatePackets has packets come behind newer ones while layers change:
// pictures are taken as they would have been in order.
func TestSpatialLatePackets(t *testing.T) {
	type frame struct {
		seq        uint64
		picture    uint32
		sid        int8
		start, end bool
		key        bool
		want       int  // packets that are forwarded
		marker     bool // of the last of them
	}
	play := func(t *testing.T, l *layered, list []frame) {
		t.Helper()
		for _, f := range list {
			before := len(l.out.sent)
			l.push(f.seq, f.picture*3000, func(p *Packet) {
				p.Codec, p.Marker = media.AV1, f.sid == 1 && f.end
				p.Info = codec.Info{HasSpatial: true, Spatial: f.sid, FrameStart: f.start, FrameEnd: f.end}
				if f.key {
					keyPicture(&p.Info)
				}
			})
			got := l.out.sent[before:]
			if len(got) != f.want || f.want > 0 && got[len(got)-1].Marker != f.marker {
				t.Errorf("number %d: forwarded %+v, want %d packets, marker %v", f.seq, got, f.want, f.marker)
			}
		}
	}
	begin := []frame{
		{seq: 1, picture: 0, sid: 0, start: true, end: true, key: true, want: 1},
		{seq: 2, picture: 0, sid: 1, start: true, end: true, want: 1, marker: true},
	}
	half := []frame{ // of the next picture, up to the middle of its upper layer
		{seq: 3, picture: 1, sid: 0, start: true, end: true, want: 1},
		{seq: 4, picture: 1, sid: 1, start: true, want: 1},
	}
	t.Run("down", func(t *testing.T) {
		l := newLayered(t)
		play(t, l, begin)
		play(t, l, half)
		l.want(0, -1)
		play(t, l, []frame{
			{seq: 6, picture: 2, sid: 0, start: true, end: true, want: 1, marker: true}, // goes down here
			{seq: 5, picture: 1, sid: 1, end: true, want: 1, marker: true},              // of a picture from before
			{seq: 7, picture: 2, sid: 1, start: true, end: true},
		})
	})
	t.Run("down at the top", func(t *testing.T) {
		l := newLayered(t)
		play(t, l, begin)
		play(t, l, half)
		l.want(0, -1)
		play(t, l, []frame{
			{seq: 6, picture: 1, sid: 1, end: true, want: 1, marker: true}, // goes down behind this picture
			{seq: 5, picture: 1, sid: 1, want: 1},
			{seq: 7, picture: 2, sid: 0, start: true, end: true, want: 1, marker: true},
			{seq: 8, picture: 2, sid: 1, start: true, end: true},
		})
	})
	t.Run("not down below what is there", func(t *testing.T) {
		l := newLayered(t)
		play(t, l, begin)
		l.want(0, -1)
		play(t, l, []frame{
			{seq: 4, picture: 1, sid: 1, start: true, want: 1},
			{seq: 3, picture: 1, sid: 0, start: true, end: true, want: 1}, // its marker would be the first of two
			{seq: 5, picture: 1, sid: 1, end: true, want: 1, marker: true},
			{seq: 6, picture: 2, sid: 0, start: true, end: true, want: 1, marker: true},
		})
	})
	t.Run("up", func(t *testing.T) {
		l := newLayered(t)
		l.want(0, -1)
		play(t, l, []frame{{seq: 1, picture: 0, sid: 0, start: true, end: true, key: true, want: 1, marker: true}, {seq: 2, picture: 0, sid: 1, start: true, end: true}})
		l.want(-1, -1)
		asked := l.plis
		play(t, l, []frame{
			{seq: 4, picture: 1, sid: 0, end: true, want: 1, marker: true},
			{seq: 5, picture: 1, sid: 1, start: true, end: true},
			{seq: 3, picture: 1, sid: 0, start: true, key: true, want: 1}, // too late: the layer above was left out
		})
		if l.plis == asked || l.out.current.Spatial != 0 {
			t.Errorf("current %+v, %d key frames asked for", l.out.current, l.plis-asked)
		}
		play(t, l, []frame{
			{seq: 6, picture: 2, sid: 0, start: true, end: true, key: true, want: 1},
			{seq: 7, picture: 2, sid: 1, start: true, end: true, want: 1, marker: true},
		})
	})
}
