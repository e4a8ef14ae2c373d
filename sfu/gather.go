package sfu

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/ice/turn"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
)

// gather is the search for a peer's own candidates. The peer's mu guards it.
type gather struct {
	done      chan struct{} // closed when the candidates are final
	site      bool          // those of the shard are
	searching bool          // for a relay
	relayOnly bool
	user      string // for the TURN REST API
	relays    []ice.Candidate
}

const (
	// relayTimeout is how long a relay is looked for on given servers.
	relayTimeout = 5 * time.Second
	// relayStagger is the head start of a server before the next one.
	relayStagger = 500 * time.Millisecond
	// maxServers bounds how many servers are tried for one peer.
	maxServers = 4
)

// Candidates returns the local candidates that are known so far.
func (p *Peer) Candidates() []ice.Candidate {
	p.mu.Lock()
	relays, only := slices.Clone(p.gather.relays), p.gather.relayOnly
	p.mu.Unlock()
	if only {
		return relays
	}
	return append(p.engine.candidates(p.site), relays...)
}

// Gathered is closed when the list of candidates is final. A restart of ICE may
// begin another search, with another channel.
func (p *Peer) Gathered() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gather.done
}

// ForceRelay gives up all local candidates but relayed ones, as PeerConfig's
// RelayOnly does from the start.
func (p *Peer) ForceRelay() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gather.relayOnly {
		return
	}
	p.gather.relayOnly = true
	p.warnWithoutRelay()
	p.do(func(now mono.Time, core *peer.Peer) { core.ForceRelay(now) })
}

// announce reports that the shard's candidates are final.
func (p *Peer) announce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gather.site {
		p.gather.site = true
		p.gathered()
	}
}

// gathered reports the end of gathering, if it is one. p.mu is held.
func (p *Peer) gathered() {
	if !p.gather.site || p.gather.searching {
		return
	}
	close(p.gather.done)
	p.do(func(now mono.Time, core *peer.Peer) { core.Gathered(now) })
	p.push(Event{Kind: EventCandidatesDone})
}

// relaying reports whether there are TURN servers to ask. A lite agent has host
// candidates only (RFC 8445, 2.5).
func (e *Engine) relaying() bool {
	return !e.cfg.Peers.Lite && (e.cfg.TURNServer.Host != "" || e.cfg.TURNServers != nil)
}

func (p *Peer) warnWithoutRelay() {
	if p.gather.relayOnly && !p.engine.relaying() {
		p.engine.log.Warn("a connection is forced to relay, but there is no TURN server, or ICE is lite: it will fail", "peer", p.label)
	}
}

// findRelay begins to look for a relayed candidate, if there is none yet.
func (p *Peer) findRelay() {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.gather
	p.warnWithoutRelay()
	if p.closed || g.searching || len(g.relays) > 0 || !p.engine.relaying() {
		return
	}
	select {
	case <-g.done:
		g.done = make(chan struct{})
	default:
	}
	g.searching = true
	p.engine.pending.Add(1)
	go p.searchRelay(g.user)
}

