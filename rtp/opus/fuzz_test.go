package opus

import (
	"math"
	"testing"
	"time"

	"github.com/thesyncim/gopus"
)

// FuzzPacket compares what packets tell with what the codec reads from them.
func FuzzPacket(f *testing.F) {
	for _, seed := range []string{"", "\x08", "\x48\x80", "\x4c\xff\xff", "\x49ab", "\x4a\x01ab", "\x4b\x83\x01\x01abc", "\x4b\x43\x02abcxx", "\xfb\x30", "\x63\xc2\xff\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		info, err := gopus.ParsePacket(payload)
		var want time.Duration
		if err == nil && len(payload) <= MaxPayload {
			want = time.Duration(info.FrameCount*info.TOC.FrameSize) * time.Second / 48000
		}
		if want > 120*time.Millisecond {
			want = 0
		}
		if got := Duration(payload); got != want {
			t.Fatalf("%x: %v, want %v (%v)", payload, got, want, err)
		}
		if got, want := HasFEC(payload), want > 0 && gopus.PacketHasLBRR(payload); got != want {
			t.Fatalf("%x: FEC %v, want %v", payload, got, want)
		}
		Seamless(payload, payload)
		DTX(payload)
	})
}

// FuzzDecoder decodes, recovers and conceals what anybody may send, one after the
// other. A byte says what to do, the next how long the payload is.
func FuzzDecoder(f *testing.F) {
	e := newEncoder(f, 16000, 1, Settings{Bitrate: 24000, Complexity: 4, FEC: true, Loss: 10})
	pcm := make([]float32, 320)
	var good []byte
	for i := range 6 {
		for k := range pcm {
			pcm[k] = float32(math.Sin(float64(i*320+k)*0.1)) * 0.5
		}
		packet, err := e.Encode(nil, pcm)
		if err != nil {
			f.Fatal(err)
		}
		good = append(append(good, byte(i), byte(len(packet))), packet...)
	}
	f.Add(uint8(0), good)
	f.Add(uint8(9), append(good, 1, 0, 2, 3, 0xfc, 1, 2, 3, 200))
	f.Add(uint8(4), []byte("\x00\x10\xfc0123456789abcdef\x01\x02\x48\x00\x02\x05\x7cabcd"))
	var decoders [10]*Decoder // by format: a new one takes longer than what it does here
	f.Fuzz(func(t *testing.T, format uint8, script []byte) {
		x := formats[int(format)%len(formats)]
		d := decoders[int(format)%len(formats)]
		if d == nil || d.broken {
			d = newDecoder(t, x.rate, x.channels)
			decoders[int(format)%len(formats)] = d
		}
		d.Reset()
		room := make([]float32, x.rate*120/1000*x.channels)
		for steps := 0; len(script) >= 2 && steps < 24; steps++ {
			do, size := script[0], min(int(script[1]), len(script)-2)
			payload := script[2 : 2+size]
			script = script[2+size:]
			for i := range room {
				room[i] = float32(math.NaN())
			}
			n, err := len(room), error(nil)
			switch do % 8 {
			case 0, 1, 2, 3:
				var samples int
				samples, err = d.Decode(payload, room)
				if want := int(Duration(payload) * time.Duration(x.rate) / time.Second); err == nil && samples != want {
					t.Fatalf("%d samples, want %d", samples, want)
				}
				n = samples * x.channels
			case 4, 5:
				n = x.rate / 400 * x.channels * (1 + int(do>>3))
				err = d.Recover(payload, room[:n])
			case 6:
				n = x.rate / 400 * x.channels * (1 + int(do>>3))
				err = d.Conceal(room[:n])
			case 7:
				d.Reset()
				continue
			}
			if d.broken {
				t.Fatalf("broken: %v", err)
			}
			if err != nil {
				continue
			}
			for i, v := range room[:n] {
				if !(v >= -ceiling && v <= ceiling) {
					t.Fatalf("sample %d is %v", i, v)
				}
			}
		}
	})
}
