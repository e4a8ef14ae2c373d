package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"bifrons/sfu/webrtctest"
)

// relay passes datagrams between clients and one address, and loses media on
// the way.
type relay struct {
	conn    *net.UDPConn // the clients' side
	to      *net.UDPAddr
	running sync.WaitGroup

	mu      sync.Mutex
	rate    float64 // of packets that are lost, each way
	random  *rand.Rand
	lost    int
	clients map[netip.AddrPort]*net.UDPConn
}

func newRelay(t testing.TB, to int) *relay {
	t.Helper()
	r := &relay{
		conn: webrtctest.ListenUDP(t, "127.0.0.1"), to: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to},
		random: rand.New(rand.NewPCG(1, uint64(to))), clients: map[netip.AddrPort]*net.UDPConn{},
	}
	r.running.Go(r.fromClients)
	t.Cleanup(func() {
		_ = r.conn.Close()
		r.mu.Lock()
		for _, c := range r.clients {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return r
}

func (r *relay) port() int { return r.conn.LocalAddr().(*net.UDPAddr).Port }

// lose drops this share of the media from now on.
func (r *relay) lose(rate float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate = rate
}

func (r *relay) pass(b []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !webrtctest.IsMedia(b) || r.random.Float64() >= r.rate {
		return true
	}
	r.lost++
	return false
}

func (r *relay) fromClients() {
	b := make([]byte, 2000)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		c, err := r.client(from)
		if err == nil && r.pass(b[:n]) {
			_, _ = c.Write(b[:n])
		}
	}
}

// client is the socket that a client has at the other side.
func (r *relay) client(from netip.AddrPort) (*net.UDPConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.clients[from]; c != nil {
		return c, nil
	}
	c, err := net.DialUDP("udp4", nil, r.to)
	if err != nil {
		return nil, err
	}
	r.clients[from] = c
	r.running.Go(func() {
		b := make([]byte, 2000)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if r.pass(b[:n]) {
				_, _ = r.conn.WriteToUDPAddrPort(b[:n], from)
			}
		}
	})
	return c, nil
}

// relayScript makes a page's peer connections use other ports of the server, and
// does not tell the server theirs.
func relayScript(ports map[int]int) string {
	list, _ := json.Marshal(ports)
	return `(() => {
		const ports = ` + string(list) + `, own = RTCPeerConnection.prototype;
		const moved = text => text?.replace(/(candidate:\S+ \d+ \S+ \d+ \S+) (\d+)/g, (all, head, port) => head + " " + (ports[port] ?? port));
		const { setRemoteDescription, addIceCandidate } = own;
		own.setRemoteDescription = function(d) { return setRemoteDescription.call(this, { type: d.type, sdp: moved(d.sdp) }); };
		own.addIceCandidate = function(c) {
			return c?.candidate ? addIceCandidate.call(this, { candidate: moved(c.candidate), sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex })
				: addIceCandidate.call(this, c);
		};
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function(text) {
			return send.call(this, text.replace(/(candidate:\S+ \d+ \S+ \d+ \S+) \d+/g, "$1 9"));
		};
	})();`
}

// TestBrowserRoomLoss: every twentieth packet is lost on every link, and the
// pictures go on.
func TestBrowserRoomLoss(t *testing.T) {
	c := openConference(t, "videoroomtest.html", "anna", "bert")
	ports := map[int]int{}
	var relays []*relay
	for _, st := range c.server.engine.Stats() {
		r := newRelay(t, int(st.Port))
		relays = append(relays, r)
		ports[int(st.Port)] = r.port()
	}
	for _, p := range c.all {
		p.is("!!window.RTCPeerConnection")
		eval[bool](p.tab, relayScript(ports)+"true")
		p.join()
	}
	c.awaitPictures()
	for _, r := range relays {
		r.lose(0.05)
	}
	for _, p := range c.all {
		p.awaitStats("lost packets that were asked for", func(s stats) bool { return s.In.Video.NACKs > 5 })
		p.checkSmooth()
	}
	if soak() {
		for range 10 {
			for _, p := range c.all {
				p.checkSmooth()
			}
		}
	}
	lost := 0
	for _, r := range relays {
		r.lose(0)
		lost += r.lost
	}
	t.Logf("%d packets were lost", lost)
	if lost == 0 {
		t.Error("no packet was lost, the test tests nothing")
	}
	for _, p := range c.all {
		p.quiet()
	}
}
