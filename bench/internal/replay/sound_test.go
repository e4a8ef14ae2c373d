package replay

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
)

var sender = netip.MustParseAddrPort("192.0.2.1:5004")

// TestSameInputSameBytes plays a capture twice.
func TestSameInputSameBytes(t *testing.T) {
	for _, path := range descriptions(t)[:2] {
		_, a := play(t, path)
		_, b := play(t, path)
		if !bytes.Equal(a.Golden(), b.Golden()) {
			t.Errorf("%s: two runs differ", path)
		}
		if len(a.Outputs) == 0 || len(a.Outputs[0].Digest) != 32 {
			t.Errorf("%s: no digest", path)
		}
	}
}

// plain is a small capture of one stream without layers.
func plain(t *testing.T) (*Description, []Datagram) {
	t.Helper()
	d, err := Load(filepath.Join(folder, "h264-ffmpeg.json"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	return d, list
}

// TestEncryptedIsThePlain plays a capture that was encrypted with each profile:
// the engine has to get the same.
func TestEncryptedIsThePlain(t *testing.T) {
	d, list := plain(t)
	want, err := Play(d, list)
	if err != nil {
		t.Fatal(err)
	}
	for p := srtp.AEADAES128GCM; p.Valid(); p++ {
		secret := bytes.Repeat([]byte{7}, p.KeyLen()+p.SaltLen())
		sender, err := srtp.NewSender(p, secret[:p.KeyLen()], secret[p.KeyLen():])
		if err != nil {
			t.Fatal(err)
		}
		var sealed []Datagram
		for _, g := range list {
			out := make([]byte, len(g.Data)+64)
			n := 0
			var h rtp.Header
			if rtp.Classify(g.Data) == rtp.ClassRTCP {
				n, err = sender.SealRTCP(out, g.Data)
			} else if err = h.Parse(g.Data); err == nil {
				copy(out, g.Data[:h.HeaderLen])
				n, err = sender.SealRTP(out, h.HeaderLen, g.Data[h.HeaderLen:], 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			g.Data = out[:n]
			sealed = append(sealed, g)
		}
		e := *d
		e.SRTP = &SRTP{Profile: p.String(), Key: base64.StdEncoding.EncodeToString(secret)}
		got, err := Play(&e, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Golden(), want.Golden()) {
			t.Errorf("%v: something else comes out", p)
		}
		secret[0]++
		e.SRTP.Key = base64.StdEncoding.EncodeToString(secret)
		if _, err := Play(&e, sealed); err == nil {
			t.Errorf("%v: a wrong key is not noticed", p)
		}
	}
}

// TestFormats writes a capture in both formats and reads it again.
func TestFormats(t *testing.T) {
	_, list := plain(t)
	for _, pcapng := range []bool{false, true} {
		var b bytes.Buffer
		if err := Write(&b, pcapng, zeroTime, list); err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(b.Bytes()))
		if err != nil || len(again) != len(list) {
			t.Fatalf("pcapng %v: %d datagrams of %d: %v", pcapng, len(again), len(list), err)
		}
		for i := range list {
			if d := again[i].At - list[i].At; again[i].From != list[i].From || again[i].To != list[i].To ||
				!bytes.Equal(again[i].Data, list[i].Data) || d < -1000 || d > 1000 {
				t.Fatalf("pcapng %v: datagram %d is another one", pcapng, i)
			}
		}
		cut, err := Read(bytes.NewReader(b.Bytes()[:b.Len()-10]))
		if err != nil || len(cut) != len(list)-1 {
			t.Errorf("pcapng %v: a file cut short gave %d datagrams: %v", pcapng, len(cut), err)
		}
	}
	for _, text := range []string{"", "RIFF", strings.Repeat("\x00", 100)} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestCheckFinds breaks what receivers got, each time in another way.
func TestCheckFinds(t *testing.T) {
	for _, c := range []struct {
		name, want string
		breaks     func(list []Record) []Record
	}{
		{"nothing", "", func(l []Record) []Record { return l }},
		{"lost", "numbers are missing", func(l []Record) []Record { return slices.Delete(l, 20, 21) }},
		{"twice", "came twice", func(l []Record) []Record { return append(l, l[20]) }},
		{"left out", "was left out", func(l []Record) []Record {
			for i := 21; i < len(l); i++ {
				l[i].Number--
			}
			return slices.Delete(l, 20, 21)
		}},
		{"time", "timestamp", func(l []Record) []Record { l[20].View.Timestamp -= 90000; return l }},
		{"changed", "nothing that was sent", func(l []Record) []Record {
			l[20].View.Payload = append(bytes.Clone(l[20].View.Payload), 1)
			return l
		}},
		{"marker", "marker", func(l []Record) []Record { l[20].View.Marker = !l[20].View.Marker; return l }},
		{"no key frame", "without a key frame", func(l []Record) []Record { return l[20:] }},
		{"silent", "nothing came", func(l []Record) []Record { return nil }},
	} {
		d, list := plain(t)
		d.Receivers = []Receiver{{Name: "one"}}
		r, err := Play(d, list)
		if err != nil {
			t.Fatal(err)
		}
		r.Outputs[0].Records = c.breaks(r.Outputs[0].Records)
		got := strings.Join(r.Check(), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDescriptionErrors(t *testing.T) {
	const ok = `{"capture":"a","sections":[{"kind":"video","codecs":[{"name":"VP8","payload":96,"clock":90000}]}]`
	if _, err := Parse([]byte(ok + "}")); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{`:                             "EOF",
		`{"captures":"a"}`:              "unknown field",
		`{"sections":[]}`:               "capture",
		`{"capture":"a"}`:               "sections",
		ok + `,"srtp":{"profile":"x"}}`: "profile",
		ok + `,"srtp":{"profile":"","key":"AA"}}`:                                    "28 bytes",
		ok + `,"network":{"seed":1,"loss":1}}`:                                       "network",
		ok + `,"receivers":[{"name":""}]}`:                                           "name",
		ok + `,"receivers":[{"name":"a","shard":2}]}`:                                "shard",
		ok + `,"receivers":[{"name":"a","steps":[{"at_ms":5},{"at_ms":4}]}]}`:        "steps",
		`{"capture":"a","sections":[{"kind":"data"}]}`:                               "kind",
		`{"capture":"a","sections":[{"kind":"audio"}]}`:                              "no codecs",
		`{"capture":"a","sections":[{"kind":"audio","codecs":[{"payload":200}]}]}`:   "payload",
		strings.Replace(ok, `"kind"`, `"extensions":{"x":1},"kind"`, 1) + "}":        "extension",
		strings.Replace(ok, `"kind"`, `"encodings":[{},{},{},{}],"kind"`, 1) + "}":   "encodings",
		strings.Replace(ok, `"clock":90000`, `"clock":90000,"rtx":128`, 1) + "}":     "range",
		strings.Replace(ok, `"payload":96`, `"payload":96,"colour":"blue"`, 1) + "}": "unknown field",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzRead reads captures of strangers and, where it can, plays them.
func FuzzRead(f *testing.F) {
	d, err := Load(filepath.Join(folder, "h264-ffmpeg.json"))
	if err != nil {
		f.Fatal(err)
	}
	list, err := d.Open()
	if err != nil {
		f.Fatal(err)
	}
	for _, pcapng := range []bool{false, true} {
		var b bytes.Buffer
		if err := Write(&b, pcapng, zeroTime, list[:12]); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		_ = Overview(list)
		_, _ = d.Prepare(list)
	})
}

// FuzzPlay plays packets of strangers.
func FuzzPlay(f *testing.F) {
	d, err := Load(filepath.Join(folder, "vp8-simulcast.json"))
	if err != nil {
		f.Fatal(err)
	}
	list, err := d.Open()
	if err != nil {
		f.Fatal(err)
	}
	d.From, d.Receivers = "", []Receiver{{Name: "one"}}
	var seed []byte
	for _, g := range list[:8] {
		seed = append(append(seed, byte(len(g.Data)>>8), byte(len(g.Data))), g.Data...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var list []Datagram
		for len(b) > 2 && len(list) < 50 {
			n := min(int(b[0])<<8|int(b[1]), len(b)-2)
			list = append(list, Datagram{At: time.Duration(len(list)) * time.Millisecond, From: sender, To: sender, Data: b[2 : 2+n]})
			b = b[2+n:]
		}
		if r, err := Play(d, list); err == nil {
			_, _ = r.Check(), r.Golden()
		}
	})
}
