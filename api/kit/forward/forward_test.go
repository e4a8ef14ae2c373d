package forward

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/config"
	bifjson "bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/rtp"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

func TestMain(m *testing.M) { waittest.Main(m) }

func args(t testing.TB, text string) kit.Args {
	t.Helper()
	d, err := bifjson.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Release)
	return kit.Args{Value: d.Root()}
}

// allNames are the names of AudioBridge, with those that VideoRoom has besides.
var allNames = Names{
	Host: "host", Family: "host_family", Suite: "srtp_suite", Crypto: "srtp_crypto",
	Port: "port", RTCPPort: "rtcp_port", SSRC: "ssrc", PayloadType: "ptype",
}

var key = base64.StdEncoding.EncodeToString([]byte("a master key of a length: 30 bytes"))

func testRules() *Rules {
	return &Rules{Policy: DefaultPolicy, Of: "call", Codes: kit.Codes{Missing: 1, Invalid: 2}, Failed: 3}
}

func TestRead(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"host":"h","port":1,"rtcp_port":2,"ssrc":3,"ptype":4}`, "h/ 1 2 3 4 plain"},
		{`{"host":"h","host_family":"IPv4"}`, "h/ip4 0 0 0 0 plain"},
		{`{"host":"h","host_family":"ipv6"}`, "h/ip6 0 0 0 0 plain"},
		{`{"host":"h","host_family":""}`, "h/ 0 0 0 0 plain"},
		{`{"port":65535,"ssrc":4294967295,"ptype":127}`, "none 65535 0 4294967295 127 plain"},
		{`{"srtp_suite":80,"srtp_crypto":"` + key + `"}`, "none 0 0 0 0 80"},
		{`{"srtp_suite":32,"srtp_crypto":"` + key + `"}`, "none 0 0 0 0 32"},
		{`{"":"ipv7","":5}`, "none 0 0 0 0 plain"},
		{`{"host_family":"ipx"}`, "2 Unsupported protocol family (ipx)"},
		{`{"srtp_suite":12,"srtp_crypto":"x"}`, "2 Invalid SRTP suite (12)"},
		{`{"srtp_suite":32}`, "1 Missing mandatory element (srtp_suite or srtp_crypto)"},
		{`{"srtp_crypto":"x"}`, "1 Missing mandatory element (srtp_suite or srtp_crypto)"},
		{`{"srtp_suite":80,"srtp_crypto":"AAAA"}`, "2 Invalid element (srtp_crypto: sfu: SRTP key is too short)"},
		{`{"port":65536}`, "2 Invalid element (port should be a port)"},
		{`{"rtcp_port":-1,"port":-2}`, "2 Invalid element (port should be a port)"},
		{`{"rtcp_port":-1}`, "2 Invalid element (rtcp_port should be a port)"},
		{`{"ssrc":4294967296}`, "2 Invalid element (ptype or ssrc)"},
		{`{"ptype":128}`, "2 Invalid element (ptype or ssrc)"},
	} {
		var d Destination
		if got := readText(testRules(), kit.FromRequest(args(t, tt.body)), &d); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
}

// readText is the outcome of Read.
func readText(r *Rules, src kit.Values, d *Destination) string {
	if err := r.Read(src, allNames, d); err != nil {
		return fmt.Sprint(err.Code, " ", err.Text)
	}
	host, crypto := "none", "plain"
	if d.Host != nil {
		host = d.Host.Name + "/" + d.Host.Network
	}
	if d.SRTP != nil {
		crypto = map[bool]string{true: "80", false: "32"}[strings.Contains(fmt.Sprint(d.SRTP.Profile), "80")]
	}
	return fmt.Sprint(host, " ", d.Port, d.RTCPPort, d.SSRC, d.PayloadType, " ", crypto)
}

// TestReadItem: what an item does not say is that of the request as a whole, and what
// the plugin has no name for is not read.
func TestReadItem(t *testing.T) {
	r := testRules()
	r.Network = "ip4"
	var all Destination
	readText(r, kit.FromRequest(args(t, `{"host":"h","srtp_suite":80,"srtp_crypto":"`+key+`"}`)), &all)
	item := all
	if err := r.Read(kit.FromRequest(args(t, `{"port":5,"ssrc":9}`)), Names{Host: "host", Port: "port"}, &item); err != nil {
		t.Fatal(err)
	}
	if item.Host != all.Host || item.Host.Network != "ip4" || item.SRTP != all.SRTP || item.Port != 5 || item.SSRC != 0 || all.Port != 0 {
		t.Errorf("%+v of %+v", item, all)
	}
}

// TestReadFile reads a forwarder as AudioBridge's file has it.
func TestReadFile(t *testing.T) {
	f, err := config.Parse("x.jcfg", []byte(`room: { rtp_forward_host = "10.0.0.1", rtp_forward_port = "5000", rtp_forward_ptype = "x" }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	entry := config.NewReader(f.Category("room"))
	var d Destination
	names := Names{Host: "rtp_forward_host", Port: "rtp_forward_port", PayloadType: "rtp_forward_ptype"}
	if err := testRules().Read(kit.FromFile(entry), names, &d); err != nil || d.Host.Name != "10.0.0.1" || d.Port != 5000 || d.PayloadType != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if p := entry.Problems(); len(p) != 1 || p[0].Key != "rtp_forward_ptype" {
		t.Errorf("problems %v", p)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"host":"h","host_family":"ipv6","port":1,"rtcp_port":2,"ssrc":3,"ptype":4}`,
		`{"srtp_suite":80,"srtp_crypto":"` + key + `"}`, `{"port":-1,"ssrc":1e3,"":"x"}`, `[]`, `{"host":null,"ptype":300}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, bad := bifjson.Parse([]byte(text))
		if bad != nil {
			return
		}
		defer doc.Release()
		host := &Host{Name: "before"}
		d := Destination{Host: host, Port: 7}
		err := testRules().Read(kit.FromRequest(kit.Args{Value: doc.Root()}), allNames, &d)
		var want struct {
			Host, Family *string
			Port, PType  *int64
		}
		if err != nil {
			if err.Code != 1 && err.Code != 2 || err.Text == "" {
				t.Fatalf("%q: %+v", text, err)
			}
			return
		}
		if d.PayloadType > 127 || d.Host == nil || d.Encoding != 0 || d.Best {
			t.Fatalf("%q: %+v", text, d)
		}
		if d.SRTP != nil && len(d.SRTP.Key)+len(d.SRTP.Salt) != 30 {
			t.Fatalf("%q: a key of %d bytes", text, len(d.SRTP.Key))
		}
		// The standard library agrees about simple requests; it takes names in any
		// case and the last of two.
		if strings.Count(strings.ToLower(text), `"port"`) == 1 && strings.Contains(text, `"port"`) &&
			!strings.Contains(text, `\`) && json.Unmarshal([]byte(text), &want) == nil && want.Port != nil && int64(d.Port) != *want.Port {
			t.Fatalf("%q: port %d, want %d", text, d.Port, *want.Port)
		}
	})
}

func newEngine(t *testing.T) *sfu.Engine {
	t.Helper()
	e, err := sfu.New(sfu.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, e) })
	return e
}

type silent struct{}

func (silent) SourceEvent(sfu.Event)        {}
func (silent) SourceData(int, bool, []byte) {}

func newSource(t *testing.T, e *sfu.Engine) *sfu.Source {
	t.Helper()
	opus := media.Codec{Name: media.ParseCodecName("opus"), PayloadType: 111, ClockRate: 48000}
	s, err := e.NewSource(sfu.SourceConfig{Tracks: []sfu.TrackConfig{{Kind: media.Audio, Codec: opus}}}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestTargets says where media may be sent to, by default and with settings.
func TestTargets(t *testing.T) {
	e := newEngine(t)
	loopback := sfu.Bind{Addr: netip.MustParseAddr("127.0.0.1")}
	own, err := newSource(t, e).ListenRTP(loopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	shard := e.Stats()[0].Port
	for _, open := range []bool{false, true} {
		r := testRules()
		r.Engine = func() *sfu.Engine { return e }
		r.OwnPorts, r.Multicast, r.LinkLocal = open, open, open
		for _, x := range []struct {
			host       string
			port, rtcp uint16
			denied     string // "" = never
			hard       bool   // whatever the settings say
		}{
			{"127.0.0.1", 9, 0, "", false},
			{"10.1.2.3", 5000, 5001, "", false},
			{"192.168.1.1", 5000, 0, "", false},
			{"2001:db8::1", 5000, 0, "", false},
			{"0.0.0.0", 5000, 0, "unspecified", true},
			{"::", 5000, 0, "unspecified", true},
			{"::ffff:0.0.0.0", 5000, 0, "unspecified", true},
			{"255.255.255.255", 5000, 0, "broadcast", true},
			{"224.0.0.1", 5000, 0, "rtp_forward_multicast", false},
			{"239.1.2.3", 5000, 0, "rtp_forward_multicast", false},
			{"ff02::1", 5000, 0, "rtp_forward_multicast", false},
			{"169.254.169.254", 80, 0, "rtp_forward_link_local", false},
			{"fe80::1", 5000, 0, "rtp_forward_link_local", false},
			{"127.0.0.1", own, 0, "rtp_forward_own_ports", false},
			{"127.0.0.1", 9, own, "rtp_forward_own_ports", false},
			{"127.0.0.2", own, 0, "rtp_forward_own_ports", false},
			{"127.0.0.1", shard, 0, "rtp_forward_own_ports", false},
			{"127.0.0.1", 0, own, "", false}, // nothing is sent there
		} {
			err := r.Resolve(1, &Destination{Host: &Host{Name: x.host}, Port: x.port, RTCPPort: x.rtcp})
			denied := x.denied != "" && (x.hard || !open)
			if denied != (err != nil) || denied && (err.Code != 2 || !strings.Contains(err.Text, x.denied)) {
				t.Errorf("open %v: %s:%d, RTCP %d: %v", open, x.host, x.port, x.rtcp, err)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	e := newEngine(t)
	r := testRules()
	r.Engine = func() *sfu.Engine { return e }
	shared := &Host{Name: "localhost"}
	list := []*Destination{
		{Host: shared}, {Host: shared, Port: 9}, {Host: &Host{Name: "localhost"}, Port: 9}, {Host: &Host{Name: "::1", Network: "ip6"}, Port: 9},
	}
	if err := r.Resolve(1, list...); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1"} {
		if got := list[i].Host.Addr.String(); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	for _, tt := range []struct {
		d    Destination
		want string
	}{
		{Destination{Port: 9}, "1 Missing mandatory element (host)"},
		{Destination{Host: &Host{Name: "no host"}}, "2 Could not resolve address (no host)"},
		{Destination{Host: &Host{}}, "2 Could not resolve address ()"},
		{Destination{Host: &Host{Name: "127.0.0.1", Network: "ip6"}}, "2 Could not resolve address (127.0.0.1)"},
	} {
		if err := r.Resolve(1, &tt.d); err == nil || fmt.Sprint(err.Code, " ", err.Text) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if err := r.Limit(DefaultPolicy.Max); err != nil {
		t.Error(err)
	}
	if err := r.Limit(DefaultPolicy.Max + 1); err == nil || err.Text != "Too many forwarders for one call (64 at most, see rtp_forward_max)" {
		t.Error(err)
	}
	e = newEngine(t)
	e.Close()
	if err := r.Resolve(1, &Destination{Host: shared, Port: 9}); err == nil || err.Code != 3 {
		t.Errorf("without an engine: %v", err)
	}
}

// room is a thing with forwarders of two callers' media, all to one socket.
type room struct {
	t      *testing.T
	engine *sfu.Engine
	source *sfu.Source
	conn   *net.UDPConn
	seq    uint16

	mu   sync.Mutex
	set  Set[string]
	lost []uint32
}

func newRoom(t *testing.T) *room {
	t.Helper()
	x := &room{t: t, engine: newEngine(t)}
	x.source = newSource(t, x.engine)
	var err error
	if x.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.conn.Close() })
	return x
}

func (x *room) start(of string, s Track, d Destination) *Forwarder[string] {
	x.t.Helper()
	to := x.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	d.Host, d.Port = &Host{Name: "h", Addr: to.Addr()}, to.Port()
	s.Origin = x.source
	x.mu.Lock()
	defer x.mu.Unlock()
	f, err := x.set.Start(x.engine, s, d, of, &x.mu, func(f *Forwarder[string]) { x.lost = append(x.lost, f.ID) })
	if err != nil {
		x.t.Fatal(err)
	}
	return f
}

// sends are the SSRC by which one packet of the source goes out, and no other.
func (x *room) sends(want ...uint32) {
	x.t.Helper()
	x.seq++
	b := make([]byte, rtp.FixedHeaderLen, 32)
	rtp.FixedHeader{PayloadType: 111, SequenceNumber: x.seq, Timestamp: uint32(x.seq) * 960, SSRC: 1234}.Put(b)
	x.source.Write(0, 0, append(b, byte(x.seq), 2, 3))
	var got []uint32
	for range want {
		b := make([]byte, 1500)
		_ = x.conn.SetReadDeadline(time.Now().Add(waittest.Patience))
		n, err := x.conn.Read(b)
		var h rtp.Header
		if err != nil || h.Parse(b[:n]) != nil || b[h.HeaderLen] != byte(x.seq) {
			x.t.Fatalf("packet %d, %v: got %x, %v", x.seq, got, b[:n], err)
		}
		got = append(got, h.SSRC)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		x.t.Errorf("packet %d goes by %v, want %v", x.seq, got, want)
	}
}

func TestSet(t *testing.T) {
	x := newRoom(t)
	a := x.start("a", Track{}, Destination{SSRC: 1})
	b := x.start("b", Track{OwnSSRC: true}, Destination{})
	c := x.start("a", Track{OwnSSRC: true}, Destination{SSRC: 3})
	x.start("b", Track{Paused: true}, Destination{SSRC: 4})
	isA := func(of string) bool { return of == "a" }
	if x.set.Len() != 4 || x.set.Find(b.ID) != b || x.set.Find(0) != nil {
		t.Error("the set does not know its forwarders")
	}
	if list := x.set.All(isA); len(list) != 2 || list[0] != a || list[1] != c {
		t.Errorf("those of a: %v", list)
	}
	x.sends(1, b.ID, 3)
	x.set.StopOne(a)
	x.set.StopOne(a) // once more is nothing
	x.sends(b.ID, 3)
	b.SetPaused(true)
	x.sends(3)
	b.SetPaused(false)
	x.sends(b.ID, 3)
	x.set.Stop(isA)
	x.sends(b.ID)
	x.set.StopAll()
	if x.set.Len() != 0 {
		t.Errorf("%d are left", x.set.Len())
	}
	x.start("a", Track{}, Destination{SSRC: 5})
	x.sends(5)
}

// TestSimulcast: with several encodings the best one goes out as one stream, by an
// SSRC of its own.
func TestSimulcast(t *testing.T) {
	x := newRoom(t)
	f := x.start("a", Track{Simulcast: true}, Destination{Best: true})
	x.start("a", Track{}, Destination{Best: true}) // nothing to choose from
	x.sends(f.ID, 1234)
}

// TestLost: what ends by itself is taken out and told, once, and not if it was stopped.
func TestLost(t *testing.T) {
	x := newRoom(t)
	a, b := x.start("a", Track{}, Destination{}), x.start("b", Track{}, Destination{})
	x.mu.Lock()
	x.set.StopOne(b)
	x.mu.Unlock()
	for _, f := range []*Forwarder[string]{a, b, a} {
		x.set.lost(f, &x.mu, func(f *Forwarder[string]) { x.lost = append(x.lost, f.ID) })
	}
	if x.set.Len() != 0 || !slices.Equal(x.lost, []uint32{a.ID}) {
		t.Errorf("told of %v, %d are left", x.lost, x.set.Len())
	}
}

// TestMessages: a forwarder without a stream sends messages alone.
func TestMessages(t *testing.T) {
	x := newRoom(t)
	f := x.start("a", Track{Section: -1}, Destination{})
	f.Message(false, []byte("a line"))
	b := make([]byte, 100)
	_ = x.conn.SetReadDeadline(time.Now().Add(waittest.Patience))
	if n, err := x.conn.Read(b); err != nil || string(b[:n]) != "a line" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

// TestWrite shows forwarders as the plugins do.
func TestWrite(t *testing.T) {
	x := newRoom(t)
	srtp, err := sfu.NewSRTPKey(80, key)
	if err != nil {
		t.Fatal(err)
	}
	plain := x.start("a", Track{OwnSSRC: true}, Destination{})
	full := x.start("a", Track{OwnSSRC: true}, Destination{PayloadType: 96, SSRC: 5, RTCPPort: 9, Encoding: 1, SRTP: srtp})
	text := func(key, value string) func(w *bifjson.Writer) {
		return func(w *bifjson.Writer) { w.Str(key, value) }
	}
	for _, tt := range []struct {
		f    *Forwarder[string]
		form Form
		want string
	}{
		{plain, Form{}, `{"stream_id":ID,"host":"127.0.0.1","port":PORT}`},
		{plain, Form{Host: "ip", PayloadType: "ptype", SSRC: true, Own: text("codec", "opus")},
			`{"stream_id":ID,"ip":"127.0.0.1","port":PORT,"codec":"opus","ssrc":ID}`},
		{full, Form{PayloadType: "ptype", SSRC: true, Own: text("media", "audio")},
			`{"stream_id":ID,"host":"127.0.0.1","port":PORT,"media":"audio","local_rtcp_port":RTCP,"remote_rtcp_port":9,"ptype":96,"ssrc":5,"substream":1,"srtp":true}`},
		{full, Form{Brief: true, Own: text("type", "data")}, `{"stream_id":ID,"host":"127.0.0.1","port":PORT,"type":"data"}`},
	} {
		w := bifjson.NewWriter(nil)
		w.Object("")
		tt.f.Write(w, tt.form)
		w.End()
		want := strings.NewReplacer("ID", fmt.Sprint(tt.f.ID), "PORT", fmt.Sprint(tt.f.Port), "RTCP", fmt.Sprint(tt.f.media.RTCPPort())).Replace(tt.want)
		if got := string(w.Bytes()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestPolicyFile: the settings are those of the category general.
func TestPolicyFile(t *testing.T) {
	f, err := config.Parse("x.jcfg", []byte(`general: { rtp_forward_max = 5, rtp_forward_own_ports = true, rtp_forward_multicast = true, rtp_forward_link_local = true }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	set := struct {
		Policy
		Events bool `cfg:"events"`
	}{Policy: DefaultPolicy}
	if problems := (config.PluginFile{File: f}).General(&set); len(problems) != 0 || set.Policy != (Policy{5, true, true, true}) {
		t.Errorf("%+v, %v", set, problems)
	}
}
