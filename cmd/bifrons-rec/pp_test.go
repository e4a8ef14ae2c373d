package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/ogg"
)

// opusPackets are those of an Ogg file, without its two headers; silence is "-".
func opusPackets(t *testing.T, path string) (list []string) {
	t.Helper()
	r := ogg.NewReader(bytes.NewReader(read(t, path)), func([]byte) bool { return true })
	for {
		p, err := r.Next()
		if err != nil {
			return list[2:]
		}
		text := strings.TrimSuffix(string(p[1:]), filler)
		if string(p) == string(silentOpus) {
			text = "-"
		}
		list = append(list, text)
	}
}

// filler makes texts so long that they are no comfort noise.
const filler = "~~~~"

// word is a packet of Opus of 20 ms whose data is a text.
func word(n int, text string) packet {
	return packet{uint32(20 * n), rtp.FixedHeader{PayloadType: 111, SequenceNumber: uint16(n + 1), Timestamp: uint32(960 * n), SSRC: 5},
		"\xf8" + text + filler}
}

// change returns a packet with something else.
func (p packet) change(f func(*packet)) packet { f(&p); return p }

func convertOpus(t *testing.T, h mjr.Header, list []packet, options ...string) (string, result) {
	t.Helper()
	dir := t.TempDir()
	h.Codec = "opus"
	source, target := write(t, filepath.Join(dir, "a.mjr"), recording(h, list)), filepath.Join(dir, "a.opus")
	r := run(nil, append([]string{"janus-pp-rec", source, target}, options...)...)
	r.want(t, 0, "Bye!")
	return strings.Join(opusPackets(t, target), " "), r
}

func TestOpusGaps(t *testing.T) {
	later := func(seq uint16) func(*packet) { return func(p *packet) { p.head.SequenceNumber = seq } }
	for _, x := range []struct {
		name string
		list []packet
		want string
	}{
		{"nothing is missing", []packet{word(0, "a"), word(1, "b")}, "a b"},
		{"one is missing", []packet{word(0, "a"), word(2, "b")}, "a - b"},
		{"a pause of the sender", []packet{word(0, "a"), word(4, "b").change(later(2)), word(5, "c").change(later(3))}, "a - - - b c"},
		{"comfort noise", []packet{word(0, "a"), word(3, "").change(func(p *packet) { later(2)(p); p.payload = "\xf8" }), word(4, "b").change(later(3))}, "a - - - b"},
		{"packets of 60 ms", []packet{word(0, "a").change(func(p *packet) { p.payload = "\x18a~~~~" }), // SILK, 60 ms
			word(3, "b").change(func(p *packet) { later(2)(p); p.payload = "\x18b~~~~" })}, "a b"},
		{"an hour's pause", []packet{word(0, "a"), word(180000, "b"), word(180001, "c")}, "a" + strings.Repeat(" -", 179999) + " b c"},
	} {
		if got, _ := convertOpus(t, mjr.Header{}, x.list); got != x.want {
			t.Errorf("%s: %.200s, not %.200s", x.name, got, x.want)
		}
	}
}

func TestRED(t *testing.T) {
	// red makes the n-th packet with the one before as redundancy.
	red := func(n int, before, text string) packet {
		b := "\xf8" + before + filler
		head := []byte{0x80 | 111, 960 >> 6, byte(960&63<<2 | len(b)>>8), byte(len(b)), 111}
		p := word(n, text)
		p.head.PayloadType, p.payload = 63, string(head)+b+p.payload
		return p
	}
	list := []packet{red(0, "x", "a"), red(1, "a", "b"), red(3, "c", "d"), red(6, "f", "g"), word(7, "h")}
	if got, r := convertOpus(t, mjr.Header{RED: 63}, list); got != "a b c d - f g h" || !strings.Contains(r.stdout, "Rebuilt 2 packets") {
		t.Error(got, r.stdout)
	}
}

func TestSilenceMark(t *testing.T) {
	mark := func(p *packet) { p.head.Marker = true }
	list := []packet{word(0, "a"), word(1, "b"),
		word(100, "mark").change(func(p *packet) { mark(p); p.head.SequenceNumber = 3 }),
		word(101, "c").change(func(p *packet) { mark(p); p.head.SequenceNumber = 4 })}
	if got, r := convertOpus(t, mjr.Header{}, list, "-C", "5"); got != "a b"+strings.Repeat(" -", 99)+" c" || !strings.Contains(r.stdout, "Dropped 1 packets") {
		t.Error(got, r.stdout)
	}
	if got, _ := convertOpus(t, mjr.Header{}, list); !strings.HasSuffix(got, "- mark c") {
		t.Error("without the option:", got)
	}
}

