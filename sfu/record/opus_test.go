package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/ogg"
)

// opusPacket is a packet of 20 ms with a text, so many frames after the first.
func opusPacket(seq uint64, frames int, text string, at time.Duration) *Packet {
	return &Packet{
		RTP: append(make([]byte, rtp.FixedHeaderLen), text...), Head: rtp.FixedHeaderLen, Seq: seq,
		Timestamp: uint32(frames * 960), Arrival: mono.Time(time.Hour + at),
	}
}

// opusText is a payload of one frame of 20 ms (RFC 6716, 3.1).
func opusText(text string) string { return "\x78" + text }

// packetsOf are the packets of an Ogg file.
func packetsOf(t testing.TB, b []byte) (list []string) {
	t.Helper()
	r := ogg.NewReader(bytes.NewReader(b), func(first []byte) bool { return bytes.HasPrefix(first, []byte("OpusHead")) })
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v after %q", err, list)
		}
		list = append(list, string(p))
	}
}

// granules are the granule positions of its pages, and whether the last page ends it.
func granules(b []byte) (list []uint64, ended bool) {
	for len(b) >= 27 {
		list, ended = append(list, binary.LittleEndian.Uint64(b[6:])), b[5]&4 != 0
		n := 27 + int(b[26])
		for _, size := range b[27:n] {
			n += int(size)
		}
		b = b[n:]
	}
	return list, ended
}

// TestOpus writes packets in order, once each, with the positions that their timestamps tell,
// as soon as nothing before them can come any more.
func TestOpus(t *testing.T) {
	o := &Opus{App: "test"}
	b := o.Begin(nil, time.Now())
	heads := len(packetsOf(t, b))
	flush := func(at time.Duration) {
		out, keyframe := o.Flush(b, mono.Time(time.Hour+at))
		if b = out; keyframe != -1 {
			t.Errorf("a key frame of %d is asked for", keyframe)
		}
	}
	texts := func() string { return strings.Join(packetsOf(t, b)[heads:], " ") }
	put := func(seq uint64, frames int, text string, at time.Duration) {
		b = o.Packet(b, opusPacket(seq, frames, opusText(text), at))
	}
	put(1, 0, "one", 0)
	put(3, 2, "three", 40*time.Millisecond)
	put(2, 1, "two", 41*time.Millisecond)
	put(3, 2, "again", 42*time.Millisecond)
	put(1, 0, "late", 43*time.Millisecond)
	flush(100 * time.Millisecond)
	if got, want := texts(), opusText("one")+" "+opusText("two")+" "+opusText("three"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	put(5, 54, "five", 120*time.Millisecond) // after a pause, and behind a loss
	flush(300 * time.Millisecond)
	if strings.Contains(texts(), "five") {
		t.Error("the packet before is not waited for")
	}
	flush(500 * time.Millisecond)
	if !strings.HasSuffix(texts(), opusText("five")) {
		t.Errorf("got %q", texts())
	}
	put(4, 3, "four", 501*time.Millisecond)
	b = o.Packet(b, opusPacket(6, 55, "", 502*time.Millisecond))
	b = o.Packet(b, opusPacket(7, 56, "\x7b\x02seven", 503*time.Millisecond)) // two frames
	put(9, 58, "nine", 504*time.Millisecond)
	b, _ = o.End(b)
	if got, want := texts(), opusText("one")+" "+opusText("two")+" "+opusText("three")+" "+opusText("five")+" \x7b\x02seven "+opusText("nine"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	list, ended := granules(b)
	if got, want := fmt.Sprint(list, ended), fmt.Sprint([]uint64{0, 0, 3 * 960, 55 * 960, 59 * 960}, true); got != want {
		t.Errorf("granule positions %s, want %s", got, want)
	}
	head := packetsOf(t, b)[0]
	if want := "OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"; head != want {
		t.Errorf("head %q, want %q", head, want)
	}
}

// FuzzOpus takes whatever packets come. The file can be read, and its positions do not go back.
func FuzzOpus(f *testing.F) {
	f.Add([]byte("\x01\x00\x03\x78ab\x03\x02\x02\x78a\x02\x01\x05\x7b\x02abc"))
	f.Add([]byte("\x40\xff\x00\x01\x80\x01\xff"))
	f.Fuzz(func(t *testing.T, script []byte) {
		o := &Opus{App: "fuzz"}
		b := o.Begin(nil, time.Now())
		at := time.Duration(0)
		for len(script) >= 3 {
			n := min(int(script[2]), len(script)-3)
			p := opusPacket(uint64(script[0])+1, int(script[1])<<(script[0]%24), string(script[3:3+n]), at)
			b = o.Packet(b, p)
			script = script[3+n:]
			at += time.Duration(n) * time.Millisecond
			b, _ = o.Flush(b, mono.Time(time.Hour+at))
		}
		b, _ = o.End(b)
		packetsOf(t, b)
		last := uint64(0)
		list, ended := granules(b)
		for _, g := range list {
			if g < last {
				t.Fatalf("positions %v", list)
			}
			last = g
		}
		if !ended {
			t.Error("no last page")
		}
	})
}
