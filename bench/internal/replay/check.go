package replay

import (
	"fmt"
	"time"

	"bifrons/sfu/media"
)

// problems collects problems, up to a limit.
type problems struct {
	prefix string
	list   []string
}

const maxProblems = 50

func (p *problems) add(format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, p.prefix+fmt.Sprintf(format, args...))
	}
}

// Check finds problems in the packets that the receivers got, without knowing which they
// should have got: numbers and timestamps go on without a break, frames are whole
// and what they refer to is there, and streams change at key frames only.
func (r *Result) Check() []string {
	var p problems
	index := r.Input.index()
	for _, o := range r.Outputs {
		for i := range r.Input.sections {
			p.prefix = fmt.Sprintf("receiver %s, section %d: ", o.Receiver.Name, i)
			list, unsure := match(o, i, index, &p)
			if len(list) == 0 {
				p.add("nothing came")
				continue
			}
			c := check{problems: &p, list: list, video: r.Input.sections[i].Kind == media.Video, lossy: o.Lost > 0, out: o, section: i, unsure: unsure}
			c.numbers()
			c.timestamps()
			if !r.Input.layered(i) {
				c.complete()
			}
			if len(o.Receiver.Steps) == 0 {
				c.reaches(r.Input)
			}
			if c.video && !c.beheaded() && !c.hurt() { // else later frames may refer to lost ones
				c.starts()
				c.frames()
				c.pictures()
				c.references()
			}
		}
	}
	return p.list
}

// check looks at one section of one receiver.
type check struct {
	*problems
	list    []sent
	video   bool
	lossy   bool // packets were lost on the way to the receiver
	out     *Output
	section int
	unsure  bool // which packet of the source is which
}

// changes reports whether packet i is the first of another stream.
func (c *check) changes(i int) bool {
	j := i - 1
	for j >= 0 && c.list[j].packet == nil {
		j--
	}
	return c.list[i].packet != nil && (j < 0 || c.list[j].stream != c.list[i].stream)
}

// numbers checks that only those are missing that the engine did not get, or not
// before it went over to another stream, and those that were lost again and again.
func (c *check) numbers() {
	last := -1 // packet before that is no padding
	present := map[int64]bool{}
	for i := range c.list {
		present[c.list[i].Number] = true
	}
	for i := range c.list {
		b := &c.list[i]
		if b.packet == nil {
			continue
		}
		a := last
		if last = i; a < 0 {
			continue
		}
		gap := int64(0)
		for n := c.list[a].Number + 1; n < b.Number; n++ {
			if !present[n] && c.out.lost[lostNumber{c.section, n}] < hopeless {
				gap++
			}
		}
		if gap > 0 {
			c.explain(gap, a, b)
		}
	}
}

// explain finds out whether gap numbers between packets a and b never came to the
// engine in time.
func (c *check) explain(gap int64, a int, b *sent) {
	from := &c.list[a]
	end := from.packet.Number + b.Number - from.Number
	if b.stream == from.stream {
		end = b.packet.Number
	}
	if m := missing(from.stream, from.packet.Number, end, c.since(), c.leaves(a)); m < gap {
		c.add("%d numbers are missing between %d and %d", gap-m, from.Number, b.Number)
	}
}

// hopeless is how often a packet is lost that a receiver may go without: each time
// it asks the engine waits for longer.
const hopeless = 3

// leaves returns when the stream of packet i was left for another one.
func (c *check) leaves(i int) time.Duration {
	for _, s := range c.list[i+1:] {
		if s.packet != nil && s.stream != c.list[i].stream {
			return s.packet.arrivedAt
		}
	}
	return 1 << 62
}

// missing counts the numbers between that had not arrived by a time, or before
// another one, and those of audio that carry nothing, for which nothing is sent if
// they are late.
func missing(s *Stream, from, to int64, since, by time.Duration) (n int64) {
	for k := from + 1; k < to; k++ {
		p := s.byNumber[k]
		if p == nil || !p.arrived || p.arrivedAt >= by || p.arrivedAt < since || s.audio && len(p.View.Payload) == 0 {
			n++
		}
	}
	return n
}

