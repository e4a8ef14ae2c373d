package clip

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"bifrons/rtp"
)

// Source is what a Player plays to; see sfu.Source.
type Source interface {
	// Write takes a packet of an encoding of a track; always the first of the first.
	Write(track, encoding int, packet []byte)
	// Contain is deferred by the goroutine that plays, for its panics.
	Contain(what string)
	// Fail is called when the audio cannot be played any further.
	Fail()
}

// Player plays audio to a source in real time.
type Player struct {
	to    Source
	audio Audio
	pt    uint8
	log   *slog.Logger

	stop    context.CancelFunc
	held    atomic.Bool
	changed chan struct{} // has something when held has changed
	done    chan struct{}
}

const tick = 20 * time.Millisecond

// Play starts a Player, which waits while it is held. It owns the audio.
func Play(to Source, audio Audio, pt uint8, held bool, log *slog.Logger) *Player {
	p := &Player{to: to, audio: audio, pt: pt, log: log, changed: make(chan struct{}, 1), done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.held.Store(held)
	go p.run(ctx)
	return p
}

// Hold makes the player wait, or go on.
func (p *Player) Hold(on bool) {
	p.held.Store(on)
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Stop ends the player and waits for that.
func (p *Player) Stop() {
	p.stop()
	<-p.done
}

func (p *Player) run(ctx context.Context) {
	defer close(p.done)
	defer p.to.Contain("a player")
	defer p.audio.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	packet := make([]byte, rtp.FixedHeaderLen, 1500)
	ssrc := rand.Uint32()
	seq, ts := uint16(1), uint32(0)
	due := time.Now()
	for ctx.Err() == nil {
		if p.held.Load() {
			select {
			case <-p.changed:
			case <-ctx.Done():
			}
			due = time.Now()
			continue
		}
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.changed:
			case <-ctx.Done():
			}
			continue
		}
		payload, err := p.audio.Next()
		if err != nil {
			p.log.Error("playing ended", "error", err)
			p.to.Fail()
			return
		}
		if len(payload) > 0 {
			rtp.FixedHeader{Marker: seq == 1 && ts == 0, PayloadType: p.pt, SequenceNumber: seq, Timestamp: ts, SSRC: ssrc}.Put(packet[:rtp.FixedHeaderLen])
			p.to.Write(0, 0, append(packet[:rtp.FixedHeaderLen], payload...))
			seq++
		}
		ts += p.audio.Step()
		if due = due.Add(tick); time.Since(due) > time.Second {
			due = time.Now() // the machine slept
		}
	}
}
