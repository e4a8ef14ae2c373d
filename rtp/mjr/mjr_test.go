package mjr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// file makes a file of the current layout.
func file(h Header, frames ...func([]byte) []byte) []byte {
	b := AppendHeader(AppendMagic(nil), &h)
	for _, f := range frames {
		b = f(b)
	}
	return b
}

func frame(ms uint32, packet string) func([]byte) []byte {
	return func(b []byte) []byte { return AppendFrame(b, ms, []byte(packet)) }
}

var opus = Header{Type: Audio, Codec: "opus"}

func TestWriteHeader(t *testing.T) {
	for _, x := range []struct {
		h    Header
		want string
	}{
		{Header{Type: Audio, Codec: "opus", Created: 1714550000000000, First: 1714550000120000,
			Extensions: map[uint8]string{1: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}},
			`{"t": "a", "c": "opus", "x": {"1": "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}, ` +
				`"s": 1714550000000000, "u": 1714550000120000}`},
		{Header{Type: Video, Codec: "h264", Fmtp: "profile-level-id=42e01f", Description: "a \"b\"\\\x01\x1f\n\t\xff/é\u2028",
			Extensions: map[uint8]string{13: "b", 3: "a"}, Created: 1, First: 2, RED: 63, Encrypted: true},
			`{"t": "v", "c": "h264", "f": "profile-level-id=42e01f", "d": "a \"b\"\\\u0001\u001F\n\t` + "\ufffd/é\u2028" + `", ` +
				`"x": {"3": "a", "13": "b"}, "s": 1, "u": 2, "or": 63, "e": true}`},
	} {
		b := AppendHeader(AppendMagic(nil), &x.h)
		want := "MJR00002" + string([]byte{byte(len(x.want) >> 8), byte(len(x.want))}) + x.want
		if string(b) != want {
			t.Errorf("got  %q\nwant %q", b, want)
		}
	}
}

func TestWriteFrames(t *testing.T) {
	got := AppendFrame(nil, 0x01020304, []byte("packet"))
	if want := "MEET\x01\x02\x03\x04\x00\x06packet"; string(got) != want {
		t.Errorf("frame %q", got)
	}
	got = AppendMessage(nil, 7, 0x0102030405060708, []byte("hello"))
	if want := "MEET\x00\x00\x00\x07\x00\x0d\x01\x02\x03\x04\x05\x06\x07\x08hello"; string(got) != want {
		t.Errorf("message %q", got)
	}
	if got := AppendFrame(nil, 0, make([]byte, MaxFrame+1)); len(got) != 0 {
		t.Errorf("a frame that is too long takes %d bytes", len(got))
	}
	if got := AppendMessage(nil, 0, 0, make([]byte, MaxMessage+1)); len(got) != 0 {
		t.Errorf("a message that is too long takes %d bytes", len(got))
	}
	if got := AppendMessage(nil, 0, 0, make([]byte, MaxMessage)); len(got) != prefixLen+MaxFrame {
		t.Errorf("the longest message takes %d bytes", len(got))
	}
}

func TestCheck(t *testing.T) {
	for _, x := range []struct {
		h  Header
		ok bool
	}{
		{Header{Type: Audio, Codec: "opus"}, true},
		{Header{Type: Video, Codec: "h265"}, true},
		{Header{Type: Data, Codec: "binary"}, true},
		{Header{Type: Video, Codec: "opus"}, false},
		{Header{Type: Audio, Codec: "mp3"}, false},
		{Header{}, false},
		{Header{Type: Audio, Codec: "opus", Description: strings.Repeat("x", 60000)}, true},
		{Header{Type: Audio, Codec: "opus", Description: strings.Repeat("\x01", 11000)}, false},
	} {
		if err := x.h.Check(); (err == nil) != x.ok {
			t.Errorf("%v %.10q...: %v", x.h.Type, x.h.Codec, err)
		}
	}
}

