package mjr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bifrons/rtp"
)

// packet is one of a test's recording.
type packet struct {
	ms   uint32
	head rtp.FixedHeader
	text string
}

func (p packet) raw() []byte { return append(p.head.Append(nil), p.text...) }

// at makes the n-th packet of 20 ms of Opus.
func at(n int) packet {
	return packet{ms: uint32(20 * n), text: fmt.Sprint(n), head: rtp.FixedHeader{PayloadType: 111,
		SequenceNumber: uint16(65500 + n), Timestamp: uint32(0xfffff000 + 960*n), SSRC: 7}}
}

func (p packet) with(change func(*packet)) packet { change(&p); return p }

func sequence(from, to int) (list []packet) {
	for n := from; n < to; n++ {
		list = append(list, at(n))
	}
	return list
}

func recording(codec string, list []packet) []byte {
	b := file(Header{Type: TypeOf(codec), Codec: codec})
	for _, p := range list {
		b = AppendFrame(b, p.ms, p.raw())
	}
	return b
}

// sorted returns the payloads that a Sorter gives.
func sorted(t *testing.T, b []byte, c SortConfig) (texts []string, times []int64, stats SortStats) {
	t.Helper()
	s, err := NewSorter(NewReader(bytes.NewReader(b)), c)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := s.Next()
		if err == io.EOF {
			return texts, times, s.Stats()
		}
		if err != nil {
			t.Fatal(err)
		}
		texts, times = append(texts, string(p.Payload)), append(times, p.Time)
	}
}

