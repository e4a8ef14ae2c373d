// Command forwarder is what a pion/webrtc application does to forward: a
// TrackLocalStaticRTP for each track that comes in, which pion writes to all who
// have it. It is there to compare with.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

func main() {
	addr := flag.String("addr", "127.0.0.1", "`address` of media and signalling")
	port := flag.String("port", "8188", "`port` of signalling")
	flag.Parse()
	s := newServer(net.ParseIP(*addr))
	m := http.NewServeMux()
	for path, f := range map[string]func(*http.Request, string) (string, string, error){
		"/publish": s.publish, "/subscribe": s.subscribe, "/answer": s.answer, "/leave": s.leave,
	} {
		m.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			var reply, peer string
			if err == nil {
				reply, peer, err = f(r, string(body))
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("X-Peer", peer)
			_, _ = io.WriteString(w, reply)
		})
	}
	fmt.Fprintln(os.Stderr, http.ListenAndServe(net.JoinHostPort(*addr, *port), m))
	os.Exit(1)
}

type server struct {
	api *webrtc.API

	mu     sync.Mutex
	tracks map[string][]*webrtc.TrackLocalStaticRTP // by room and publisher
	peers  map[string]*webrtc.PeerConnection
	serial int
}

func newServer(host net.IP) *server {
	var s webrtc.SettingEngine
	s.SetIPFilter(func(ip net.IP) bool { return ip.Equal(host) })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(host.IsLoopback())
	return &server{
		api:    webrtc.NewAPI(webrtc.WithSettingEngine(s)),
		tracks: map[string][]*webrtc.TrackLocalStaticRTP{}, peers: map[string]*webrtc.PeerConnection{},
	}
}

func (s *server) add(pc *webrtc.PeerConnection) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	name := strconv.Itoa(s.serial)
	s.peers[name] = pc
	return name
}

// describe sets the local description and returns it with all candidates.
func describe(pc *webrtc.PeerConnection, d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

func (s *server) publish(r *http.Request, offer string) (answer, peer string, err error) {
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", "", err
	}
	peer = s.add(pc)
	key := r.URL.Query().Get("room") + "/" + r.URL.Query().Get("id")
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { s.forward(key, pc, t) })
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", "", err
	}
	d, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", "", err
	}
	answer, err = describe(pc, d)
	return answer, peer, err
}

func (s *server) forward(key string, pc *webrtc.PeerConnection, t *webrtc.TrackRemote) {
	local, err := webrtc.NewTrackLocalStaticRTP(t.Codec().RTPCodecCapability, t.Kind().String(), key)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.tracks[key] = append(s.tracks[key], local)
	s.mu.Unlock()
	if t.Kind() == webrtc.RTPCodecTypeVideo {
		_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
	}
	b := make([]byte, 1500)
	for {
		n, _, err := t.Read(b)
		if err != nil {
			return
		}
		_, _ = local.Write(b[:n])
	}
}

func (s *server) subscribe(r *http.Request, _ string) (offer, peer string, err error) {
	q := r.URL.Query()
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", "", err
	}
	for _, id := range q["id"] {
		s.mu.Lock()
		tracks := s.tracks[q.Get("room")+"/"+id]
		s.mu.Unlock()
		for _, t := range tracks {
			sender, err := pc.AddTrack(t)
			if err != nil {
				return "", "", err
			}
			go func() { // interceptors work on the packets read
				b := make([]byte, 1500)
				for {
					if _, _, err := sender.Read(b); err != nil {
						return
					}
				}
			}()
		}
	}
	d, err := pc.CreateOffer(nil)
	if err != nil {
		return "", "", err
	}
	offer, err = describe(pc, d)
	return offer, s.add(pc), err
}

func (s *server) peer(r *http.Request) (*webrtc.PeerConnection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pc := s.peers[r.URL.Query().Get("peer")]; pc != nil {
		return pc, nil
	}
	return nil, fmt.Errorf("no such peer")
}

func (s *server) answer(r *http.Request, answer string) (string, string, error) {
	pc, err := s.peer(r)
	if err != nil {
		return "", "", err
	}
	return "", "", pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

func (s *server) leave(r *http.Request, _ string) (string, string, error) {
	pc, err := s.peer(r)
	if err != nil {
		return "", "", err
	}
	s.mu.Lock()
	delete(s.peers, r.URL.Query().Get("peer"))
	s.mu.Unlock()
	return "", "", pc.Close()
}
