package clip

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
	case s.n == s.most:
		return nil, errors.New("torn")
	}
	return []byte{s.n}, nil
}

func (s *song) Step() uint32 { return 160 }

func (s *song) Device() uint64 { return 1 }

func (s *song) Close() error {
	s.closed = true
	return nil
}

// A reader has a packet every 20 ms, in numbers without a gap, and the time of a pause.
func TestReader(t *testing.T) {
	audio := &song{most: 5}
	reader := NewReader(audio, 8)
	dst := []byte("x")
	for i, ts := range []uint32{0, 0, 320, 480} {
		b, at, err := reader.Next(dst)
		if err != nil || at != time.Duration(i)*20*time.Millisecond || b[0] != 'x' {
			t.Fatalf("piece %d is due at %v: %x, %v", i, at, b, err)
		}
		if b = b[1:]; i == 1 {
			if len(b) > 0 {
				t.Errorf("the pause is %x", b)
			}
			continue
		}
		seq := uint16(i + 1)
		if i > 1 {
			seq--
		}
		if pt := b[1] & 0x7f; pt != 8 || b[1]&0x80 != 0 != (i == 0) || binary.BigEndian.Uint16(b[2:]) != seq ||
			binary.BigEndian.Uint32(b[4:]) != ts || len(b) != 13 || b[12] != byte(i+1) {
			t.Errorf("packet %d: %x", i, b)
		}
	}
	if _, _, err := reader.Next(nil); err == nil || reader.Close() != nil || !audio.closed {
		t.Errorf("%v at the end, closed: %v", err, audio.closed)
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

// A file that is played once ends, after the last piece of audio.
func TestOnce(t *testing.T) {
	var opus []byte
	for i, packet := range []string{"OpusHead...", "OpusTags...", "\x00", "\x01"} {
		opus = append(opus, page(uint32(i), packet)...)
	}
	for name, content := range map[string][]byte{"x.alaw": make([]byte, 400), "song": opus} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		open := OpenOpus
		if name == "x.alaw" {
			open = Open
		}
		f, err := open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.Once = true
		for range 2 {
			if _, err := f.Next(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := f.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s ends with %v", name, err)
		}
	}
	if _, err := OpenOpus(filepath.Join(t.TempDir(), "nothing"), nil); err == nil {
		t.Error("a file that is not there is opened")
	}
}
