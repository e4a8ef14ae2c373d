package shard

import (
	"time"

	"bifrons/rtp/mono"
)

// watch is how the shard reads its socket: whenever something comes, or, while
// nobody waits for packets, at intervals. Waking up costs more than most packets
// do, and recordings can wait. Times of arrival are the kernel's meanwhile.
type watch struct {
	awaited  mono.Time     // when something came last that somebody waits for
	since    mono.Time     // of the counts
	looks    int           // that found something
	packets  int           // that they found
	interval time.Duration // of looks, 0 = whenever something comes
}

const (
	// lookEvery is the interval of looks at the socket.
	lookEvery = 20 * time.Millisecond
	// lookLeast is the least that is worth the while.
	lookLeast = time.Millisecond
	// calm is how long nobody waits for anything before looks are at intervals, and
	// how often that is thought over.
	calm = 250 * time.Millisecond
	// packetMemory is the kernel's charge for a datagram, at most, in bytes, and spareMemory
	// the part of its buffer that one interval may fill on average.
	packetMemory = 4096
	spareMemory  = 2
)

// awaited notes that somebody waits for something that came.
func (s *Shard) awaited() {
	s.watch.awaited = s.now
	if s.watch.interval > 0 {
		s.look(0)
	}
}

// look sets the interval of looks.
func (s *Shard) look(every time.Duration) {
	s.watch.interval = every
	s.sock.Moderate(every)
}

// moderate decides how the socket is watched, after a pass with n datagrams.
func (s *Shard) moderate(n int) {
	w := &s.watch
	if s.cfg.RecvBuffer == 0 {
		return
	}
	if n > 0 {
		w.looks++
		w.packets += n
	}
	passed := s.now.Sub(w.since)
	if passed < calm {
		return
	}
	if s.now.Sub(w.awaited) >= calm {
		s.look(s.interval(passed))
	}
	w.since, w.looks, w.packets = s.now, 0, 0
}

// interval is how often to look, if packets come at the rate of the time that has passed.
func (s *Shard) interval(passed time.Duration) time.Duration {
	w := &s.watch
	if w.packets == 0 {
		return 0
	}
	room := s.cfg.RecvBuffer / packetMemory / spareMemory
	every := min(lookEvery, passed*time.Duration(room)/time.Duration(w.packets))
	looks := int(passed / every) // that there would be
	if every < lookLeast || w.interval == 0 && w.looks < 2*looks || w.packets < 2*looks {
		return 0
	}
	return every
}