func wantOrder(t *testing.T, got []string, list []packet) {
	t.Helper()
	var want []string
	for _, p := range list {
		want = append(want, p.text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %.300s\nwant %.300s", fmt.Sprint(got), fmt.Sprint(want))
	}
}

func TestSortsAcrossWraps(t *testing.T) {
	list := sequence(0, 2000)
	shuffled := slices.Clone(list)
	rnd := rand.New(rand.NewPCG(1, 2))
	place := make(map[string]int)
	for i, p := range list {
		place[p.text] = i + rnd.IntN(100)
	}
	slices.SortStableFunc(shuffled, func(a, b packet) int { return place[a.text] - place[b.text] })
	for i := 0; i < len(shuffled); i += 7 {
		shuffled = slices.Insert(shuffled, min(i+rnd.IntN(50), len(shuffled)), shuffled[i])
	}
	got, times, stats := sorted(t, recording("opus", shuffled), SortConfig{})
	wantOrder(t, got, list)
	for i, at := range times {
		if at != int64(960*i) {
			t.Fatalf("packet %d has time %d", i, at)
		}
	}
	if stats.Packets != 2000 || stats.Duplicate+stats.Late != len(shuffled)-2000 {
		t.Errorf("%+v", stats)
	}
}

func TestSeqTellsOfLoss(t *testing.T) {
	list := append(sequence(0, 100), sequence(103, 200)...)
	s, err := NewSorter(NewReader(bytes.NewReader(recording("opus", list))), SortConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for i := range list {
		p, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		step := p.Seq - last
		if i > 0 && i != 100 && step != 1 || i == 100 && step != 4 {
			t.Errorf("packet %d is %d after the one before", i, step)
		}
		if p.SequenceNumber != uint16(p.Seq) {
			t.Errorf("number %d became %d", p.SequenceNumber, p.Seq)
		}
		last = p.Seq
	}
}

func TestSelection(t *testing.T) {
	pt := func(n int, pt uint8) packet { return at(n).with(func(p *packet) { p.head.PayloadType = pt }) }
	for _, x := range []struct {
		name, codec string
		config      SortConfig
		list        []packet
		keep        string
	}{
		{"empty payload", "opus", SortConfig{}, []packet{at(0), at(1).with(func(p *packet) { p.text = "" }), at(2)}, "0 2"},
		{"too long", "opus", SortConfig{}, []packet{at(0), at(1).with(func(p *packet) { p.text = strings.Repeat("x", 1489) }), at(2)}, "0 2"},
		{"first ones", "opus", SortConfig{IgnoreFirst: 2}, sequence(0, 5), "2 3 4"},
		{"payload type", "opus", SortConfig{OnlyPayload: true, PayloadType: 0}, []packet{pt(0, 111), pt(1, 0), pt(2, 8)}, "1"},
		{"G.711", "pcmu", SortConfig{}, []packet{pt(0, 0), pt(1, 13), pt(2, 8), pt(3, 9)}, "0 2"},
		{"G.722", "g722", SortConfig{}, []packet{pt(0, 9), pt(1, 0), pt(2, 9)}, "0 2"},
		{"a foreign packet", "opus", SortConfig{}, []packet{at(0), at(1).with(func(p *packet) { p.head.SSRC = 8 }), at(2)}, "0 2"},
		{"no SSRC at first", "opus", SortConfig{}, []packet{at(0).with(func(p *packet) { p.head.SSRC = 0 }), at(1),
			at(2).with(func(p *packet) { p.head.SSRC = 0 })}, "0 1"},
	} {
		got, _, _ := sorted(t, recording(x.codec, x.list), x.config)
		if strings.Join(got, " ") != x.keep {
			t.Errorf("%s: %v, not %s", x.name, got, x.keep)
		}
	}
}

func TestPaddingIsRemoved(t *testing.T) {
	raw := at(0).raw()
	rtp.SetPaddingBit(raw)
	b := AppendFrame(file(opus), 0, rtp.AppendPadding(raw, 5))
	only := at(1).with(func(p *packet) { p.text = "" }).raw()
	rtp.SetPaddingBit(only)
	b = AppendFrame(b, 0, rtp.AppendPadding(only, 200))
	if got, _, stats := sorted(t, b, SortConfig{}); fmt.Sprint(got) != "[0]" || stats.Short != 1 {
		t.Error(got, stats)
	}
}

// A recording of a sender that changed its SSRC goes on with the same numbers.
func TestFollowsSSRC(t *testing.T) {
	list := sequence(0, 300)
	for i := 100; i < 200; i++ {
		list[i].head.SSRC = 8
	}
	for i := 200; i < 300; i++ {
		list[i].head.SSRC = 9
	}
	got, _, stats := sorted(t, recording("opus", list), SortConfig{})
	wantOrder(t, got, list)
	if stats.Foreign != 0 {
		t.Errorf("%+v", stats)
	}
	// Two senders at a time are not one.
	var mixed []packet
	for i, p := range sequence(0, 100) {
		mixed = append(mixed, p, at(i).with(func(p *packet) { p.head.SSRC, p.text = 8, "foreign" }))
	}
	got, _, stats = sorted(t, recording("opus", mixed), SortConfig{})
	wantOrder(t, got, sequence(0, 100))
	if stats.Foreign != 100 {
		t.Errorf("%+v", stats)
	}
}

func TestJumps(t *testing.T) {
	later := func(list []packet, ts uint32, ms uint32) []packet {
		for i := range list {
			list[i].head.Timestamp += ts
			list[i].ms += ms
		}
		return list
	}
	// One packet with a time that nothing else has.
	list := sequence(0, 100)
	list[50].head.Timestamp += 1 << 30
	got, _, stats := sorted(t, recording("opus", list), SortConfig{})
	wantOrder(t, got, slices.Delete(slices.Clone(list), 50, 51))
	if stats.Stray != 1 {
		t.Errorf("%+v", stats)
	}
	// Silence for a minute.
	list = append(sequence(0, 100), later(sequence(100, 200), 60*48000, 60000)...)
	got, times, _ := sorted(t, recording("opus", list), SortConfig{})
	wantOrder(t, got, list)
	if step := times[100] - times[99]; step != 60*48000+960 {
		t.Errorf("a minute became %d", step)
	}
	// A gap in timestamps that took no time; the last packet is behind one of its own.
	list = append(sequence(0, 100), later(sequence(100, 200), 60*48000, 0)...)
	list = append(list, later(sequence(200, 201), 120*48000, 0)...)
	got, _, _ = sorted(t, recording("opus", list), SortConfig{})
	wantOrder(t, got, list)
	// A clock that begins anew, two seconds later.
	list = append(sequence(0, 100), later(sequence(100, 200), 1<<31+5, 1980)...)
	got, times, stats = sorted(t, recording("opus", list), SortConfig{})
	wantOrder(t, got, list)
	if step := times[100] - times[99]; step != 2*48000 || stats.Restarts != 1 {
		t.Errorf("two seconds became %d; %+v", step, stats)
	}
}

func TestWindow(t *testing.T) {
	list := append(sequence(1, 250), at(0)) // 5 s late
	got, _, stats := sorted(t, recording("opus", list), SortConfig{Span: time.Second})
	wantOrder(t, got, sequence(1, 250))
	if stats.Late != 1 {
		t.Errorf("%+v", stats)
	}
	list = append(sequence(1, 30), at(0))
	got, _, _ = sorted(t, recording("opus", list), SortConfig{Span: time.Second})
	wantOrder(t, got, sequence(0, 30))
	got, _, _ = sorted(t, recording("opus", list), SortConfig{Packets: 20})
	wantOrder(t, got, sequence(1, 30))
}

// After a long pause numbers are above those before, even if they are half around.
func TestLongPause(t *testing.T) {
	for _, missing := range []int{20000, 40000, 60000, 180000} {
		s, err := NewSorter(NewReader(bytes.NewReader(recording("opus", []packet{at(0), at(missing), at(missing + 1)}))), SortConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var last Packet
		for n := range 3 {
			p, err := s.Next()
			if err != nil || p.Seq <= last.Seq || n == 1 && p.Seq == last.Seq+1 || n == 2 && p.Seq != last.Seq+1 {
				t.Errorf("%d missing, packet %d: number %d after %d, %v", missing, n, p.Seq, last.Seq, err)
			}
			last = p
		}
	}
}

// With the time of arrival the packets of a frame stay together.
func TestArrivalTime(t *testing.T) {
	var list []packet
	for n := range 30 {
		p := at(n)
		p.ms = uint32(1000 + 40*(n/3) + n%3)
		p.head.Timestamp = uint32(n / 3 * 17)
		list = append(list, p)
	}
	list[4], list[5] = list[5], list[4]
	got, times, _ := sorted(t, recording("vp8", list), SortConfig{IgnoreRTPTime: true})
	list[4], list[5] = list[5], list[4]
	wantOrder(t, got, list)
	for n, at := range times {
		if at != int64(n/3*40*90) {
			t.Errorf("packet %d at %d", n, at)
		}
	}
}

// What came before a damage is given first.
func TestSortsDamaged(t *testing.T) {
	b := append(recording("opus", append(sequence(1, 10), at(0))), "damage of the file"...)
	s, err := NewSorter(NewReader(bytes.NewReader(b)), SortConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if p, err := s.Next(); err != nil || string(p.Payload) != fmt.Sprint(n) {
			t.Fatal(p, err)
		}
	}
	for range 2 {
		if _, err := s.Next(); !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	}
}

func TestSorterRefuses(t *testing.T) {
	if _, err := NewSorter(NewReader(bytes.NewReader(file(Header{Type: Data, Codec: "text"}))), SortConfig{}); err == nil {
		t.Error("a Sorter of messages")
	}
	if _, err := NewSorter(NewReader(strings.NewReader(Magic)), SortConfig{}); err != ErrEmpty {
		t.Error(err)
	}
}

// endless is a recording without an end.
type endless struct {
	n           int
	rest, frame []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		e.rest = file(opus)
		e.frame = AppendFrame(nil, 0, at(0).raw())
	} else if len(e.rest) == 0 {
		binary.BigEndian.PutUint32(e.frame[4:], uint32(20*e.n))
		binary.BigEndian.PutUint16(e.frame[prefixLen+2:], uint16(e.n))
		binary.BigEndian.PutUint32(e.frame[prefixLen+4:], uint32(960*e.n))
		e.rest = e.frame
	}
	e.n++
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// The length of a recording costs no memory.
func TestSorterAllocatesNothing(t *testing.T) {
	s, err := NewSorter(NewReader(&endless{}), SortConfig{Span: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	next := func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 5000 {
		next()
	}
	if n := testing.AllocsPerRun(100000, next); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
	if n := len(s.queue.entries) - s.queue.head; n > 51 {
		t.Errorf("%d packets wait", n)
	}
}

func BenchmarkSorter(b *testing.B) {
	s, err := NewSorter(NewReader(&endless{}), SortConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzSorter(f *testing.F) {
	list := sequence(0, 20)
	list[5], list[8] = list[8], list[5]
	list[10].head.SSRC = 9
	f.Add(recording("opus", list), false)
	f.Add(recording("vp8", list), true)
	f.Fuzz(func(t *testing.T, b []byte, arrival bool) {
		s, err := NewSorter(NewReader(bytes.NewReader(b)), SortConfig{IgnoreRTPTime: arrival, Packets: 16, Span: time.Second})
		if err != nil {
			return
		}
		var last Packet
		for n := 0; ; n++ {
			p, err := s.Next()
			if err != nil {
				if got := s.Stats(); got.Packets != n {
					t.Fatalf("%d packets, %+v", n, got)
				}
				return
			}
			if len(p.Payload) == 0 || len(p.Raw) > maxRTP || p.Time < last.Time || n == 0 && p.Time != 0 ||
				p.Seq <= last.Seq {
				t.Fatalf("%+v after %+v", p, last)
			}
			last = p
		}
	})
}
