package replay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/shard"
	"bifrons/sfu/simnet"
)

// Result is the outcome of a replay.
type Result struct {
	Input     *Input
	Outputs   []*Output
	Engine    peer.Counters // of the sender's peer in the engine
	Resends   uint64        // to receivers
	Drops     [media.NumDrops]uint64
	Requested int // sequence numbers that the engine asked the sender for
	Resent    int // how many of them the simulated network brought
}

var errUnknownSSRC = errors.New("a receiver got an SSRC that was not announced")

// settleTime is how long the replay goes on behind the last packet.
const settleTime = time.Second

// world is the engine and everybody around it.
type world struct {
	net       *simnet.Network
	shards    [2]*shard.Shard
	ports     [2]*simnet.Port
	sender    *peer.Peer // the sender's peer in the engine
	source    *source
	receivers []*receiver
	peers     []*peer.Peer // of the receivers
	in        *Input
	serial    uint64
}

// Play plays a capture to the receivers of its description.
func Play(d *Description, list []Datagram) (*Result, error) {
	in, err := d.Prepare(list)
	if err != nil {
		return nil, err
	}
	w := newWorld(in)
	if err := w.addSender(d.Network); err != nil {
		return nil, err
	}
	receivers := d.Receivers
	if len(receivers) == 0 {
		receivers = d.DefaultReceivers(in)
	}
	for _, r := range receivers {
		if err := w.addReceiver(r); err != nil {
			return nil, fmt.Errorf("receiver %s: %w", r.Name, err)
		}
	}
	w.run()
	return w.finish()
}

// newWorld makes two shards of one engine.
func newWorld(in *Input) *world {
	w := &world{net: simnet.New(1), in: in}
	opt := peer.DefaultOptions()
	for i := range w.shards {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(5000+i))
		w.ports[i] = w.net.Open(addr, simnet.Conditions{})
		w.shards[i] = shard.New(shard.Config{
			Socket: w.ports[i], Options: &opt, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Random: filler(4, uint64(i)),
		})
		w.ports[i].Attach(w.shards[i])
		w.shards[i].Inject(w.net.Now, nil)
	}
	return w
}

// join connects a client with a new peer on a shard.
func (w *world) join(sh int, profile srtp.Profile, link simnet.Conditions, h *host) (*client, *peer.Peer, error) {
	w.serial++
	random := filler(5, w.serial)
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(w.serial)}), 6000)
	c := newClient(w.net, addr, w.ports[sh].Addr, link, random)
	creds := ice.NewCredentials(random)
	p := w.shards[sh].Add(peer.Config{ICE: creds, Candidates: []ice.Candidate{candidate(w.ports[sh].Addr)}}, h)
	if p == nil {
		return nil, nil, errors.New("the engine refused a peer")
	}
	k := srtp.Keys{
		Profile: profile, LocalKey: make([]byte, profile.KeyLen()), LocalSalt: make([]byte, profile.SaltLen()),
		RemoteKey: make([]byte, profile.KeyLen()), RemoteSalt: make([]byte, profile.SaltLen()),
	}
	for _, b := range [][]byte{k.LocalKey, k.LocalSalt, k.RemoteKey, k.RemoteSalt} {
		random(b)
	}
	p.SetRemote(w.net.Now, peer.Remote{ICE: c.creds})
	p.AddCandidate(w.net.Now, candidate(addr))
	w.shards[sh].Touch(p)
	c.connect(w.net.Now, creds)
	w.net.RunFor(time.Second)
	p.DTLSConnected(w.net.Now, k)
	w.shards[sh].Touch(p)
	k.LocalKey, k.RemoteKey = k.RemoteKey, k.LocalKey
	k.LocalSalt, k.RemoteSalt = k.RemoteSalt, k.LocalSalt
	if !p.Up() {
		return nil, nil, errors.New("the connection did not come up")
	}
	return c, p, c.setKeys(k)
}

func (w *world) addSender(network *Network) error {
	c, p, err := w.join(0, srtp.AEADAES128GCM, simnet.Conditions{}, &host{})
	if err != nil {
		return err
	}
	w.sender = p
	w.source = newSource(w.net, c, w.shards[0], w.in, network)
	sections := slices.Clone(w.in.sections)
	for i := range sections {
		sections[i].SSRC = uint32(100 + i)
	}
	p.SetSections(w.net.Now, sections)
	w.shards[0].Touch(p)
	return nil
}

