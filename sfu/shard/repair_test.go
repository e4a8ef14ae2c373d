package shard

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
)

// asker is a viewer whose line has shown its limit of late, and is free now; it asks for packets
// as a test wants.
type asker struct {
	*viewing
	t       *testing.T
	numbers []uint16             // of the camera's packets
	again   map[uint16]mono.Time // that were sent again
	bytes   int                  // of those
}

func newAsker(t *testing.T) *asker {
	t.Helper()
	sections := func(mine, theirs uint32) []media.Section { return []media.Section{videoSection(mine, theirs, true)} }
	a := &asker{viewing: newViewingAs(t, 11, true, viewingLine, sections, 520e3), t: t, again: map[uint16]mono.Time{}}
	a.camera.track.Ask = nil
	a.line(5e6)
	a.run(5 * time.Second)
	a.line(400e3)
	a.run(2 * time.Second)
	a.line(5e6)
	a.run(10 * time.Second)
	a.net.Sniff = func(from, _ netip.AddrPort, b []byte) {
		var h rtp.Header
		if from != a.server.port.Addr || !isRTP(b) || h.Parse(b) != nil {
			return
		}
		switch h.SSRC {
		case 200:
			a.numbers = append(a.numbers, h.SequenceNumber)
		case 201:
			if seq := binary.BigEndian.Uint16(b[h.HeaderLen:]); a.again[seq] == 0 {
				a.again[seq] = a.net.Now
				a.bytes += len(b)
			}
		}
	}
	a.run(time.Second)
	return a
}

func (a *asker) ask(numbers []uint16) {
	b := rtcp.AppendNACK(nil, rtcp.Ends{Sender: 100, Media: 200}, numbers)
	a.server.shard.Inject(a.net.Now, []netio.Message{{Buf: b, N: len(b), Remote: a.client.port.Addr, Local: a.server.port.Addr.Addr()}})
}

// TestRepairsOfShortLine: on a line that has shown its limit a viewer gets repairs as fast as is
// allowed, whether it asks again and again or once.
func TestRepairsOfShortLine(t *testing.T) {
	for _, times := range []int{300, 1} {
		a := newAsker(t)
		const packets = 20
		lost := slices.Clone(a.numbers[len(a.numbers)-packets:])
		clear(a.again)
		a.bytes = 0
		begun, target := a.net.Now, a.server.core.Snapshot(a.net.Now).Line.Target
		for i := range 300 {
			if i < times {
				a.ask(slices.DeleteFunc(slices.Clone(lost), func(seq uint16) bool { return a.again[seq] != 0 }))
			}
			if a.run(a.camera.every); len(a.again) >= packets {
				break
			}
		}
		var last mono.Time
		for _, seq := range lost {
			if a.again[seq] == 0 {
				t.Errorf("asked %d times: %d did not come", times, seq)
			}
			last = max(last, a.again[seq])
		}
		took, allowed := last.Sub(begun), float64(target)/4 // and half a second of that at once
		if took.Seconds() > 0.85*float64(a.bytes)*8/allowed {
			t.Errorf("asked %d times: %d bytes took %v at %.0f bit/s", times, a.bytes, took, allowed)
		}
	}
}

// TestPastRepair: who needs packets that nobody has any more is sent a key frame before it asks
// for that, unless it needs them no more.
func TestPastRepair(t *testing.T) {
	a := newAsker(t)
	var asked []mono.Time
	a.camera.track.Keyframe = func(now mono.Time) { asked = append(asked, now) }
	old := slices.Clone(a.numbers[:5])
	a.run(3 * time.Second)
	for range 50 {
		a.ask(old)
		a.run(a.camera.every)
	}
	if n := len(asked); n < 1 || n > 2 {
		t.Errorf("a key frame was asked for %d times in 1.6 s", n)
	}
	a.camera.asked = a.net.Now
	a.run(time.Second)
	asked = nil
	for range 50 {
		a.ask(old)
		a.run(a.camera.every)
	}
	if len(asked) > 0 {
		t.Errorf("a key frame was asked for at %v, for packets before the last one", asked)
	}
	// A number that the publisher's packet has not come for yet is no reason either.
	a.camera.seq[0]++
	a.run(100 * time.Millisecond)
	hole := a.numbers[0]
	for i, seq := range a.numbers[1:] {
		if seq != a.numbers[i]+1 {
			hole = seq - 1
		}
	}
	if hole == a.numbers[0] {
		t.Fatal("no number was left out")
	}
	for range 20 {
		a.ask([]uint16{hole})
		a.run(a.camera.every)
	}
	if len(asked) > 0 {
		t.Errorf("a key frame was asked for at %v, for a packet that has not come yet", asked)
	}
	if a.server.drops(media.DropResend) > 0 {
		t.Errorf("%d requests were refused", a.server.drops(media.DropResend))
	}
}