// timestamps checks that they never go back.
func (c *check) timestamps() {
	for i := 1; i < len(c.list); i++ {
		a, b := &c.list[i-1], &c.list[i]
		d := int32(b.View.Timestamp - a.View.Timestamp)
		if d < 0 || d == 0 && c.changes(i) {
			c.add("number %d: timestamp %d follows %d", b.Number, b.View.Timestamp, a.View.Timestamp)
		}
		if a.packet == nil || b.packet == nil || a.stream != b.stream || c.unsure {
			continue
		}
		if want := int32(b.packet.View.Timestamp - a.packet.View.Timestamp); d != want {
			c.add("number %d: timestamp goes on by %d, the source's by %d", b.Number, d, want)
		}
	}
}

// complete checks that nothing is left out of a stream without layers. Packets
// lost at the very end are unknown to a receiver.
func (c *check) complete() {
	got := map[*Packet]bool{}
	streams := map[*Stream][2]int64{} // first and last number
	for i := range c.list {
		s := &c.list[i]
		if s.packet == nil {
			continue
		}
		got[s.packet] = true
		span, ok := streams[s.stream]
		if !ok {
			span = [2]int64{s.packet.Number, s.packet.Number}
		}
		streams[s.stream] = [2]int64{min(span[0], s.packet.Number), max(span[1], s.packet.Number)}
	}
	for s, span := range streams {
		for _, p := range s.Packets {
			if p.arrived && len(p.View.Payload) > 0 && p.Number > span[0] && p.Number < span[1] && p.arrivedAt > c.since() && !got[p] && !c.unsure && !c.hopeless(p) {
				c.add("number %d of the source was left out", p.Number)
			}
		}
	}
}

// hopeless reports whether a packet of the source was lost too often.
func (c *check) hopeless(p *Packet) bool {
	number := int64(0)
	for i := range c.list {
		if s := &c.list[i]; s.packet != nil && s.packet.Number < p.Number {
			number = s.Number + p.Number - s.packet.Number
		}
	}
	return c.out.lost[lostNumber{c.section, number}] >= hopeless
}

// reaches checks that who wants the highest layers got to them.
func (c *check) reaches(in *Input) {
	var best, got media.Layer
	raise := func(l *media.Layer, s *Stream, v *View) {
		l.Encoding, l.Spatial = max(l.Encoding, int8(s.Encoding)), max(l.Spatial, v.Info.Spatial)
		l.Temporal = max(l.Temporal, v.Info.Temporal)
	}
	first := c.list[0]
	for _, s := range in.Streams {
		if s.Section != first.Section {
			continue
		}
		for _, p := range s.Packets {
			if p.arrived && p.arrivedAt >= first.At {
				raise(&best, s, &p.View)
			}
		}
	}
	for _, s := range c.list {
		if s.packet != nil {
			raise(&got, s.stream, &s.View)
		}
	}
	if got != best {
		c.add("the highest layers are %+v, and only %+v were forwarded", best, got)
	}
}

// starts checks that a receiver can start where a stream begins.
func (c *check) starts() {
	for i := range c.list {
		if v := &c.list[i].View; c.changes(i) && !v.Info.Keyframe && readable(v) {
			c.add("number %d: a stream begins without a key frame", c.list[i].Number)
		}
	}
}

// readable reports whether the engine could know what a packet is: of AV1 it cannot
// before the first structure. Such packets are forwarded as they are.
func readable(v *View) bool { return v.Codec != media.AV1 || v.HasDD }

// beheaded reports whether the first packets were lost on the way to the receiver,
// which cannot know of them.
func (c *check) beheaded() bool { return c.lossy && c.list[0].Number > 1 }

// hurt reports whether the receiver goes without something for good.
func (c *check) hurt() bool {
	for n, times := range c.out.lost {
		if n.section == c.section && times >= hopeless {
			return true
		}
	}
	return false
}

// since is when the receiver began to get something, at the engine.
func (c *check) since() time.Duration { return c.list[0].At - c.out.Receiver.delay() }

// frame is the packets of one picture as a receiver got them.
type frame struct {
	packets []sent
	first   int  // its place in the list
	cut     bool // another stream follows
}

// split makes pictures of the packets; padding belongs to none.
func (c *check) split() (list []frame) {
	for i := range c.list {
		s := c.list[i]
		if s.packet == nil {
			continue
		}
		n := len(list)
		if n > 0 {
			last := list[n-1].packets[0]
			if last.stream == s.stream && last.View.Timestamp == s.View.Timestamp {
				list[n-1].packets = append(list[n-1].packets, s)
				continue
			}
			list[n-1].cut = last.stream != s.stream
		}
		list = append(list, frame{packets: []sent{s}, first: i})
	}
	return list
}

