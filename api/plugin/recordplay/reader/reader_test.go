package reader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mjr"
)

// file is a file in memory.
type file struct {
	*bytes.Reader
	closed int
}

func (f *file) Close() error {
	f.closed++
	return nil
}

func newFile(b []byte) *file { return &file{Reader: bytes.NewReader(b)} }

// packet is one of a recording.
type packet struct {
	pt      uint8
	seq     uint16
	ts      uint32
	payload string
}

func recording(h mjr.Header, list ...packet) []byte {
	b := mjr.AppendHeader(mjr.AppendMagic(nil), &h)
	for _, p := range list {
		head := rtp.FixedHeader{PayloadType: p.pt, SequenceNumber: p.seq, Timestamp: p.ts, SSRC: 77}
		b = mjr.AppendFrame(b, 0, append(head.Append(nil), p.payload...))
	}
	return b
}

// played are the packets of a recording, and when they are due.
func played(t *testing.T, m interface {
	Next(dst []byte) ([]byte, time.Duration, error)
}) (list []string, err error) {
	t.Helper()
	for {
		b, at, err := m.Next([]byte("-"))
		if err != nil {
			return list, err
		}
		text := fmt.Sprint(at, " ")
		if b = b[1:]; len(b) > 0 {
			var h rtp.Header
			if h.Parse(b) != nil || h.SSRC != ssrc {
				t.Fatalf("%x", b)
			}
			payload, _ := h.Payload(b)
			text += fmt.Sprint(h.PayloadType, "/", h.SequenceNumber, "/", h.Timestamp, " ", string(payload))
		}
		list = append(list, text)
	}
}

