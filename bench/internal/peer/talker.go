package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"bifrons/api/client"
)

const (
	textPlugin = "janus.plugin.textroom"
	textLabel  = "JanusDataChannel"
)

// Chat is a text room with talkers, and their measurements.
type Chat struct {
	api    *API
	room   int
	engine *webrtc.API
	window Window

	mu      sync.Mutex
	totals  Totals
	talkers []*Talker
}

// NewChat makes a text room. Its talkers have this address.
func (j *Janus) NewChat(ctx context.Context, host string) (*Chat, error) {
	h, err := j.attach(ctx, textPlugin)
	if err != nil {
		return nil, err
	}
	const room = 4711
	if _, err := h.Ask(ctx, client.Object{"request": "create", "room": room}, nil); err != nil {
		return nil, err
	}
	ip := net.ParseIP(host)
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetIPFilter(func(x net.IP) bool { return x.Equal(ip) })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(ip.IsLoopback())
	return &Chat{api: j.API, room: room, engine: webrtc.NewAPI(webrtc.WithSettingEngine(s))}, nil
}

// Open starts a measurement, and Shut ends it.
func (c *Chat) Open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals = Totals{}
	c.window.Open()
}

// Shut ends the measurement.
func (c *Chat) Shut() { c.window.Shut() }

// Totals returns the measurements. Strange are messages that came out of order.
func (c *Chat) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.totals
	t.Trips = slices.Clone(t.Trips)
	return t
}

// Close ends everything.
func (c *Chat) Close() {
	c.mu.Lock()
	talkers := c.talkers
	c.talkers = nil
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, t := range talkers {
		all.Go(t.close)
	}
	all.Wait()
}

// Talker is a pion/webrtc peer with a data channel, in a text room.
type Talker struct {
	chat    *Chat
	id      int
	deaf    bool
	pc      *webrtc.PeerConnection
	channel *webrtc.DataChannel
	joined  chan error
	over    chan struct{} // lets a deaf one end

	serial int // of the messages that it sends
	heard  map[int]int
}

// spoken is the text of a message of a talker.
type spoken struct {
	ID, Serial int
	At         time.Duration
}

// Join adds a talker to the room. One that is deaf reads nothing from then on.
func (c *Chat) Join(ctx context.Context, id int, deaf bool) (*Talker, error) {
	pc, err := c.engine.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	t := &Talker{chat: c, id: id, deaf: deaf, pc: pc, joined: make(chan error, 1), over: make(chan struct{}), heard: make(map[int]int)}
	c.mu.Lock()
	c.talkers = append(c.talkers, t)
	c.mu.Unlock()
	if t.channel, err = t.pc.CreateDataChannel(textLabel, nil); err != nil {
		return nil, err
	}
	t.channel.OnOpen(func() {
		t.say(map[string]any{"textroom": "join", "transaction": "join", "room": c.room, "username": fmt.Sprint(id), "history": false})
	})
	t.channel.OnMessage(func(m webrtc.DataChannelMessage) { t.take(clock(), m.Data) })
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	select {
	case err := <-t.joined:
		return t, err
	case <-ctx.Done():
		return nil, fmt.Errorf("talker %d is not in the room: %w", id, ctx.Err())
	}
}

func (t *Talker) connect(ctx context.Context) error {
	h, err := t.chat.api.attach(ctx, textPlugin)
	if err != nil {
		return err
	}
	offer, err := described(ctx, h, client.Object{"request": "setup"}, nil)
	if err != nil {
		return err
	}
	if err := t.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	answer, err := t.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(t.pc)
	if err := t.pc.SetLocalDescription(answer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err = h.Ask(ctx, client.Object{"request": "ack"}, jsep("answer", t.pc.LocalDescription().SDP))
	return err
}

func (t *Talker) say(m map[string]any) {
	b, _ := json.Marshal(m)
	_ = t.channel.SendText(string(b))
}

// Say says something to all. It is for one goroutine.
func (t *Talker) Say() {
	t.serial++
	text, _ := json.Marshal(spoken{t.id, t.serial, clock()})
	if t.chat.window.has(clock()) {
		t.chat.mu.Lock()
		t.chat.totals.Sent++
		t.chat.mu.Unlock()
	}
	t.say(map[string]any{"textroom": "message", "transaction": "say", "room": t.chat.room, "ack": false, "text": string(text)})
}

// take takes a message, on the association's goroutine.
func (t *Talker) take(now time.Duration, b []byte) {
	if bytes.Contains(b, []byte(`"join"`)) && !bytes.Contains(b, []byte(`"transaction"`)) {
		return // of which there are very many
	}
	var m struct{ Textroom, Transaction, Text, Error string }
	if json.Unmarshal(b, &m) != nil {
		return
	}
	switch {
	case m.Transaction == "join":
		var err error
		if m.Error != "" {
			err = errors.New(m.Error)
		}
		t.joined <- err
		if t.deaf {
			t.channel.OnMessage(func(webrtc.DataChannelMessage) { <-t.over })
		}
	case m.Textroom == "message":
		var s spoken
		if json.Unmarshal([]byte(m.Text), &s) == nil {
			t.hear(now, s)
		}
	}
}

func (t *Talker) hear(now time.Duration, s spoken) {
	last := t.heard[s.ID]
	t.heard[s.ID] = s.Serial
	c := t.chat
	if !c.window.has(s.At) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if last != 0 && s.Serial != last+1 {
		c.totals.Strange++
	}
	c.totals.Received++
	c.totals.Trips = append(c.totals.Trips, now-s.At)
}

func (t *Talker) close() {
	close(t.over)
	_ = t.pc.GracefulClose()
}