func TestRestamp(t *testing.T) {
	var list []packet
	for n := range 40 {
		p := word(n, "x")
		if n >= 20 {
			p.ms += 2000 // all of a sudden two seconds later
		}
		list = append(list, p)
	}
	got, r := convertOpus(t, mjr.Header{}, list, "--restamp=1500")
	if want := strings.Repeat("x ", 20) + strings.Repeat("- ", 100) + strings.Repeat("x ", 20); got+" " != want {
		t.Error(got)
	}
	r.want(t, 0, "Corrected timestamps 1 times, by 2000 ms", "differ by up to 2000 ms")
	if got, _ := convertOpus(t, mjr.Header{}, list, "--restamp=1500", "-n", "3000"); strings.Contains(got, "-") {
		t.Error("below the threshold:", got)
	}
	if got, _ := convertOpus(t, mjr.Header{}, list); strings.Contains(got, "-") {
		t.Error("without the option:", got)
	}
}

// A source whose clock is 1 % slow is as long as it took.
func TestSkew(t *testing.T) {
	var list []packet
	for n := range 6000 {
		list = append(list, word(n, "x").change(func(p *packet) { p.ms = uint32(float64(20*n) * 1.01) }))
	}
	got, r := convertOpus(t, mjr.Header{}, list, "-S", "100")
	n := len(strings.Fields(got))
	if real := 6060; math.Abs(float64(n-real)) > 20 { // of two minutes ten seconds are not watched
		t.Errorf("%d packets, not some %d", n, real)
	}
	r.want(t, 0, "Compensated audio skew")
}

func TestIgnoreRTPTime(t *testing.T) {
	list := []packet{word(0, "a"), word(1, "b"), word(2, "c").change(func(p *packet) { p.ms = 100 })}
	if got, _ := convertOpus(t, mjr.Header{}, list, "-I"); got != "a b - - - c" {
		t.Error(got)
	}
	if got, _ := convertOpus(t, mjr.Header{}, list); got != "a b c" {
		t.Error(got)
	}
}

func TestSelectionOptions(t *testing.T) {
	list := []packet{word(0, "a"), word(1, "b"), word(2, "c").change(func(p *packet) { p.head.PayloadType = 13 }), word(3, "d")}
	for _, x := range []struct {
		options []string
		env     []string
		want    string
	}{
		{[]string{"-i", "2"}, nil, "c d"},
		{nil, []string{"JANUS_PPREC_IGNOREFIRST=2"}, "c d"},
		{[]string{"-i1"}, []string{"JANUS_PPREC_IGNOREFIRST=2"}, "b c d"},
		{[]string{"-P", "111"}, nil, "a b - d"},
		{[]string{"--payload-type=13"}, nil, "c"},
	} {
		dir := t.TempDir()
		source, target := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "opus"}, list)), filepath.Join(dir, "a.opus")
		run(x.env, append([]string{"bifrons-rec", "pp", source, target}, x.options...)...).want(t, 0)
		if got := strings.Join(opusPackets(t, target), " "); got != x.want {
			t.Errorf("%v %v: %s, not %s", x.options, x.env, got, x.want)
		}
	}
}

// chat is a recording of messages; times are in milliseconds after its creation.
func chat(codec string, messages ...string) []byte {
	h := mjr.Header{Type: mjr.Data, Codec: codec, Created: 1714550000000000, First: 1714550001000000}
	b := mjr.AppendHeader(mjr.AppendMagic(nil), &h)
	for i, m := range messages {
		b = mjr.AppendMessage(b, uint32(1500*i), h.First+int64(1500000*i)+999*int64(i%2), []byte(m))
	}
	return b
}

