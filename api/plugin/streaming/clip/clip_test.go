package clip

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// reel is a Source that notes what is played to it.
type reel struct {
	start   time.Time
	at      []time.Duration
	packets [][]byte
	failed  chan string
}

func newReel() *reel { return &reel{start: time.Now(), failed: make(chan string, 1)} }

func (r *reel) Write(track, encoding int, packet []byte) {
	if track != 0 || encoding != 0 {
		panic("another track")
	}
	r.at = append(r.at, time.Since(r.start))
	r.packets = append(r.packets, slices.Clone(packet))
}

func (r *reel) Contain(string) {
	if recover() != nil {
		r.failed <- "panic"
	}
}

func (r *reel) Fail() { r.failed <- "fail" }

// song is audio whose payloads count, with a pause at 2.
type song struct {
	n      byte
	most   byte
	closed bool
}

func (s *song) Next() ([]byte, error) {
	s.n++
	switch {
	case s.n == 2:
		return nil, nil
	case s.n == s.most && s.most%2 == 0:
		panic("test")
	case s.n == s.most:
		return nil, errors.New("torn")
	}
	return []byte{s.n}, nil
}

func (s *song) Step() uint32 { return 160 }

func (s *song) Close() error {
	s.closed = true
	return nil
}

// A player sends 20 ms of audio every 20 ms, in numbers without a gap, and nothing
// while it is held.
func TestPlayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newReel(), &song{most: 255}
		p := Play(r, s, 8, true, slog.New(slog.DiscardHandler))
		time.Sleep(time.Second)
		p.Hold(false)
		time.Sleep(70 * time.Millisecond)
		p.Hold(true)
		time.Sleep(time.Minute)
		p.Hold(false)
		time.Sleep(10 * time.Millisecond)
		p.Stop()
		const ms = time.Millisecond
		if want := []time.Duration{1000 * ms, 1040 * ms, 1060 * ms, 61070 * ms}; !slices.Equal(r.at, want) {
			t.Errorf("played at %v", r.at)
		}
		for i, ts := range []uint32{0, 320, 480, 640} {
			b := r.packets[i]
			if pt := b[1] & 0x7f; pt != 8 || b[1]&0x80 != 0 != (i == 0) || binary.BigEndian.Uint16(b[2:]) != uint16(i+1) || binary.BigEndian.Uint32(b[4:]) != ts {
				t.Errorf("packet %d: %x", i, b)
			}
		}
		if !s.closed {
			t.Error("the audio is not closed")
		}
	})
}

// Audio that cannot be read any further, or panics, ends the player and fails the source.
func TestPlayerFails(t *testing.T) {
	for most, want := range map[byte]string{5: "fail", 6: "panic"} {
		synctest.Test(t, func(t *testing.T) {
			r, s := newReel(), &song{most: most}
			p := Play(r, s, 8, false, slog.New(slog.DiscardHandler))
			if got := <-r.failed; got != want {
				t.Errorf("the source has heard of %s", got)
			}
			p.Stop()
			if !s.closed || len(r.packets) != int(most)-2 {
				t.Errorf("closed: %v, %d packets", s.closed, len(r.packets))
			}
		})
	}
}

// page is a page of an Ogg stream (RFC 3533, 6) with one packet.
func page(seq uint32, packet string) []byte {
	b := append([]byte("OggS"), make([]byte, 22)...)
	if seq == 0 {
		b[5] = 2 // the first one of the stream
	}
	binary.LittleEndian.PutUint32(b[18:], seq)
	b = append(b, 1, byte(len(packet)))
	b = append(b, packet...)
	var crc uint32
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			carry := crc >> 31
			crc = crc<<1 ^ carry*0x04c11db7
		}
	}
	binary.LittleEndian.PutUint32(b[22:], crc)
	return b
}

// A file is played in a loop, from the first piece of audio on.
func TestFile(t *testing.T) {
	g711 := make([]byte, 400)
	for i := range g711 {
		g711[i] = byte(i / 160)
	}
	var opus []byte
	for i, packet := range []string{"OpusHead...", "OpusTags...", "\x00", "\x01"} {
		opus = append(opus, page(uint32(i), packet)...)
	}
	for name, x := range map[string]struct {
		content []byte
		step    uint32
		want    []int // first byte, -1 = a pause
	}{
		"x.mulaw": {g711, 160, []int{0, 1, -1, 0, 1, -1, 0}},
		"x.alaw":  {g711[:320], 160, []int{0, 1, 0, 1, 0}},
		"x.opus":  {opus, 960, []int{0, 1, 0, 1, 0}},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, x.content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Step() != x.step {
			t.Errorf("%s: 20 ms are %d", name, f.Step())
		}
		for i, want := range x.want {
			b, err := f.Next()
			got := -1
			if len(b) > 0 {
				got = int(b[0])
			}
			if err != nil || got != want {
				t.Errorf("%s: piece %d is %d, %v", name, i, got, err)
			}
		}
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		err = nil
		for range x.want {
			if _, e := f.Next(); e != nil {
				err = e
			}
		}
		if err == nil {
			t.Errorf("%s: nothing is played without an error", name)
		}
	}
}