// A header that is too long is shortened, so that the file can be read.
func TestLongHeader(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for _, h := range []Header{
		{Type: Audio, Codec: "opus", Fmtp: "f", Description: long},
		{Type: Audio, Codec: "opus", Fmtp: "f", Extensions: map[uint8]string{1: long}},
		{Type: Audio, Codec: "opus", Fmtp: long},
	} {
		got, err := NewReader(bytes.NewReader(file(h, frame(0, "p")))).Header()
		if err != nil || got.Codec != "opus" || h.Fmtp == "f" && got.Fmtp != "f" {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	h := Header{Type: Video, Codec: "vp9", Fmtp: "profile-id=2", Description: "x\"\\\u2028é", Created: 5, First: 6,
		Extensions: map[uint8]string{1: "a", 15: "b"}, RED: 127, Encrypted: true}
	var want []string
	b := file(h)
	for i := range 300 {
		p := strings.Repeat(string(rune('a'+i%26)), i*i%MaxFrame)
		want = append(want, p)
		b = AppendFrame(b, uint32(i*1000), []byte(p))
	}
	r := NewReader(bytes.NewReader(b))
	got, err := r.Header()
	if err != nil || fmt.Sprint(*got) != fmt.Sprint(h) {
		t.Fatalf("header %v, %v", got, err)
	}
	for i, p := range want {
		f, err := r.Next()
		if err != nil || string(f.Data) != p || !f.HasArrival || f.ArrivalMS != uint32(i*1000) {
			t.Fatalf("frame %d: %d bytes, %d ms, %v", i, len(f.Data), f.ArrivalMS, err)
		}
		if !bytes.HasPrefix(b[f.Offset:], []byte("MEET")) {
			t.Fatalf("frame %d is not at byte %d", i, f.Offset)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatalf("at the end: %v", err)
	}
	if r.Offset() != int64(len(b)) {
		t.Errorf("read %d of %d bytes", r.Offset(), len(b))
	}
}

// length is n as it stands in files.
func length(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }

func TestLayouts(t *testing.T) {
	json := `{"t":"v","c":"VP9","s":3,"u":4,"new":[1]}`
	for _, x := range []struct {
		name, text, codec string
		kind              byte
		frames            int
		arrival           bool
	}{
		{"oldest audio", "MEETECHO" + length(5) + "audio" + "MEETECHO" + length(3) + "abc", "opus", Audio, 1, false},
		{"oldest video", "MEETECHO" + length(5) + "video" + "MEETECHO" + length(5) + "abcde", "vp8", Video, 1, false},
		{"oldest data", "MEETECHO" + length(5) + "data " + "MEETECHO" + length(0), "text", Data, 1, false},
		{"old", "MJR00001" + length(len(json)) + json + "MEETECHO" + length(3) + "abc", "vp9", Video, 1, false},
		{"current", "MJR00002" + length(len(json)) + json + "MEET\x00\x00\x00\x05" + length(3) + "abc", "vp9", Video, 1, true},
		{"a header again", "MJR00002" + length(len(json)) + json + "MJR00001" + length(len(json)) + json +
			"MEET\x00\x00\x00\x05" + length(3) + "abc", "vp9", Video, 1, true},
	} {
		r := NewReader(strings.NewReader(x.text))
		h, err := r.Header()
		if err != nil || h.Codec != x.codec || h.Type != x.kind {
			t.Errorf("%s: %v, %v", x.name, h, err)
			continue
		}
		if hasJSON := r.JSON() != nil; hasJSON != strings.HasPrefix(x.text, "MJR") || hasJSON && string(r.JSON()) != json {
			t.Errorf("%s: JSON %q", x.name, r.JSON())
		}
		n := 0
		for {
			f, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil || f.HasArrival != x.arrival || x.arrival && f.ArrivalMS != 5 {
				t.Fatalf("%s: %+v, %v", x.name, f, err)
			}
			n++
		}
		if n != x.frames {
			t.Errorf("%s: %d frames", x.name, n)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	header := func(json string) string { return Magic + length(len(json)) + json }
	for _, x := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", ErrEmpty},
		{"magic alone", Magic, ErrEmpty},
		{"magic of old", "MJR00001", ErrEmpty},
		{"half a magic", "MJR", ErrTruncated},
		{"half a length", Magic + "\x00", ErrTruncated},
		{"half a header", Magic + length(20) + `{"t":`, ErrTruncated},
		{"something else", "OggS\x00\x02\x00\x00\x00\x00\x00\x00", ErrFormat},
		{"something short", "hello", ErrFormat},
		{"one byte", "M", ErrFormat},
		{"no header", "MEETECHO" + length(12) + "abcdefghijkl", ErrHeader},
		{"unknown old header", "MEETECHO" + length(5) + "xudio", ErrHeader},
		{"no JSON", header("hello"), ErrHeader},
		{"JSON of another type", header(`[]`), ErrHeader},
		{"no type", header(`{"c":"opus"}`), ErrHeader},
		{"no codec", header(`{"t":"a"}`), ErrHeader},
		{"wrong type", header(`{"t":"x","c":"opus"}`), ErrHeader},
		{"wrong number", header(`{"t":"a","c":"opus","s":"now"}`), ErrHeader},
	} {
		r := NewReader(strings.NewReader(x.text))
		for range 2 {
			if h, err := r.Header(); !errors.Is(err, x.want) || h != nil {
				t.Errorf("%s: header %v, %v", x.name, h, err)
			}
			if _, err := r.Next(); !errors.Is(err, x.want) {
				t.Errorf("%s: next %v", x.name, err)
			}
		}
	}
}

// A file that is cut anywhere can be read up to there.
func TestTruncated(t *testing.T) {
	b := file(opus)
	ends := map[int]int{}
	start := len(b)
	for i := range 5 {
		b = AppendFrame(b, uint32(i), bytes.Repeat([]byte{'x'}, i*3))
		ends[len(b)] = i + 1
	}
	whole := 0
	for n := start; n <= len(b); n++ {
		if k, ok := ends[n]; ok {
			whole = k
		}
		r := NewReader(bytes.NewReader(b[:n]))
		got := 0
		var f Frame
		var err error
		last := int64(start)
		for f, err = r.Next(); err == nil; f, err = r.Next() {
			last = f.Offset + prefixLen + int64(len(f.Data))
			got++
		}
		var e *Error
		switch {
		case got != whole:
			t.Errorf("cut at %d: %d frames, not %d", n, got, whole)
		case (ends[n] > 0 || n == start) && err != io.EOF:
			t.Errorf("cut between frames: %v", err)
		case ends[n] == 0 && n != start && (!errors.As(err, &e) || !errors.Is(err, ErrTruncated) || e.Offset != last):
			t.Errorf("cut at %d: %v, not at %d", n, err, last)
		}
	}
}

func TestDamaged(t *testing.T) {
	b := file(opus, frame(0, "abc"), frame(1, "def"))
	at := len(b)
	b = append(append(b, make([]byte, 100)...), file(opus, frame(0, "abc"))...)
	r := NewReader(bytes.NewReader(b))
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Next()
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrDamaged) || e.Offset != int64(at) || !strings.Contains(err.Error(), fmt.Sprint("byte ", at)) {
		t.Errorf("%v, not damaged at %d", err, at)
	}
}

// brokenDisk fails after some bytes.
type brokenDisk struct{ rest []byte }

var errDisk = errors.New("input/output error")

func (d *brokenDisk) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, errDisk
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func TestInputError(t *testing.T) {
	b := file(opus, frame(0, "abc"), frame(1, "def"))
	r := NewReader(&brokenDisk{b[:len(b)-1]})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, errDisk) || errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
}

func TestMessage(t *testing.T) {
	b := file(Header{Type: Data, Codec: "text"}, func(b []byte) []byte { return AppendMessage(b, 3, 99, []byte("hi")) },
		frame(4, "short"))
	r := NewReader(bytes.NewReader(b))
	f, err := r.Next()
	if wall, text, ok := f.Message(); err != nil || !ok || wall != 99 || string(text) != "hi" {
		t.Error(wall, text, ok, err)
	}
	f, err = r.Next()
	if _, _, ok := f.Message(); err != nil || ok {
		t.Error("a message without a time")
	}
}

// What Debian ships is of the oldest layout.
func TestSamples(t *testing.T) {
	for name, codec := range map[string]string{"audio": "opus", "video": "vp8"} {
		b, err := os.ReadFile("/usr/share/janus/recordings/rec-sample-" + name + ".mjr")
		if err != nil {
			t.Skip("skipped: the recordings of package janus-demos:", err)
		}
		r := NewReader(bytes.NewReader(b))
		h, err := r.Header()
		if err != nil || h.Codec != codec {
			t.Fatal(h, err)
		}
		n, bytesRead := 0, prefixLen+oldName
		for f, err := r.Next(); err != io.EOF; f, err = r.Next() {
			if err != nil {
				t.Fatal(err)
			}
			n++
			bytesRead += prefixLen + len(f.Data)
		}
		if want := bytes.Count(b, []byte("MEETECHO")) - 1; n != want || bytesRead != len(b) {
			t.Errorf("%s: %d frames, not %d; %d bytes, not %d", name, n, want, bytesRead, len(b))
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(file(opus, frame(0, "abc"), frame(5, "")))
	f.Add([]byte("MEETECHO" + length(5) + "audio" + "MEETECHO" + length(3) + "abc"))
	f.Add([]byte("MJR00001" + length(17) + `{"t":"v","c":"x"}` + "MEETECHO" + length(3) + "abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		var at int64
		for {
			fr, err := r.Next()
			if err != nil {
				var e *Error
				if errors.As(err, &e) && (e.Offset < at && !errors.Is(err, ErrDamaged) || e.Offset > int64(len(b))) {
					t.Fatalf("error %v after byte %d of %d", err, at, len(b))
				} else if e == nil && err != io.EOF && err != ErrEmpty {
					t.Fatal(err)
				}
				break
			}
			if !bytes.HasPrefix(b[fr.Offset:], []byte("ME")) || fr.Offset < at ||
				!bytes.Equal(b[fr.Offset+prefixLen:][:len(fr.Data)], fr.Data) ||
				int(binary.BigEndian.Uint16(b[fr.Offset+8:])) != len(fr.Data) {
				t.Fatalf("frame %+v after byte %d", fr, at)
			}
			at = fr.Offset + prefixLen + int64(len(fr.Data))
		}
	})
}

// FuzzHeader: what is read from a header and written reads the same.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"t": "a", "c": "opus", "f": "x", "d": "\u0001", "x": {"1": "y"}, "s": 1, "u": 2, "or": 63, "e": true}`))
	f.Fuzz(func(t *testing.T, json []byte) {
		if len(json) > MaxHeader {
			return
		}
		h, err := NewReader(strings.NewReader(Magic + length(len(json)) + string(json))).Header()
		if err != nil {
			return
		}
		if len(appendHeader(nil, h)) > 2+MaxHeader {
			return
		}
		again, err := NewReader(bytes.NewReader(file(*h))).Header()
		if err != nil || fmt.Sprint(*again) != fmt.Sprint(*h) {
			t.Fatalf("%q: %v, then %v, %v", json, *h, again, err)
		}
	})
}

// TestPassedOver damages a file in its middle: frames behind that are read, and the error
// comes at the end.
func TestPassedOver(t *testing.T) {
	packet := func(n byte, size int) []byte {
		return append([]byte{0x80, 111, 0, n, 0, 0, 0, 0, 0, 0, 0, 9}, make([]byte, size)...)
	}
	type filer func(b []byte, n byte, size int) []byte
	current := func(b []byte, n byte, size int) []byte { return AppendFrame(b, uint32(n), packet(n, size)) }
	old := func(b []byte, n byte, size int) []byte {
		p := packet(n, size)
		return append(append(append(b, "MEETECHO"...), byte(len(p)>>8), byte(len(p))), p...)
	}
	for name, x := range map[string]struct {
		start []byte
		add   filer
	}{"current": {file(opus), current}, "oldest": {[]byte("MEETECHO" + length(5) + "audio"), old}} {
		for what, damage := range map[string][]byte{
			"zeros":             make([]byte, 4096),
			"many":              make([]byte, 300<<10),
			"one byte":          {0},
			"a piece of frame":  x.add(nil, 9, 100)[10:],
			"what looks like":   []byte("xx MEET MEETECHO\x00\x20\x80 MEETMEETMEET\x00\x0c\x80MEETECHOMEETECHO\x00\x0c\x80"),
			"a frame cut short": x.add(nil, 9, 5000)[:2000],
		} {
			b := bytes.Clone(x.start)
			for n := range byte(3) {
				b = x.add(b, n, 50)
			}
			at := int64(len(b))
			b = append(b, damage...)
			for n := byte(10); n < 13; n++ {
				b = x.add(b, n, 60000)
			}
			r := NewReader(bytes.NewReader(b))
			var got []byte
			var err error
			for {
				var f Frame
				if f, err = r.Next(); err != nil {
					break
				}
				got = append(got, f.Data[3])
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrDamaged) || e.Offset < at {
				t.Errorf("%s, %s: %v, damaged at %d", name, what, err, at)
			}
			// A frame that was cut short takes in the beginning of the next.
			want := []byte{0, 1, 2, 10, 11, 12}
			if what == "a frame cut short" {
				want[3] = 9
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %s: frames %v, not %v", name, what, got, want)
			}
		}
	}
}
