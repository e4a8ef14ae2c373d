package sfu

import (
	"os"
	"sync/atomic"
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/plain"
	"bifrons/sfu/playout"
	"bifrons/sfu/record"
	"bifrons/sfu/spare"
)

// MediaReader reads media that is played in real time; see package playout.
type MediaReader = playout.Reader

// Part is media, and the track that it is played to.
type Part = playout.Part

// Player plays parts to a Source. Stop does not wait: their readers are closed soon.
type Player = playout.Player

// DeviceOf is the Part.Device of media in a file.
func DeviceOf(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return record.DeviceOf(info)
}

// Play plays parts to the tracks of a source at the same time, as if they came by its
// ports; their messages go to its handler. The player waits while it is held. It owns the
// readers, whose Next and Close are called by goroutines that may wait for a disk. ended,
// which may be nil, is called once, on a goroutine of its own, when all of it but messages
// was played, with the first error of a reader that was not io.EOF; not after Stop. A reader that
// panics fails the source.
func (e *Engine) Play(to *Source, parts []Part, held bool, ended func(err error)) *Player {
	return e.scheduler.Play(played{to}, parts, held, ended)
}

// played is a Source as the scheduler sees it.
type played struct{ *Source }

// Write takes a packet of a track for the shard, unless that is behind.
func (s played) Write(track int, packet *pktbuf.Buf) bool {
	if packet.N > pktbuf.Size {
		packet.Release()
		return true
	}
	return s.site.feed.add(s.Source, track, packet)
}

// Message takes a message of a track of data.
func (s played) Message(track int, binary bool, payload []byte) {
	own := append([]byte(nil), payload...)
	s.tell(func() { s.handler.SourceData(track, binary, own) })
}

// flushFeeds hands over the packets played at one time.
func (e *Engine) flushFeeds() {
	for _, st := range e.sites {
		st.feed.flush()
	}
}

// stopPlaying stops all players. It waits until nothing of them runs, unless a disk does
// not answer.
func (e *Engine) stopPlaying() {
	e.scheduler.Close()
	idle := make(chan struct{})
	go func() {
		e.playing.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(recordLimit):
		e.log.Error("a file that was played is still being read: the file system does not answer")
	}
}

// maxFed is how much may wait for a shard, in bytes.
const maxFed = 4 << 20

// feed hands packets of sources to their shard, with one command for all that are
// written at one time. add and flush belong to one goroutine.
type feed struct {
	site    *site
	current *batch       // that is written to, nil if nothing was
	waiting atomic.Int64 // bytes of packets that the shard has not taken
	spares  spare.List[*batch]
}

// batch is one command.
type batch struct {
	feed  *feed
	items []fed
	bytes int64
	run   func(now mono.Time) // take, made once

	preloaded uint64
}

// fed is a packet of a batch.
type fed struct {
	to     *Source
	track  int
	packet *pktbuf.Buf
}

// add takes over a packet; false if the shard is behind.
func (f *feed) add(to *Source, track int, packet *pktbuf.Buf) bool {
	b := f.current
	if b == nil {
		b = f.batch()
		f.current = b
	}
	if b.bytes+f.waiting.Load() > maxFed {
		return false
	}
	b.items = append(b.items, fed{to, track, packet})
	b.bytes += int64(packet.N)
	return true
}

// batch is an empty one.
func (f *feed) batch() *batch {
	b, ok := f.spares.Take()
	if !ok {
		b = &batch{feed: f}
		b.run = b.take
	}
	return b
}

// flush posts the added packets.
func (f *feed) flush() {
	b := f.current
	if b == nil {
		return
	}
	f.current = nil
	f.waiting.Add(b.bytes)
	f.site.shard.Post(b.run) // without effect when the shard has ended
}

// take gives the packets to their sources, on the loop.
func (b *batch) take(now mono.Time) {
	ahead := 0
	for rest := b.items; len(rest) > 0; {
		if len(rest)+ahead <= len(b.items) {
			next := rest[:min(len(rest), preloadPackets)]
			b.preloaded += preload(next)
			ahead += len(next)
		}
		n := 1
		for n < len(rest) && rest[n].to == rest[0].to {
			n++
		}
		rest[0].to.takeAll(now, rest[:n])
		rest = rest[n:]
	}
	b.feed.waiting.Add(-b.bytes)
	clear(b.items)
	b.items, b.bytes = b.items[:0], 0
	if cap(b.items) <= maxKept {
		b.feed.spares.Give(b, 1, maxFree)
	}
}

// preloadPackets is how many packets of a batch are read ahead at a time.
const preloadPackets = 16

// preload reads what handling some packets will need, which other processors wrote or no cache has
// kept, so that the waits overlap; see route.Preloader.
func preload(list []fed) (sum uint64) {
	for i := range list {
		sum += uint64(list[i].packet.B[0])
	}
	for step := range plain.PreloadSteps {
		for i := range list {
			if core := list[i].to.core; core != nil { // else making it failed
				sum += core.Preload(step, list[i].track)
			}
		}
	}
	return sum
}

// maxFree is how many empty batches are kept, of which some are needed when the shard is behind,
// and maxKept how large in packets.
const (
	maxFree = 32
	maxKept = 1024
)

// takeAll handles packets that are played, on the loop.
func (s *Source) takeAll(now mono.Time, list []fed) {
	n := 0
	s.stay.Do(func() {
		for n < len(list) {
			it := &list[n]
			n++ // after a panic nobody knows whose the packet is
			if !s.core.HandleRTP(now, it.track, 0, it.packet) {
				it.packet.Release()
			}
		}
	})
	for i := range list[n:] {
		list[n+i].packet.Release()
	}
}

// take handles one packet of an encoding on the loop; it is lent.
func (s *Source) take(now mono.Time, track, encoding int, packet []byte) {
	s.stay.Do(func() {
		buf := s.site.shard.Packet(packet)
		if buf != nil && !s.core.HandleRTP(now, track, encoding, buf) {
			buf.Release()
		}
	})
}
