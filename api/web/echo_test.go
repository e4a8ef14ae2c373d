package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/pion/webrtc/v4"

	"bifrons/api/janus"
)

// echoCore is a stand-in for the server: as much of the Janus API as the page
// uses, with pion as the far end of the PeerConnection.
type echoCore struct {
	api *webrtc.API

	mu    sync.Mutex
	next  uint64
	calls map[uint64]*echoCall // by session
	plugs bool                 // the plugin exists
	seen  []map[string]any
}

// echoCall is a session with its only handle.
type echoCall struct {
	conn    janus.Conn
	session uint64
	pc      *webrtc.PeerConnection

	mu      sync.Mutex
	out     *webrtc.TrackLocalStaticRTP
	want    string // rid that is sent back, of a simulcast picture
	current string
	seq     uint16
	shift   uint32
	last    uint32
}

func newEchoCore() *echoCore {
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	return &echoCore{api: webrtc.NewAPI(webrtc.WithSettingEngine(s)), calls: map[uint64]*echoCall{}, plugs: true, next: 100}
}

func (e *echoCore) Poll(session uint64, _, _ string) janus.Code {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls[session] == nil {
		return janus.ErrSessionNotFound
	}
	return 0
}

func (e *echoCore) Gone(conn janus.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.calls, func(_ uint64, c *echoCall) bool {
		if c.conn == conn {
			c.close()
			return true
		}
		return false
	})
}

func (e *echoCore) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		c.close()
	}
}

func (c *echoCall) close() {
	if c.pc != nil {
		go c.pc.Close()
	}
}

func encode(fields map[string]any) []byte {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return text
}

func (e *echoCore) Handle(conn janus.Conn, r janus.Request, reply func([]byte)) {
	var m map[string]any
	if err := json.Unmarshal(r.Body, &m); err != nil {
		reply([]byte(`{"janus":"error","error":{"code":454,"reason":"bad JSON"}}`))
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, m)
	session := r.Session
	if id, ok := m["session_id"].(float64); ok {
		session = uint64(id)
	}
	answer := func(verb string, fields map[string]any) {
		all := map[string]any{"janus": verb, "transaction": m["transaction"]}
		if session != 0 {
			all["session_id"] = session
		}
		maps.Copy(all, fields)
		reply(encode(all))
	}
	call := e.calls[session]
	switch {
	case m["janus"] == "create":
		e.next++
		e.calls[e.next] = &echoCall{conn: conn, session: e.next, want: "h"}
		conn.SessionBound(e.next)
		answer("success", map[string]any{"data": map[string]any{"id": e.next}})
	case call == nil:
		answer("error", map[string]any{"error": map[string]any{"code": 458, "reason": "No such session"}})
	case m["janus"] == "attach" && !e.plugs:
		answer("error", map[string]any{"error": map[string]any{"code": 460, "reason": "No such plugin 'janus.plugin.echotest'"}})
	case m["janus"] == "attach":
		answer("success", map[string]any{"data": map[string]any{"id": session + 1000}})
	case m["janus"] == "destroy":
		delete(e.calls, session)
		call.close()
		conn.SessionOver(session, janus.OverDestroyed)
		answer("success", nil)
	case m["janus"] == "message":
		answer("ack", nil)
		e.message(call, m)
	case m["janus"] == "trickle":
		answer("ack", nil)
		call.trickle(m["candidate"].(map[string]any))
	default:
		answer("ack", nil)
	}
}

func (c *echoCall) event(fields map[string]any, data map[string]any) {
	all := map[string]any{"janus": "event", "session_id": c.session, "sender": c.session + 1000}
	maps.Copy(all, fields)
	if data != nil {
		data["echotest"] = "event"
		all["plugindata"] = map[string]any{"plugin": "janus.plugin.echotest", "data": data}
	}
	c.conn.Deliver(c.session, encode(all))
}

func (e *echoCore) message(c *echoCall, m map[string]any) {
	fields := map[string]any{"transaction": m["transaction"]}
	body := m["body"].(map[string]any)
	if n, ok := body["substream"].(float64); ok {
		c.mu.Lock()
		c.want = "lmh"[int(n) : int(n)+1]
		c.mu.Unlock()
	}
	if jsep, ok := m["jsep"].(map[string]any); ok {
		answer, err := c.answer(e.api, jsep["sdp"].(string))
		if err != nil {
			c.event(fields, map[string]any{"error_code": 414, "error": err.Error()})
			return
		}
		fields["jsep"] = map[string]any{"type": "answer", "sdp": answer}
	}
	c.event(fields, map[string]any{"result": "ok"})
}

func (c *echoCall) trickle(candidate map[string]any) {
	text, _ := candidate["candidate"].(string)
	if text == "" || c.pc == nil {
		return
	}
	mid, _ := candidate["sdpMid"].(string)
	c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMid: &mid})
}

func (c *echoCall) answer(api *webrtc.API, offer string) (string, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	c.pc = pc
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			c.event(map[string]any{"janus": "webrtcup"}, nil)
		}
	})
	pc.OnDataChannel(func(d *webrtc.DataChannel) {
		d.OnMessage(func(m webrtc.DataChannelMessage) { d.SendText("You wrote: " + string(m.Data)) })
	})
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	audio, _ := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "echo")
	video, _ := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "echo")
	for _, t := range []*webrtc.TrackLocalStaticRTP{audio, video} {
		if strings.Contains(offer, "m="+t.Kind().String()) {
			if _, err := pc.AddTrack(t); err != nil {
				return "", err
			}
		}
	}
	c.out = video
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if t.Kind() == webrtc.RTPCodecTypeVideo {
			c.pump(t)
			return
		}
		for {
			p, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			p.Extension, p.Extensions = false, nil
			audio.WriteRTP(p)
		}
	})
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	done := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-done
	return pc.LocalDescription().SDP, nil
}

// pump sends one picture back, or the wanted one of three, changing over at a
// key frame.
func (c *echoCall) pump(t *webrtc.TrackRemote) {
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		c.mu.Lock()
		if rid := t.RID(); rid != c.current {
			if rid == c.want && keyFrame(p.Payload) {
				c.current = rid
				c.shift = c.last + 3000 - p.Timestamp
				go c.event(nil, map[string]any{"videocodec": "vp8", "substream": strings.Index("lmh", rid), "temporal": 1})
			} else {
				if rid == c.want && len(p.Payload) > 0 && c.seq%16 == 0 {
					go c.pc.WriteRTCP(pli(t))
				}
				c.mu.Unlock()
				continue
			}
		}
		c.seq++
		p.SequenceNumber = c.seq
		p.Timestamp += c.shift
		c.last = p.Timestamp
		p.Extension, p.Extensions = false, nil
		c.out.WriteRTP(p)
		c.mu.Unlock()
	}
}

// keyFrame looks at the start of a VP8 payload (RFC 7741, 4.2 and 4.3).
func keyFrame(b []byte) bool {
	if len(b) < 4 || b[0]&0x10 == 0 {
		return false
	}
	n := 1
	if b[0]&0x80 != 0 {
		x := b[1]
		n++
		if x&0x80 != 0 {
			if n++; b[2]&0x80 != 0 {
				n++
			}
		}
		if x&0x40 != 0 {
			n++
		}
		if x&0x30 != 0 {
			n++
		}
	}
	return n < len(b) && b[n]&1 == 0
}

func (e *echoCore) requests(key string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, m := range e.seen {
		if body, ok := m["body"].(map[string]any); ok && body[key] != nil {
			all = append(all, fmt.Sprint(body[key]))
		}
	}
	return all
}