func (w *world) addReceiver(spec Receiver) error {
	link := simnet.Conditions{Delay: spec.delay()}
	profile, _ := parseProfile(spec.Profile)
	h := new(host)
	c, p, err := w.join(spec.Shard, profile, link, h)
	if err != nil {
		return err
	}
	sections := make([]media.Section, len(w.in.sections))
	for i, s := range w.in.sections {
		s.Receive, s.Send, s.Encodings, s.Simulcast, s.SVC = false, true, nil, false, false
		s.Codecs = slices.Clone(s.Codecs)
		s.NACK = true
		s.SSRC = uint32(w.serial)<<16 + uint32(i)<<8 + 1
		s.RTXSSRC = 0
		for k := range s.Codecs {
			if spec.NoRTX {
				s.Codecs[k].RTX = 0
			}
			if s.Codecs[k].RTX != 0 {
				s.RTXSSRC = s.SSRC + 1
			}
		}
		sections[i] = s
	}
	r := newReceiver(c, spec, sections, w.serial, func() mono.Time { return w.net.Now })
	h.receiver = r
	p.SetSections(w.net.Now, sections)
	w.shards[spec.Shard].Touch(p)
	w.receivers, w.peers = append(w.receivers, r), append(w.peers, p)
	return nil
}

// action is something that happens at a time of the capture.
type action struct {
	at time.Duration
	do func(now mono.Time)
}

// run plays everything.
func (w *world) run() {
	var plan []action
	for i, r := range w.receivers {
		p, sh := w.peers[i], w.shards[r.out.Receiver.Shard]
		add := func(ms int, do func(now mono.Time, s *route.Subscription)) {
			plan = append(plan, action{time.Duration(ms) * time.Millisecond, func(mono.Time) {
				sh.Post(func(now mono.Time) {
					for k := range w.in.sections {
						do(now, p.Subscription(k))
					}
					sh.Touch(p)
				})
			}})
		}
		for _, step := range r.out.Receiver.Steps {
			add(step.AtMS, func(now mono.Time, s *route.Subscription) { s.SetTarget(now, step.layer(), 0) })
		}
		plan = append(plan, action{time.Duration(r.out.Receiver.JoinMS) * time.Millisecond, func(mono.Time) { w.subscribe(p, sh) }})
	}
	slices.SortStableFunc(plan, func(a, b action) int { return int(a.at - b.at) })
	begin := (w.net.Now + tickLength - 1) / tickLength * tickLength
	for _, r := range w.receivers {
		r.begin = begin
	}
	w.source.start(begin)
	for _, a := range plan {
		w.net.Run(max(begin.Add(a.at)-1, w.net.Now))
		a.do(w.net.Now)
		w.settle()
	}
	w.net.Run(max(begin.Add(w.in.Length+settleTime+4*w.source.delay()), w.net.Now))
}

// subscribe lets a peer receive all sections of the sender.
func (w *world) subscribe(p *peer.Peer, sh *shard.Shard) {
	w.shards[0].Post(func(now mono.Time) {
		for i := range w.in.sections {
			t := w.sender.Track(i)
			if sh == w.shards[0] {
				p.Subscription(i).Attach(now, t)
				continue
			}
			w.shards[0].Subscribe(t, sh, func(now mono.Time, t *route.Track) { p.Subscription(i).Attach(now, t) })
		}
	})
}

// settle lets both shards run their mailboxes, and the commands they post to each other.
func (w *world) settle() {
	for range 3 {
		for _, s := range w.shards {
			s.Inject(w.net.Now, nil)
		}
	}
}

// finish ends everything and collects the results.
func (w *world) finish() (*Result, error) {
	res := &Result{Input: w.in, Engine: w.sender.Counters(), Requested: w.source.asked, Resent: w.source.resent}
	err := w.source.err
	for i, r := range w.receivers {
		r.out.Digest = hex.EncodeToString(r.digest.Sum(nil)[:16])
		res.Outputs = append(res.Outputs, r.out)
		if r.err != nil {
			err = errors.Join(err, fmt.Errorf("receiver %s: %w", r.out.Receiver.Name, r.err))
		}
		p, sh := w.peers[i], w.shards[r.out.Receiver.Shard]
		res.Resends += p.Counters().Retransmitted
		p.Close(w.net.Now, "")
		sh.Touch(p)
	}
	w.sender.Close(w.net.Now, "")
	w.shards[0].Touch(w.sender)
	w.settle()
	for i, s := range w.shards {
		if n := s.Outstanding(); n != 0 {
			err = errors.Join(err, fmt.Errorf("shard %d: %d packet buffers were not given back", i, n))
		}
		for k, n := range s.Stats().Drops {
			res.Drops[k] += n
		}
	}
	return res, err
}