func TestData(t *testing.T) {
	dir := t.TempDir()
	source, target := write(t, filepath.Join(dir, "a.mjr"), chat("text", "hello", "world", "bye")), filepath.Join(dir, "a.srt")
	run(nil, "janus-pp-rec", source, target).want(t, 0, "Bye!")
	want := "1\n00:00:01.000 --> 00:00:02.499\nhello\n\n2\n00:00:02.500 --> 00:00:03.999\nworld\n\n3\n00:00:04.000 --> 00:00:09.000\nbye\n\n"
	if got := string(read(t, target)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	source, target = write(t, filepath.Join(dir, "b.mjr"), chat("binary", "\x00\x01", "", "\x02")), filepath.Join(dir, "b.anything")
	run(nil, "janus-pp-rec", source, target).want(t, 0)
	if got := string(read(t, target)); got != "\x00\x01\x02" {
		t.Errorf("%q", got)
	}
}

func TestDataAsJanus(t *testing.T) {
	need(t, "janus-pp-rec")
	dir := t.TempDir()
	for _, codec := range []string{"text", "binary"} {
		source := write(t, filepath.Join(dir, codec+".mjr"), chat(codec, "hello", "world", "bye"))
		ours, theirs := filepath.Join(dir, "ours.srt"), filepath.Join(dir, "theirs.srt")
		run(nil, "janus-pp-rec", source, ours).want(t, 0)
		command(t, "janus-pp-rec", source, theirs)
		if got, want := read(t, ours), read(t, theirs); !bytes.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestWAV(t *testing.T) {
	var list []packet
	for _, n := range []int{0, 1, 4} { // 10 ms each
		list = append(list, packet{uint32(n * 10), rtp.FixedHeader{PayloadType: 97, SequenceNumber: uint16(n), Timestamp: uint32(160 * n), SSRC: 5},
			strings.Repeat("\x01\x02", 160)})
	}
	dir := t.TempDir()
	source, target := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: "l16"}, list)), filepath.Join(dir, "a.wav")
	run(nil, "janus-pp-rec", source, target).want(t, 0, "Filled gaps of 0.02 s")
	sound := strings.Repeat("\x02\x01", 160)
	b := read(t, target)
	if got, want := string(b[44:]), sound+sound+string(make([]byte, 640))+sound; got != want {
		t.Errorf("%d octets, not %d", len(got), len(want))
	}
	le := binary.LittleEndian
	if n := le.Uint32(b[40:]); int(n) != len(b)-44 || int(le.Uint32(b[4:])) != len(b)-8 || le.Uint32(b[24:]) != 16000 || le.Uint32(b[28:]) != 32000 {
		t.Errorf("header %q", b[:44])
	}
}

func TestInfo(t *testing.T) {
	dir := t.TempDir()
	json := `{"t": "v", "c": "vp8", "f": "a=b", "d": "x", "x": {"4": "urn:3gpp:video-orientation"}, "s": 1714550000000000, "u": 1714550000120000, "or": 63, "e": true}`
	h := mjr.Header{Codec: "vp8", Fmtp: "a=b", Description: "x", Extensions: map[uint8]string{4: uriOrientation}, RED: 63, Encrypted: true}
	with := func(n int, id, value uint8) []byte {
		p := packet{head: rtp.FixedHeader{SequenceNumber: uint16(n), Timestamp: uint32(9000 * n), SSRC: 5}}
		w := rtp.ExtensionWriter{}
		w.Reset(p.raw())
		w.AddUint8(id, value)
		b := append(w.Finish(), "payload"...)
		rtp.SetExtensionBit(b)
		return mjr.AppendFrame(nil, uint32(100*n), b)
	}
	levels := write(t, filepath.Join(dir, "levels.mjr"), append(recording(mjr.Header{Codec: "opus"}, nil), with(0, 2, 0x80|30)...))
	data := write(t, filepath.Join(dir, "data.mjr"), chat("text", "hello", "world"))
	encrypted := write(t, filepath.Join(dir, "e2ee.mjr"), slices.Concat(recording(h, nil), with(0, 4, 0), with(1, 4, 1), with(2, 4, 1), with(3, 4, 3)))
	oldest := write(t, filepath.Join(dir, "old.mjr"), []byte("MEETECHO\x00\x05audio"))
	empty := write(t, filepath.Join(dir, "empty.mjr"), []byte(mjr.Magic))
	short := strings.NewReplacer(`": `, `":`, `, "`, `,"`).Replace(json)
	for _, x := range []struct {
		args   string
		code   int
		stdout string // all of it, or with + in front a part
	}{
		{"-j " + encrypted, 0, json + "\n"},
		{"-e " + encrypted, 0, short[:len(short)-1] + `,"extended":{"packets":4,"duration":0.3,"rotations":[{"ts":0.0,"rotation":0},` +
			`{"ts":0.1,"rotation":90},{"ts":0.3,"rotation":270}],"codec":{}}}` + "\n"},
		{"-e " + data, 0, `{"t":"d","c":"text","s":1714550000000000,"u":1714550001000000,"extended":{"packets":2,"duration":2.500999}}` + "\n"},
		{"-H " + encrypted, 0, "+end-to-end encrypted"},
		{"-p " + encrypted, 0, "+Counted 4 frame packets"},
		{"-H " + encrypted, 0, "+  -- Fmtp:    a=b"},
		{"-H " + encrypted, 0, "+  -- Extension 4: urn:3gpp:video-orientation"},
		{"-H " + oldest, 0, "+This is an audio recording, assuming opus"},
		{"-j " + oldest, 1, ""},
		{"-e " + oldest, 0, `{"t":"a","c":"opus","extended":{"packets":0,"duration":0.0}}` + "\n"},
		{"-j " + empty, 0, ""},
		{"-e " + empty, 0, `{"extended":{"packets":0,"duration":0.0}}` + "\n"},
		{"-p " + empty, 0, "+nothing was recorded"},
		{"-j none.mjr", 1, ""},
		{"-d 5 -a 2 -p " + levels, 0, "+level=-30 dBov, voice=true"},
		{"-d 0 -p " + encrypted, 0, "+Janus version"},
	} {
		r := run(nil, append([]string{"janus-pp-rec"}, strings.Fields(x.args)...)...)
		if part, ok := strings.CutPrefix(x.stdout, "+"); r.code != x.code || ok && !strings.Contains(r.stdout, part) || !ok && r.stdout != x.stdout {
			t.Errorf("%s: %d\n%s\nnot\n%s", x.args, r.code, r.stdout, x.stdout)
		}
	}
}