func (p *Peer) searchRelay(user string) {
	defer p.engine.pending.Done()
	r, err := p.engine.allocate(p.ctx, user, func() { p.site.shard.CountDrop(media.DropSendQueue) })
	if err == nil && !p.addRelay(r) {
		r.Close()
		r.Wait()
	}
	if err != nil && p.ctx.Err() == nil {
		p.engine.log.Warn("no relayed candidate", "peer", p.label, "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gather.searching = false
	p.gathered()
}

// addRelay makes a relay one of the peer's ways. It reports false if it is too
// late for that.
func (p *Peer) addRelay(r *turn.Relay) bool {
	c := ice.Candidate{
		Foundation: "relay", Component: 1, Transport: "udp", Priority: ice.Priority(ice.Relayed, 65535),
		Addr: r.Relayed(), Type: ice.Relayed, Related: r.Base(),
	}
	p.mu.Lock()
	if p.gather.relayOnly {
		c.Related = netip.AddrPortFrom(netip.IPv4Unspecified(), 0) // reveals nothing about us
	}
	p.mu.Unlock()
	p.site.shard.Call(func(now mono.Time) {
		if c.Link = p.site.shard.AddLink(p.core, r); c.Link != 0 {
			p.core.AddLocal(now, c)
			p.site.shard.Touch(p.core)
		}
	})
	if c.Link == 0 {
		return false
	}
	p.mu.Lock()
	p.gather.relays = append(p.gather.relays, c)
	p.push(Event{Kind: EventCandidate, Candidate: c})
	p.mu.Unlock()
	p.engine.log.Debug("relayed candidate", "peer", p.label, "server", r.Server(), "address", r.Relayed())

	p.engine.pending.Add(1)
	go func() {
		defer p.engine.pending.Done()
		err := p.site.pump(c.Link, func(ms []netio.Message) (int, error) {
			n, err := r.Receive(ms)
			if err != nil { // before the peer hears of it: an ICE restart has to look for another one
				p.forgetRelay(c.Link)
			}
			return n, err
		})
		p.forgetRelay(c.Link)
		if p.ctx.Err() == nil {
			p.engine.log.Warn("relay has ended", "peer", p.label, "server", r.Server(), "error", err)
		}
		r.Close()
		r.Wait()
	}()
	return true
}

// forgetRelay takes out a relay that has ended.
func (p *Peer) forgetRelay(link uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gather.relays = slices.DeleteFunc(p.gather.relays, func(o ice.Candidate) bool { return o.Link == link })
}

// allocate gets a relay for a user, from the servers that are asked for it, or
// else from the static one.
func (e *Engine) allocate(ctx context.Context, user string, lost func()) (*turn.Relay, error) {
	var asked error
	if e.cfg.TURNServers != nil {
		list, err := e.cfg.TURNServers(ctx, user)
		if err == nil && len(list) == 0 {
			err = errors.New("the TURN REST API names no server that can be used")
		}
		if err == nil {
			return e.firstRelay(ctx, list[:min(len(list), maxServers)], lost)
		}
		asked = err
	}
	if e.cfg.TURNServer.Host == "" {
		return nil, asked
	}
	if asked != nil && ctx.Err() == nil {
		e.log.Warn("TURN REST API failed, the static server is used", "error", asked)
	}
	return e.firstRelay(ctx, []turn.Server{e.cfg.TURNServer}, lost)
}

// firstRelay asks servers in turn, the next one when one has failed or takes
// long, and returns the first relay.
func (e *Engine) firstRelay(ctx context.Context, servers []turn.Server, lost func()) (*turn.Relay, error) {
	type outcome struct {
		relay *turn.Relay
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	results := make(chan outcome, len(servers))
	stagger := time.NewTicker(relayStagger)
	defer stagger.Stop()
	started, ended := 0, 0
	next := func() {
		if started == len(servers) {
			return
		}
		cfg := turn.Config{Server: servers[started], IPv6: e.cfg.IPv6, RootCAs: e.cfg.TURNRoots, DSCP: e.cfg.DSCP, Lost: lost}
		started++
		go func() {
			r, err := turn.Allocate(ctx, cfg)
			results <- outcome{r, err}
		}()
	}
	next()
	var first *turn.Relay
	var errs []error
	for first == nil && ended < len(servers) {
		select {
		case o := <-results:
			ended++
			if first = o.relay; o.err != nil {
				errs = append(errs, o.err)
				next()
			}
		case <-stagger.C:
			next()
		}
	}
	cancel()
	for ; ended < started; ended++ {
		if o := <-results; o.relay != nil {
			o.relay.Close()
			o.relay.Wait()
		}
	}
	if first == nil {
		return nil, errors.Join(errs...)
	}
	return first, nil
}

// tryTURN finds out whether the static server relays for us.
func (e *Engine) tryTURN() error {
	if e.cfg.Peers.Lite || e.cfg.TURNServer.Host == "" {
		return nil
	}
	r, err := e.firstRelay(context.Background(), []turn.Server{e.cfg.TURNServer}, nil)
	if err != nil {
		return err
	}
	r.Close()
	r.Wait()
	return nil
}
