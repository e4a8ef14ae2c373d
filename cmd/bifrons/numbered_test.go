package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// vp8Payload is the payload type that pion gives to VP8.
const vp8Payload = 96

// stampMark is what a numbered payload ends with, before its number.
var stampMark = []byte("numbered")

const stampLen = 16

// stamp ends a payload with a number.
func stamp(payload []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(payload, stampMark...), n)
}

// stamped reads the number back.
func stamped(payload []byte) (n uint64, ok bool) {
	at := len(payload) - stampLen
	if at < 0 || !bytes.HasPrefix(payload[at:], stampMark) {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload[at+len(stampMark):]), true
}

// source sends numbered packets on a track. It is used by one goroutine, but
// for the atomic fields.
type source struct {
	track    *webrtc.TrackLocalStaticRTP
	ids      []extension   // header extensions that every packet carries
	size     int           // bytes of payload in each packet
	base     uint64        // added to the numbers
	keyframe atomic.Bool   // one was asked for
	sent     atomic.Uint64 // number of the last packet, without base

	seq     uint16
	ts      uint32
	picture uint16

	mu   sync.Mutex
	when []time.Time // that the packets were sent
}

type extension struct {
	id    uint8
	value string
}

// write sends one packet. Failures count as losses on the way.
func (s *source) write(payload []byte, marker bool) {
	s.seq++
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, SequenceNumber: s.seq, Timestamp: s.ts},
		Payload: stamp(payload, s.base+s.sent.Add(1)),
	}
	for _, x := range s.ids {
		_ = p.SetExtension(x.id, []byte(x.value))
	}
	s.mu.Lock()
	s.when = append(s.when, time.Now())
	s.mu.Unlock()
	_ = s.track.WriteRTP(p)
}

// sound sends one packet of 20 ms that looks like Opus.
func (s *source) sound() {
	s.ts += 960
	s.write(append(make([]byte, 0, 64), 0xf8, 0xff, 0xfe), s.sent.Load() == 0)
}

// frame sends a VP8 picture of so many packets (RFC 7741), the first one and
// those that were asked for as key frames. every is the time between frames.
func (s *source) frame(packets int, every time.Duration) {
	s.picture++
	s.ts += uint32(every * 90000 / time.Second)
	key := s.keyframe.Swap(false) || s.sent.Load() == 0
	for i := range packets {
		b := vp8(s.picture, i == 0, key)
		b = append(b, make([]byte, max(s.size-len(b)-stampLen, 0))...)
		s.write(b, i == packets-1)
	}
}

// vp8 is the beginning of a packet: the descriptor with a 15-bit picture id, a
// TL0PICIDX and a temporal layer 0, then a frame header in the first packet.
func vp8(picture uint16, first, key bool) []byte {
	start := byte(0x80)
	if first {
		start |= 0x10
	}
	b := []byte{start, 0xe0, 0x80 | byte(picture>>8), byte(picture), byte(picture), 0}
	switch {
	case first && key:
		b = append(b, 0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00)
	case first:
		b = append(b, 0x11, 2, 0, 0, 0, 0, 0, 0, 0, 0)
	default:
		b = append(b, make([]byte, 10)...)
	}
	return b
}

// arrival is one packet that came back.
type arrival struct {
	number uint64
	seq    uint16
	ts     uint32
	ssrc   uint32
	size   int
}

// tally counts numbered packets.
type tally struct {
	mu      sync.Mutex
	times   map[uint64]int
	first   map[uint64]time.Time // arrivals
	highest uint64
	foreign int // packets without a number
	padding int // packets without a payload
	keep    bool
	list    []arrival // in order, if keep is set
}

func newTally() *tally { return &tally{times: map[uint64]int{}, first: map[uint64]time.Time{}} }

func (c *tally) add(p *rtp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := stamped(p.Payload)
	switch {
	case len(p.Payload) == 0:
		c.padding++
	case !ok:
		c.foreign++
	default:
		if c.times[n]++; c.times[n] == 1 {
			c.first[n] = time.Now()
		}
		c.highest = max(c.highest, n)
	}
	if c.keep {
		c.list = append(c.list, arrival{n, p.SequenceNumber, p.Timestamp, p.SSRC, len(p.Payload)})
	}
}

// count is how many different packets came.
func (c *tally) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

// missing is how many of the packets with these numbers did not come.
func (c *tally) missing(first, last uint64) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i <= last; i++ {
		if c.times[i] == 0 {
			n++
		}
	}
	return n
}

// pause is the longest time in which none of these packets came.
func (c *tally) pause(first, last uint64) (longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var times []time.Time
	for i := first; i <= last; i++ {
		if at, ok := c.first[i]; ok {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

// late is how many of these packets of a source took longer than d, or did not
// come at all.
func (c *tally) late(s *source, first, last uint64, d time.Duration) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := first; i <= last; i++ {
		if at, ok := c.first[i]; !ok || at.Sub(s.when[i-1]) > d {
			n++
		}
	}
	return n
}

// newest is the highest number that came.
func (c *tally) newest() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.highest
}

// clean fails the test if a packet came twice, or one that was not sent.
func (c *tally) clean(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, times := range c.times {
		if times > 1 {
			t.Errorf("packet %d came %d times", n, times)
		}
	}
	if c.foreign > 0 {
		t.Errorf("%d packets with another payload", c.foreign)
	}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// gaps are the runs of packets that did not come.
func (c *tally) gaps(first, last uint64) (list [][2]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := first; i <= last; i++ {
		if c.times[i] > 0 {
			continue
		}
		if n := len(list); n > 0 && list[n-1][1] == i-1 {
			list[n-1][1] = i
		} else {
			list = append(list, [2]uint64{i, i})
		}
	}
	return list
}
