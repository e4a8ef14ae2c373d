package videoroom

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

type dict = map[string]any

// mediaRoom is a plugin with two shards and one room, 1234, for WebRTC clients.
type mediaRoom struct {
	t      *testing.T
	core   *plugintest.Core
	plugin *Plugin
}

func newMediaRoom(t *testing.T) *mediaRoom {
	t.Helper()
	v := &mediaRoom{t: t, plugin: New(t.TempDir())}
	v.core = plugintest.New(t, v.plugin, plugintest.Config{Engine: sfu.Config{Shards: 2}})
	v.attach().request(dict{"request": "create", "room": 1234, "publishers": 10}, nil)
	return v
}

// client is one handle.
type client struct {
	*mediaRoom
	*plugintest.Client
	serial int
}

func (v *mediaRoom) attach() *client {
	v.t.Helper()
	return &client{mediaRoom: v, Client: v.core.Connect(plugintest.Options{Session: 1})}
}

// start sends a message and returns its transaction, and its answer if that comes at once.
func (k *client) start(body dict, j *plugin.JSEP) (string, *plugintest.Event) {
	k.t.Helper()
	k.serial++
	tx := fmt.Sprint(k.serial)
	b, err := json.Marshal(body)
	k.must(err)
	res := k.Message(tx, string(b), j)
	if res.Run == nil {
		return tx, &plugintest.Event{Transaction: tx, Data: string(res.Data) + res.Failure}
	}
	return tx, nil
}

// request sends a message and waits for its event, or its immediate answer.
func (k *client) request(body dict, j *plugin.JSEP) plugintest.Event {
	k.t.Helper()
	tx, e := k.start(body, j)
	if e == nil {
		next := k.Await("answer to "+fmt.Sprint(body), func(e plugintest.Event) bool { return e.Transaction == tx })
		e = &next
	}
	if d := dataOf(*e); d["error_code"] != nil {
		k.t.Fatalf("%v: %v", body, d)
	}
	return *e
}

func kind(name string) func(plugintest.Event) bool {
	return func(e plugintest.Event) bool { return e.Kind == name }
}

// numberOf is an id. In print it has all its digits, other than the float64
// that it comes as.
func numberOf(x any) uint64 {
	f, _ := x.(float64)
	return uint64(f)
}

// idOf is the id in an object.
func idOf(x any) uint64 {
	o, _ := x.(dict)
	return numberOf(o["id"])
}

// dataOf is the data of an event, empty for those of the core.
func dataOf(e plugintest.Event) (d dict) {
	_ = json.Unmarshal([]byte(e.Data), &d)
	return d
}

func (v *mediaRoom) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// sender is a publisher of audio, video and data.
type sender struct {
	*client
	*webrtctest.Peer
	id uint64
}

// join joins the room with an id that the server chooses.
func (v *mediaRoom) join(o webrtctest.Options, display string) *sender {
	v.t.Helper()
	s := &sender{client: v.attach(), Peer: webrtctest.NewReceiver(v.t, o)}
	s.id = idOf(dataOf(s.request(dict{"request": "join", "ptype": "publisher", "room": 1234, "display": display}, nil)))
	return s
}

// send makes a sender whose packets are numbered from base on.
func (v *mediaRoom) send(base uint64) *sender {
	v.t.Helper()
	s := v.join(webrtctest.Options{}, fmt.Sprint("sender ", base))
	s.Audio = s.add(webrtc.MimeTypeOpus, base)
	s.Video = s.add(webrtc.MimeTypeVP8, base)
	s.AddChannel()
	s.publish("publish")
	s.published()
	return s
}

// add makes a track.
func (s *sender) add(mime string, base uint64) *webrtctest.Source {
	id := "video"
	if mime == webrtc.MimeTypeOpus {
		id = "audio"
	}
	x := &webrtctest.Source{Track: s.NewTrack(mime, id, ""), Base: base}
	s.must(s.AddTrack(x.Track, x))
	return x
}

// publish offers what the sender has and takes the answer.
func (s *sender) publish(request string) dict {
	s.t.Helper()
	e := s.request(dict{"request": request}, s.Remote("offer", s.Peer.Offer(nil)))
	s.Accept(e.SDP)
	return dataOf(e)
}

