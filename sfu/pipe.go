package sfu

import (
	"bifrons/rtp/mono"
	"bifrons/sfu/pipe"
)

// Pipe takes the packets of a track of an origin to a goroutine of its user, the
// consumer; see package pipe.
type Pipe struct {
	*pipe.Pipe
	site *site
}

// PipePacket is one packet, or what else a Pipe has; see package pipe.
type PipePacket = pipe.Packet

// Pipe starts to take the best layers of an origin's track. It does not wait for the
// shard; if that has ended, so has the pipe.
func (e *Engine) Pipe(o Origin, track int) *Pipe { return openPipe(o, track, pipe.Size, false, false) }

// openPipe is Engine.Pipe, with room for so many packets; a pipe that is paused waits for
// SetPaused, and the lowest encoding may be taken instead of the best.
func openPipe(o Origin, track, size int, paused, lowest bool) *Pipe {
	st := o.home()
	p := &Pipe{Pipe: pipe.New(size, st.shard.CountDrop), site: st}
	if !st.shard.Post(func(now mono.Time) {
		p.Pipe.SetPaused(now, paused)
		if lowest {
			p.TakeLowest(now)
		}
		if t := o.track(track); t != nil {
			p.Attach(now, t)
		}
	}) {
		p.Abandon()
	}
	return p
}

// SetPaused stops or resumes it. Numbers and timestamps go on.
func (p *Pipe) SetPaused(paused bool) {
	p.site.shard.Post(func(now mono.Time) { p.Pipe.SetPaused(now, paused) })
}

// RequestKeyframe asks for a key frame.
func (p *Pipe) RequestKeyframe() {
	p.site.shard.Post(func(now mono.Time) { p.Pipe.RequestKeyframe(now) })
}

// Close ends it. What waits can still be taken.
func (p *Pipe) Close() {
	if !p.site.shard.Post(func(now mono.Time) { p.Cut(now) }) {
		p.Abandon()
	}
}
