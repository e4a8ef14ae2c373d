package streaming

import (
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"bifrons/api/schema"
	"bifrons/rtp"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// player plays a clip into a source in real time.
type player struct {
	src  *sfu.Source
	clip *clip
	pt   uint8
	log  *slog.Logger

	mu      sync.Mutex
	held    bool
	closing bool
	changed chan struct{} // has something when held or closing changed
	done    chan struct{}
}

const tick = 20 * time.Millisecond

// play starts a player. It owns the clip, not the source, which fails when there is
// nothing to play any more.
func play(src *sfu.Source, c *clip, pt uint8, held bool, log *slog.Logger) *player {
	p := &player{src: src, clip: c, pt: pt, log: log, held: held,
		changed: make(chan struct{}, 1), done: make(chan struct{})}
	go p.run()
	return p
}

// hold makes the player wait, or go on.
func (p *player) hold(on bool) { p.change(func() { p.held = on }) }

// stop ends the player and waits for that.
func (p *player) stop() {
	p.change(func() { p.closing = true })
	<-p.done
}

// close is stop, and closes the source as well.
func (p *player) close() {
	p.stop()
	p.src.Close()
}

func (p *player) change(f func()) {
	func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
	}()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *player) state() (held, closing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held, p.closing
}

func (p *player) run() {
	defer close(p.done)
	defer p.src.Contain("a player")
	defer p.clip.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	packet := make([]byte, rtp.FixedHeaderLen, 1500)
	ssrc := rand.Uint32()
	seq, ts := uint16(1), uint32(0)
	due := time.Now()
	for {
		held, closing := p.state()
		switch {
		case closing:
			return
		case held:
			<-p.changed
			due = time.Now()
			continue
		}
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.changed:
			}
			continue
		}
		payload, err := p.clip.Next()
		if err != nil {
			p.log.Error("playing ended", "error", err)
			p.src.Fail()
			return
		}
		if len(payload) > 0 {
			rtp.PutHeader(packet[:rtp.FixedHeaderLen], seq == 1 && ts == 0, p.pt, seq, ts, ssrc)
			p.src.Write(0, 0, append(packet[:rtp.FixedHeaderLen], payload...))
			seq++
		}
		ts += p.clip.step
		if due = due.Add(tick); time.Since(due) > time.Second {
			due = time.Now() // the machine slept
		}
	}
}

// openFile opens the file of a new mountpoint, and starts to play it to all viewers
// if it is live.
func (m *mountpoint) openFile() *schema.Error {
	c, err := m.audioFile()
	switch {
	case err != nil:
		return err
	case m.kind == typeOnDemand: // each viewer opens it
		_ = c.Close()
		return nil
	}
	if err := m.openSource(); err != nil {
		_ = c.Close()
		return err
	}
	m.work = m.play(m.src, c, false)
	return nil
}

// audioFile opens the file of a new mountpoint.
func (m *mountpoint) audioFile() (*clip, *schema.Error) {
	c, err := m.openClip()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errorf(errCantCreate, "Can't add '%s' stream, no such file '%s'\n", m.kind, m.filename)
	case err != nil:
		return nil, errorf(errCantCreate, "Can't add '%s' stream, %v", m.kind, err)
	}
	return c, nil
}

func (m *mountpoint) openClip() (*clip, error) {
	return m.plugin.open(m.filename, m.plugin.general.fileFolders)
}

func (m *mountpoint) play(src *sfu.Source, c *clip, held bool) *player {
	return play(src, c, m.streams[0].format.PT, held, m.plugin.gw.Logger().With("mountpoint", m.id, "file", m.filename))
}

// startPlayer makes the player of a viewer with a file of its own, which waits. It
// is made when the viewer can hear all of it, on the shard of the peer, so that
// nothing is played before the subscription is there. p.mu is held.
func (h *handle) startPlayer(peer *sfu.Peer) {
	if h.clip == nil || h.player != nil || !h.up || len(h.lines) == 0 || !h.lines[0].ready {
		return
	}
	m := h.watching
	src, err := m.plugin.gw.Engine().NewSource(sfu.SourceConfig{
		Label: "mountpoint " + m.id, Shard: peer.Shard(),
		Streams: []sfu.Stream{{Kind: media.Audio, Codec: m.streams[0].format.Media(sdp.Audio)}},
	}, own{h})
	if err != nil {
		m.plugin.gw.Logger().Error("no source for a file", "mountpoint", m.id, "error", err)
		return
	}
	h.player = m.play(src, h.clip, true)
}

// own is the source of one viewer with a file of its own as the engine's handler.
type own struct{ h *handle }

// SourceEvent sends the viewer away whose source has failed.
func (o own) SourceEvent(e sfu.Event) {
	if e.Kind != sfu.EventClosed {
		return
	}
	o.h.plugin.mu.Lock()
	defer o.h.plugin.mu.Unlock()
	o.h.pushStatus("stopped")
	o.h.closePeer()
}

// SourceData is never called: there is sound only.
func (own) SourceData(int, bool, []byte) {}