// Packets come in their order, at the times that their clock tells, with all packets of a
// picture at once.
func TestMedia(t *testing.T) {
	for name, x := range map[string]struct {
		h    mjr.Header
		list []packet
		want []string
	}{
		"opus": {mjr.Header{Type: 'a', Codec: "opus"},
			[]packet{{111, 65535, 0xfffffff0, "a"}, {111, 1, 1904, "c"}, {111, 0, 944, "b"}, {111, 1, 1904, "c"}},
			[]string{"0s 111/65535/0 a", "20ms 111/0/960 b", "40ms 111/1/1920 c"}},
		"pcmu":  {mjr.Header{Type: 'a', Codec: "pcmu"}, []packet{{0, 5, 0, "a"}, {0, 6, 160, "b"}}, []string{"0s 0/5/0 a", "20ms 0/6/160 b"}},
		"video": {mjr.Header{Type: 'v', Codec: "vp8"}, []packet{{96, 1, 0, "a"}, {96, 2, 0, "b"}, {96, 3, 9001, "c"}}, []string{"0s 96/1/0 a", "0s 96/2/0 b", "100.011111ms 96/3/9001 c"}},
	} {
		f := newFile(recording(x.h, x.list...))
		m, err := Open(f, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := played(t, m); !slices.Equal(got, x.want) || err != io.EOF {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if m.Close() != nil || f.closed != 1 {
			t.Errorf("%s: closed %d times", name, f.closed)
		}
	}
}

// block is a payload of RED with one block of redundancy.
func block(pt uint8, before, primary string) string {
	return string([]byte{0x80 | pt, 960 >> 6, byte(960 << 2 & 0xff), byte(len(before)), pt}) + before + primary
}

// RED is given to who takes it, with the payload types that were offered, and undone for
// others. Where it was switched on or off meanwhile, all packets have it or none.
func TestRED(t *testing.T) {
	b := recording(mjr.Header{Type: 'a', Codec: "opus", RED: 63},
		packet{63, 1, 0, block(96, "x", "a")}, packet{111, 2, 960, "b"}, packet{63, 3, 1920, block(96, "b", "c")}, packet{63, 4, 2880, "\x80"}, packet{63, 5, 3840, "\x60"})
	for opus, want := range map[uint8][]string{
		0:   {"0s 63/1/0 a", "20ms 63/2/960 b", "40ms 63/3/1920 c", "60ms ", "80ms "},
		112: {"0s 63/1/0 " + block(112, "x", "a"), "20ms 63/2/960 \x70b", "40ms 63/3/1920 " + block(112, "b", "c"), "60ms ", "80ms 63/5/3840 \x70"},
	} {
		m, err := Open(newFile(b), opus)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := played(t, m); !slices.Equal(got, want) || err != io.EOF {
			t.Errorf("opus %d: %q, %v", opus, got, err)
		}
	}
}

// A file that is cut or damaged is played so far.
func TestDamaged(t *testing.T) {
	b := recording(mjr.Header{Type: 'a', Codec: "opus"}, packet{111, 1, 0, "a"}, packet{111, 2, 960, "b"})
	for what, x := range map[string]struct {
		b    []byte
		want error
	}{"cut": {b[:len(b)-1], mjr.ErrTruncated}, "damaged": {append(slices.Clone(b), "nothing of the kind"...), mjr.ErrDamaged}} {
		m, err := Open(newFile(x.b), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := played(t, m); len(got) == 0 || !errors.Is(err, x.want) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for _, b := range [][]byte{nil, []byte(mjr.Magic), []byte("nonsense nonsense"), recording(mjr.Header{Type: 'd', Codec: "text"})} {
		if _, err := Open(newFile(b), 0); err == nil {
			t.Errorf("%q is played", b)
		}
	}
}

func TestMessages(t *testing.T) {
	const created = 1714550000000000
	for _, start := range []int64{created, 0} {
		b := mjr.AppendHeader(mjr.AppendMagic(nil), &mjr.Header{Type: 'd', Codec: "text", Created: start})
		b = mjr.AppendMessage(b, 0, created+1500, []byte("a"))
		b = mjr.AppendMessage(b, 0, created+2_000_000, []byte("b"))
		b = mjr.AppendMessage(b, 0, created, []byte("the clock was set back"))
		b = mjr.AppendFrame(b, 0, []byte("short"))
		b = mjr.AppendMessage(b, 0, -1<<63, []byte("at once"))
		b = mjr.AppendMessage(b, 0, 1<<62, []byte("never"))
		m, err := OpenMessages(newFile(b))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			b, at, err := m.Next(nil)
			if err != nil {
				break
			}
			got = append(got, fmt.Sprint(at, " ", string(b)))
		}
		want := []string{"1.5ms a", "2s b", "2s the clock was set back", "2s ", "2s at once", "8760h0m0s never"}
		if start == 0 {
			want = []string{"0s a", "1.9985s b", "1.9985s the clock was set back", "1.9985s ", "1.9985s at once", "8760h0m0s never"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := OpenMessages(newFile(nil)); err == nil {
		t.Error("nothing is played")
	}
}

func TestHeader(t *testing.T) {
	for pt, want := range map[uint8]string{0: "pcmu", 8: "pcma", 3: "pcmu"} {
		if h, err := Header(bytes.NewReader(recording(mjr.Header{Type: 'a', Codec: "g711"}, packet{pt, 1, 0, "x"}))); err != nil || h.Codec != want {
			t.Errorf("payload type %d: %+v, %v", pt, h, err)
		}
	}
	if h, err := Header(bytes.NewReader(recording(mjr.Header{Type: 'a', Codec: "g711"}))); err != nil || h.Codec != "pcmu" {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := Header(bytes.NewReader(nil)); err == nil {
		t.Error("a header of nothing")
	}
}

// endless is a recording without an end.
type endless struct {
	n     uint32
	frame []byte
	rest  []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		e.n++
		binary.BigEndian.PutUint16(e.frame[12:], uint16(e.n))
		binary.BigEndian.PutUint32(e.frame[14:], 960*e.n)
		e.rest = e.frame
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (*endless) Close() error { return nil }

// TestAllocations: nothing is allocated for a packet, with RED or without.
func TestAllocations(t *testing.T) {
	for _, red := range []uint8{0, 63} {
		h := mjr.Header{Type: 'a', Codec: "opus", RED: red}
		e := &endless{rest: recording(h)}
		e.frame = mjr.AppendFrame(nil, 0, append(rtp.FixedHeader{PayloadType: 63, SSRC: 1}.Append(nil), block(96, "x", "a")...))
		m, err := Open(e, 111)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 0, 2000)
		next := func() {
			if _, _, err := m.Next(dst); err != nil {
				t.Fatal(err)
			}
		}
		for range 3000 {
			next()
		}
		if n := testing.AllocsPerRun(3000, next); n != 0 {
			t.Errorf("RED %d: %v allocations a packet", red, n)
		}
	}
}

// FuzzMedia: whatever is in a file, what is played is RTP, and in order.
func FuzzMedia(f *testing.F) {
	f.Add(recording(mjr.Header{Type: 'a', Codec: "opus", RED: 63}, packet{63, 1, 0, block(96, "x", "a")}, packet{111, 2, 960, "b"}), uint8(111))
	f.Add(recording(mjr.Header{Type: 'v', Codec: "vp8"}, packet{96, 9, 5, "x"}, packet{96, 2, 0, "b"}), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, opus uint8) {
		_, _ = Header(bytes.NewReader(b))
		if m, err := OpenMessages(newFile(b)); err == nil {
			var last time.Duration
			for {
				_, at, err := m.Next(nil)
				if err != nil {
					break
				}
				if at < last {
					t.Fatalf("%v after %v", at, last)
				}
				last = at
			}
		}
		m, err := Open(newFile(b), opus&0x7f)
		if err != nil {
			return
		}
		var last time.Duration
		for {
			p, at, err := m.Next(nil)
			if err != nil {
				return
			}
			if at < last {
				t.Fatalf("%v after %v", at, last)
			}
			last = at
			if len(p) == 0 {
				continue
			}
			var h rtp.Header
			if err := h.Parse(p); err != nil {
				t.Fatal(err)
			}
			payload, err := h.Payload(p)
			if err != nil {
				t.Fatal(err)
			}
			if m.red != 0 && m.opus != 0 {
				if d := new(codec.RED); d.Parse(payload) != nil {
					t.Fatalf("no RED: %x", payload)
				}
			}
		}
	})
}
