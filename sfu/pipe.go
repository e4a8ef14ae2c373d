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

// PipePacket is one packet, or another item of a Pipe; see package pipe.
type PipePacket = pipe.Packet

// Pipe starts to take the best layers of an origin's track. It does not wait for the
// shard; if that has ended, so has the pipe.
func (e *Engine) Pipe(o Origin, track int) *Pipe {
	return openPipe(o, track, pipeConfig{size: pipe.Size})
}

// pipeConfig are the settings of a pipe.
type pipeConfig struct {
	size    int  // packets that it has room for
	paused  bool // it waits for SetPaused
	lowest  bool // the lowest encoding is taken instead of the best
	patient bool // the consumer does not mind if packets come some ms later
}

// openPipe is Engine.Pipe for other pipes.
func openPipe(o Origin, track int, c pipeConfig) *Pipe {
	st := o.home()
	p := &Pipe{Pipe: pipe.New(c.size, st.shard.CountDrop), site: st}
	if !st.shard.Post(func(now mono.Time) {
		p.Pipe.SetPaused(now, c.paused)
		if c.lowest {
			p.TakeLowest(now)
		}
		if c.patient {
			p.Patient()
		}
		if t := o.track(track); t != nil {
			p.Attach(now, t)
		}
	}) {
		p.Abandon()
	}
	return p
}

// SetPaused stops or resumes it. Numbers and timestamps continue.
func (p *Pipe) SetPaused(paused bool) {
	p.site.shard.Post(func(now mono.Time) { p.Pipe.SetPaused(now, paused) })
}

// RequestKeyframe asks for a key frame.
func (p *Pipe) RequestKeyframe() {
	p.site.shard.Post(func(now mono.Time) { p.Pipe.RequestKeyframe(now) })
}

// Close ends it. Waiting packets can still be taken.
func (p *Pipe) Close() {
	if !p.site.shard.Post(func(now mono.Time) { p.Cut(now) }) {
		p.Abandon()
	}
}