// published waits until one can subscribe, which is a moment after the
// publisher itself is told that it is connected.
func (s *sender) published() {
	s.t.Helper()
	s.Await("webrtcup", kind("webrtcup"))
	other := s.attach()
	defer other.Detach()
	waittest.Until(s.t, "published", func() bool {
		list, _ := dataOf(other.request(dict{"request": "listparticipants", "room": 1234}, nil))["participants"].([]any)
		return slices.ContainsFunc(list, func(x any) bool { return idOf(x) == s.id && x.(dict)["publisher"] == true })
	})
}

// simulcast is a publisher of one video in three encodings, numbered from 0,
// 1000000 and 2000000 on, which it returns.
func (v *mediaRoom) simulcast() (*sender, []*webrtctest.Source) {
	v.t.Helper()
	s := &sender{client: v.attach()}
	s.Peer = webrtctest.NewLayered(v.t, webrtctest.Options{RIDs: []string{"h", "m", "l"}})
	s.id = idOf(dataOf(s.request(dict{"request": "join", "ptype": "publisher", "room": 1234}, nil)))
	layers := slices.Clone(s.Layers)
	slices.Reverse(layers)
	for i, x := range layers {
		x.Base = uint64(i) * 1_000_000
	}
	s.publish("publish")
	s.published()
	return s, layers
}

// play sends a packet or picture of each source every 5 ms until stop.
func (s *sender) play(sources ...*webrtctest.Source) (stop func()) {
	return webrtctest.Keep(s.t, 5*time.Millisecond, func() {
		for _, x := range sources {
			x.Next()
		}
	})
}

// receiver is a subscriber.
type receiver struct {
	*client
	*webrtctest.Peer
	told chan string // "label: text" of data
}

// receive joins with these fields, and waits until the connection is up.
func (v *mediaRoom) receive(fields dict) *receiver {
	v.t.Helper()
	l := &receiver{client: v.attach(), Peer: webrtctest.NewReceiver(v.t, webrtctest.Options{Keep: true}), told: make(chan string, 100)}
	l.PC.OnDataChannel(func(c *webrtc.DataChannel) {
		c.OnMessage(func(m webrtc.DataChannelMessage) {
			l.told <- fmt.Sprintf("%s %v: %s", c.Label(), m.IsString, m.Data)
		})
	})
	body := dict{"request": "join", "ptype": "subscriber", "room": 1234}
	for k, f := range fields {
		body[k] = f
	}
	l.answer(l.request(body, nil))
	waittest.Until(v.t, "the receiver is connected", l.Up) // which may be before the answer to start
	return l
}

// answer answers an offer.
func (l *receiver) answer(e plugintest.Event) {
	l.t.Helper()
	l.request(dict{"request": "start"}, l.Remote("answer", l.Peer.Answer(e.SDP)))
}

// ask sends a request, and answers all offers that come with its event or
// before it.
func (l *receiver) ask(body dict) {
	l.t.Helper()
	tx, _ := l.start(body, nil)
	var offers []plugintest.Event
	l.Await("answer to "+fmt.Sprint(body), func(e plugintest.Event) bool {
		if e.SDP != "" {
			offers = append(offers, e)
		}
		return e.Transaction == tx
	})
	for _, e := range offers {
		l.answer(e)
	}
	l.settle()
}

// settle answers the offers that have come.
func (l *receiver) settle() {
	l.t.Helper()
	for _, e := range l.Events() {
		if e.SDP != "" {
			l.answer(e)
		}
	}
}

// newest is the highest number below a million that came of a kind.
func (l *receiver) newest(video bool) (n uint64) {
	into := l.Heard
	if video {
		into = l.Seen
	}
	for _, a := range into.Arrivals() {
		if a.Number < 1_000_000 {
			n = max(n, a.Number)
		}
	}
	return n
}

// got returns what came on an m-line so far.
func (l *receiver) got(mid string) []webrtctest.Arrival { return l.Line(mid).Arrivals() }

// last is the highest number that came on an m-line.
func (l *receiver) last(mid string) uint64 { return l.Line(mid).Newest() }

// awaitAfter waits until more than number has come.
func (l *receiver) awaitAfter(mid string, number uint64) {
	l.t.Helper()
	waittest.Until(l.t, fmt.Sprintf("packets after %d on m-line %s", number, mid), func() bool { return l.last(mid) > number })
}