// whole says how many packets are missing of a picture that the engine got while
// the receiver followed the stream, and whether others are.
func (f *frame) whole(since, by time.Duration) (absent int, lost bool) {
	first := f.packets[0]
	spatial, temporal := int8(0), first.View.Info.Temporal
	have := map[int64]bool{}
	for _, s := range f.packets {
		spatial = max(spatial, s.View.Info.Spatial)
		have[s.packet.Number] = true
	}
	for _, p := range first.stream.Packets {
		if p.View.Timestamp != first.packet.View.Timestamp || len(p.View.Payload) == 0 {
			continue
		}
		switch {
		case have[p.Number]:
		case !p.arrived, p.arrivedAt < since, p.arrivedAt >= by:
			lost = true
		case p.View.Info.Spatial <= spatial && p.View.Info.Temporal <= temporal:
			absent++
		}
	}
	// A number that nobody has may have been of this picture.
	n := f.packets[len(f.packets)-1].packet.Number
	for k := first.packet.Number - 1; k <= n+1; k++ {
		p := first.stream.byNumber[k]
		lost = lost || p == nil && k > first.stream.Packets[0].Number && k < first.stream.Packets[len(first.stream.Packets)-1].Number
	}
	return absent, lost
}

// frames checks that pictures are whole, with the marker on their last packet.
func (c *check) frames() {
	list := c.split()
	for i, f := range list {
		if c.lossy && i == len(list)-1 {
			return // its end may be lost, which nobody would know
		}
		first, last := f.packets[0], f.packets[len(f.packets)-1]
		if !readable(&first.View) {
			continue
		}
		absent, lost := f.whole(c.since(), c.leaves(f.first))
		if absent > 0 && !f.cut {
			c.add("timestamp %d: %d packets of the frame are missing", first.View.Timestamp, absent)
		}
		for _, s := range f.packets[:len(f.packets)-1] {
			if s.View.Marker {
				c.add("number %d: a marker within a frame", s.Number)
			}
		}
		if !last.View.Marker && !lost && !f.cut {
			c.add("number %d: the last packet of a frame has no marker", last.Number)
		}
	}
}

// pictures checks the numbers in VP8 descriptors: without a gap, but for what the
// engine did not get.
func (c *check) pictures() {
	list := c.split()
	var tl0 uint8
	hasTL0 := false
	for i := range list {
		v := &list[i].packets[0].View
		if v.Codec != media.VP8 || !v.VP8.HasPictureID {
			return
		}
		// Where padding fills a gap, the picture was left out too late.
		whole := i == 0 || !c.lostBetween(&list[i-1], &list[i]) && !c.padded(&list[i-1], &list[i])
		if i > 0 {
			before := &list[i-1].packets[0].View.VP8
			mask := uint16(1)<<v.VP8.PictureIDBits - 1
			if d := (v.VP8.PictureID - before.PictureID) & mask; d != 1 && whole || d == 0 || d > mask/2 {
				c.add("timestamp %d: picture %d follows %d", v.Timestamp, v.VP8.PictureID, before.PictureID)
			}
		}
		if !v.VP8.HasTL0 {
			continue
		}
		want := tl0
		if v.Info.Temporal == 0 {
			want++
		}
		if hasTL0 && whole && v.VP8.TL0PICIDX != want {
			c.add("timestamp %d, temporal layer %d: TL0PICIDX is %d, want %d", v.Timestamp, v.Info.Temporal, v.VP8.TL0PICIDX, want)
		}
		tl0, hasTL0 = v.VP8.TL0PICIDX, true
	}
}

// padded reports whether there is padding between two pictures.
func (c *check) padded(a, b *frame) bool {
	for _, s := range c.list[a.first:b.first] {
		if s.packet == nil {
			return true
		}
	}
	return false
}

// lostBetween reports whether packets between two pictures had not come by the second.
func (c *check) lostBetween(a, b *frame) bool {
	from, to := a.packets[0], b.packets[0]
	if from.stream != to.stream {
		return false
	}
	return missing(from.stream, from.packet.Number, to.packet.Number, c.since(), to.packet.arrivedAt) > 0
}