func TestInfoAsJanus(t *testing.T) {
	need(t, "janus-pp-rec", "ffmpeg")
	dir := t.TempDir()
	for _, codec := range []string{"vp8", "h264"} {
		list := video(t, codec)
		for i := range list {
			list[i].head.Timestamp += 1 << 31 // Janus is a tick off where they wrap
		}
		source := write(t, filepath.Join(dir, "a.mjr"), recording(mjr.Header{Codec: codec}, list))
		for _, option := range []string{"-j", "-e"} {
			r := run(nil, "janus-pp-rec", option, source)
			if want := command(t, "janus-pp-rec", option, source); r.stdout != want {
				t.Errorf("%s: got\n%s\nwant\n%s", codec, r.stdout, want)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string { return write(t, filepath.Join(dir, name), b) }
	opus := file("opus.mjr", recording(mjr.Header{Codec: "opus"}, tone(3)))
	vp8 := file("vp8.mjr", recording(mjr.Header{Codec: "vp8"}, tone(3)))
	secret := file("secret.mjr", recording(mjr.Header{Codec: "opus", Encrypted: true}, tone(3)))
	unknown := file("unknown.mjr", recording(mjr.Header{Type: mjr.Audio, Codec: "mp3"}, tone(3)))
	oldest := file("old.mjr", []byte("MEETECHO\x00\x05video"))
	other := file("other.mjr", []byte("\x1aE\xdf\xa3 something"))
	out := filepath.Join(dir, "out")
	for _, x := range []struct {
		args []string
		text string
	}{
		{nil, "Usage: janus-pp-rec [options]"},
		{[]string{opus}, "Usage: janus-pp-rec [options]"},
		{[]string{"-x", opus, out + ".opus"}, "unknown option -x"},
		{[]string{"-i", "x", opus, out + ".opus"}, `"x" is no number`},
		{[]string{opus, out + ".opus", "more"}, `unexpected argument "more"`},
		{[]string{opus, out}, "no extension"},
		{[]string{opus, out + ".wav"}, "opus.mjr: Opus cannot be converted to .wav (supported formats: [opus, ogg, mka])"},
		{[]string{"-f", "mp4", vp8, out + ".webm"}, "VP8 cannot be converted to .mp4"},
		{[]string{"-t", vp8, out + ".webm"}, "faststart is for mp4 only"},
		{[]string{oldest, out + ".mkv"}, "only be converted to .webm"},
		{[]string{unknown, out + ".opus"}, `"mp3" cannot be converted`},
		{[]string{secret, out + ".opus"}, "end-to-end encrypted"},
		{[]string{other, out + ".opus"}, "other.mjr: byte 0: this is no recording"},
		{[]string{filepath.Join(dir, "none.mjr"), out + ".opus"}, "none.mjr: cannot open the recording: no such file"},
		{[]string{opus, filepath.Join(dir, "none", "x.opus")}, "cannot create the file"},
		{[]string{"-f", "opus", opus, opus}, "is the source itself"},
		{[]string{dir, out + ".opus"}, "is a directory"},
	} {
		run(nil, append([]string{"janus-pp-rec"}, x.args...)...).want(t, 1, x.text)
	}
	if found, _ := filepath.Glob(out + "*"); len(found) != 0 {
		t.Errorf("%v was made even so", found)
	}
	if got, _ := packets(t, opus); len(got) != 3 {
		t.Error("the source was changed")
	}
}

func TestHelp(t *testing.T) {
	run(nil, "janus-pp-rec", "--help").want(t, 0, "--silence-distance=N", "($JANUS_PPREC_AUDIOSKEW)")
	run(nil, "janus-pp-rec", "-V").want(t, 0, "1.4.1")
	run(nil, "janus-pp-rec", "-F").want(t, 0, "-- H.264:   [mp4, mkv]", "-- Binary:  any")
}

// A file that is cut off or damaged is converted as far as it goes.
func TestConvertsDamaged(t *testing.T) {
	b := recording(mjr.Header{Codec: "opus"}, []packet{word(0, "a"), word(1, "b"), word(2, "c")})
	for name, x := range map[string]struct {
		file  []byte
		texts string
		want  string
	}{
		"cut off": {b[:len(b)-1], fmt.Sprintf("a.mjr: byte %d: the file is cut off", len(b)-28), "a b"},
		"damaged": {append(bytes.Clone(b), make([]byte, 50)...), fmt.Sprintf("a.mjr: byte %d: no frame where one should begin", len(b)), "a b c"},
	} {
		dir := t.TempDir()
		source, target := write(t, filepath.Join(dir, "a.mjr"), x.file), filepath.Join(dir, "a.ogg")
		run(nil, "janus-pp-rec", source, target).want(t, 0, x.texts)
		if got := strings.Join(opusPackets(t, target), " "); got != x.want {
			t.Errorf("%s: %s, not %s", name, got, x.want)
		}
	}
}

func TestConvertsNothing(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "a.webm")
	for name, b := range map[string][]byte{"empty": []byte(mjr.Magic), "no packets": recording(mjr.Header{Codec: "vp8"}, nil)} {
		source := write(t, filepath.Join(dir, "a.mjr"), b)
		run(nil, "janus-pp-rec", source, target).want(t, 0, "[WARN]")
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s: a file was made", name)
		}
	}
}

// On a terminal a bar tells how far things are; it is gone at the end.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	log := &logger{w: &b, level: levelInfo, terminal: true, colors: true}
	log.progress(50, 200)
	log.progress(51, 200) // too early for another one
	log.warn("hm")
	if want := "\r[##########..............................]  25 %\r\x1b[K\x1b[33m[WARN]\x1b[0m hm\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	log = &logger{w: &b, level: levelInfo}
	log.progress(50, 200)
	log.err("hm")
	if b.String() != "[ERR] hm\n" {
		t.Errorf("%q", b.String())
	}
}

