package videoroom

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/task"
)

// The others are told of changes that a participant makes to what they see of it
// at once, but not more often than this: after changeBurst of them, one in
// changePeriod with the last values.
const (
	changePeriod = time.Second
	changeBurst  = 5
)

// changes is what the others have not been told yet.
type changes struct {
	name, metadata, streams bool
	timer                   *time.Timer // tells them; nil if there is nothing to tell
	next                    time.Time   // when they may be told again
}

// tellChanges tells the others of what is marked in p.changes, now or later.
// room.mu is held.
func (p *publisher) tellChanges() {
	if p.changes.timer != nil {
		return
	}
	now := time.Now()
	if first := now.Add(-(changeBurst - 1) * changePeriod); p.changes.next.Before(first) {
		p.changes.next = first
	}
	wait := p.changes.next.Sub(now)
	p.changes.next = p.changes.next.Add(changePeriod)
	if wait <= 0 {
		p.flushChanges()
		return
	}
	p.changes.timer = time.AfterFunc(wait, p.changesDue)
}

// changesDue is called by the timer.
func (p *publisher) changesDue() {
	defer task.Contain(p.room.plugin.gw.Logger(), "the news of a participant", nil)
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.changes.timer = nil
	if !p.gone {
		p.flushChanges()
	}
}

// flushChanges tells the others. room.mu is held.
func (p *publisher) flushChanges() {
	c := p.changes
	p.changes.name, p.changes.metadata, p.changes.streams = false, false, false
	if c.name || c.metadata {
		p.room.tellNews("name "+p.id, p, event("event", func(w *json.Writer) {
			p.room.plugin.ids.Write(w, "id", p.id)
			if c.name {
				w.Str("display", p.display)
			}
			if p.metadata != nil {
				w.Raw("metadata", p.metadata)
			}
		}))
	}
	if c.streams && p.up {
		p.announce()
	}
}

// stopChanges forgets what the others were not told. room.mu is held.
func (p *publisher) stopChanges() {
	if p.changes.timer != nil {
		p.changes.timer.Stop()
		p.changes.timer = nil
	}
}
