package peer

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/ice/v4"
	"github.com/pion/srtp/v3"
)

// light is a peer of pion/ice, pion/dtls and pion/srtp without what lies above
// them: it must cost little beside the server that shares the machine.
type light struct {
	o       Options
	udp     *net.UDPConn
	server  netip.AddrPort
	mux     *ice.UDPMuxDefault
	agent   *ice.Agent
	dtls    *dtls.Conn
	profile string
	counts  *Counts

	listener     bool // sends no media
	out          *srtp.Context
	audio, video *stream
	camera       *camera
	microphone   *microphone
	transportSeq uint16
	plain, spare []byte

	inbound
}

// certificate is shared by all peers of the process.
var certificate = sync.OnceValues(selfsign.GenerateSelfSigned)

func fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// DialLight connects a light peer.
func DialLight(ctx context.Context, api *API, o Options) (Peer, error) {
	return dialLight(ctx, o, o.ID, func(ctx context.Context, l local) (remote, error) {
		answer, err := api.Echo(ctx, l.offer("sendrecv"))
		if err != nil {
			return remote{}, err
		}
		return parseRemote(answer)
	})
}

// exchange trades descriptions with the server.
type exchange func(ctx context.Context, l local) (remote, error)

// dialLight connects a light peer that counts what the peer source sends.
func dialLight(ctx context.Context, o Options, source uint32, trade exchange) (_ Peer, err error) {
	p := &light{
		o: o, counts: newCounts(o.window),
		camera: newCamera(o.Media, uint64(o.ID)), microphone: newMicrophone(o.Media),
		plain: make([]byte, 0, 2048), spare: make([]byte, 2048),
	}
	p.inbound.init(p.counts, source)
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	if err := p.gather(ctx); err != nil {
		return nil, err
	}
	server, err := p.negotiate(ctx, trade, fingerprint(cert))
	if err != nil {
		return nil, err
	}
	conn, err := p.connect(ctx, server)
	if err != nil {
		return nil, err
	}
	if err := p.handshake(ctx, conn, server, cert); err != nil {
		return nil, err
	}
	return p, nil
}

// gather opens the socket and the ICE agent on it.
func (p *light) gather(ctx context.Context) (err error) {
	p.udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(p.o.Host)})
	if err != nil {
		return err
	}
	_ = p.udp.SetReadBuffer(1 << 20) // or what the system allows
	p.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: &filter{udp: p.udp, media: p.inbound.take}})
	opts := []ice.AgentOption{
		ice.WithUDPMux(p.mux),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithHostAcceptanceMinWait(0),
		// Media does not pass the agent, so it must not wait for any.
		ice.WithDisconnectedTimeout(0), ice.WithFailedTimeout(0),
	}
	if host := net.ParseIP(p.o.Host); host.IsLoopback() {
		opts = append(opts, ice.WithIncludeLoopback())
	}
	if p.agent, err = ice.NewAgentWithOptions(opts...); err != nil {
		return err
	}
	done := make(chan struct{})
	if err := p.agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(done)
		}
	}); err != nil {
		return err
	}
	if err := p.agent.GatherCandidates(); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *light) negotiate(ctx context.Context, trade exchange, fingerprint string) (remote, error) {
	p.audio = newStream(audioType, p.o.ID<<8|1, 48000/max(p.o.Media.AudioPPS, 1))
	p.video = newStream(videoType, p.o.ID<<8|2, 90000/max(p.o.Media.VideoFPS, 1))
	l := local{setup: "actpass", fingerprint: fingerprint, audioSSRC: p.audio.ssrc, videoSSRC: p.video.ssrc}
	if p.o.Client {
		l.setup = "active"
	}
	var err error
	if l.ufrag, l.pwd, err = p.agent.GetLocalUserCredentials(); err != nil {
		return remote{}, err
	}
	candidates, err := p.agent.GetLocalCandidates()
	if err != nil {
		return remote{}, err
	}
	for _, c := range candidates {
		l.candidates = append(l.candidates, c.Marshal())
	}
	return trade(ctx, l)
}

// connect finds the path to the server.
func (p *light) connect(ctx context.Context, r remote) (*ice.Conn, error) {
	for _, text := range r.candidates {
		c, err := ice.UnmarshalCandidate(text)
		if err != nil {
			return nil, err
		}
		if c.NetworkType() != ice.NetworkTypeUDP4 {
			continue
		}
		if err := p.agent.AddRemoteCandidate(c); err != nil {
			return nil, err
		}
	}
	start := p.agent.Dial
	if r.offered {
		start = p.agent.Accept
	}
	conn, err := start(ctx, r.ufrag, r.pwd)
	if err != nil {
		return nil, err
	}
	pair, err := p.agent.GetSelectedCandidatePair()
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(pair.Remote.Address())
	if err != nil {
		return nil, err
	}
	p.server = netip.AddrPortFrom(addr, uint16(pair.Remote.Port()))
	return conn, nil
}

// handshake does DTLS and takes the SRTP keys from it (RFC 5764).
func (p *light) handshake(ctx context.Context, conn *ice.Conn, r remote, cert tls.Certificate) error {
	profiles, err := profileList(p.o.Profiles)
	if err != nil {
		return err
	}
	common := []dtls.Option{
		dtls.WithCertificates(cert),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true),
	}
	if r.active {
		opts := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
		for _, o := range common {
			opts = append(opts, o)
		}
		p.dtls, err = dtls.ServerWithOptions(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(), opts...)
	} else {
		var opts []dtls.ClientOption
		for _, o := range common {
			opts = append(opts, o)
		}
		p.dtls, err = dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(), opts...)
	}
	if err != nil {
		return err
	}
	if err := p.dtls.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return p.key(r)
}

func (p *light) key(r remote) error {
	chosen, ok := p.dtls.SelectedSRTPProtectionProfile()
	if !ok {
		return fmt.Errorf("no SRTP profile was negotiated")
	}
	p.profile = profileName(chosen)
	state, ok := p.dtls.ConnectionState()
	if !ok {
		return fmt.Errorf("no keys can be exported")
	}
	c := srtp.Config{Profile: srtp.ProtectionProfile(chosen)}
	if err := c.ExtractSessionKeysFromDTLS(&state, !r.active); err != nil {
		return err
	}
	k := c.Keys
	var err error
	if p.out, err = srtp.CreateContext(k.LocalMasterKey, k.LocalMasterSalt, c.Profile); err != nil {
		return err
	}
	in, err := srtp.CreateContext(k.RemoteMasterKey, k.RemoteMasterSalt, c.Profile)
	if err != nil {
		return err
	}
	p.audio.use(r.audioExts)
	p.video.use(r.extensions)
	p.inbound.open(in)
	return nil
}

// Profile implements Peer.
func (p *light) Profile() string { return p.profile }

// Counts implements Peer.
func (p *light) Counts() *Counts { return p.counts }

// Close implements Peer.
func (p *light) Close() {
	if p.dtls != nil {
		_ = p.dtls.Close()
	}
	if p.agent != nil {
		_ = p.agent.Close()
	}
	if p.mux != nil {
		_ = p.mux.Close() // before the socket, whose end it would complain about
	}
	if p.udp != nil {
		_ = p.udp.Close()
	}
}