// nowhere is a file that nothing is kept of.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error)            { return len(p), nil }
func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) ReadAt(p []byte, _ int64) (int, error)  { return len(p), nil }
func (nowhere) Close() error                           { return nil }

// FuzzConvert: whatever is in a recording, it is converted to each of its targets.
func FuzzConvert(f *testing.F) {
	f.Add(recording(mjr.Header{Codec: "opus", RED: 63}, []packet{word(0, "a"), word(5, "b")}), uint16(0))
	f.Add(recording(mjr.Header{Codec: "vp8"}, []packet{word(0, "a"), word(5, "b")}), uint16(1))
	f.Add(recording(mjr.Header{Codec: "h264"}, []packet{word(0, "a"), word(5, "b")}), uint16(2))
	f.Add(chat("text", "hello", "world"), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, options uint16) {
		for i := range 4 {
			w := &work{log: &logger{w: io.Discard, level: levelDebug}, out: io.Discard, reader: mjr.NewReader(bytes.NewReader(b)), maxGap: 10,
				ppOptions: &ppOptions{payloadType: -1, restampPackets: 3, faststart: true, ignoreRTP: options&1 != 0,
					skew: int(options >> 1 & 1), silence: int(options >> 2 & 7), restamp: int(options >> 5 & 1)}}
			var err error
			if w.header, err = w.reader.Header(); err != nil {
				return
			}
			if i == 3 {
				if err := w.report(); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, x := range targets {
				if slices.Contains(x.codecs, w.header.Codec) && i < max(len(x.extensions), 1) {
					w.targetFormat = append(x.extensions, "")[i]
				}
			}
			if checkTarget(w.header.Codec, w.targetFormat, false) != nil {
				continue
			}
			if _, err := w.convertTo(nowhere{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
