package siptest

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
)

// Line is how a telephone is set up. Its calls are answered at once, and all it says is a tone.
type Line struct {
	User      string
	Registrar string        // address and port
	Transport string        // udp, tcp or tls
	TLS       *Certificates // for tls
	SRTP      bool          // no call without SDES
	Opus      bool          // otherwise PCMU
	Hz        float64
}

// Softphone is a telephone by another program.
type Softphone interface {
	// Dial calls somebody.
	Dial(uri string)
	// HangUp ends the call.
	HangUp()
	// Hold puts the call on hold, or resumes it.
	Hold(on bool)
	// Transfer has the other side call somebody else.
	Transfer(uri string)
	// Calls are how many calls were answered, and how many of all have ended.
	Calls() (answered, ended int)
	// Recordings are WAV files of the audio received in calls that are over.
	Recordings() []string
}

// Awaits waits until so many calls of a telephone were answered, and so many have ended.
func Awaits(t testing.TB, p Softphone, answered, ended int) {
	t.Helper()
	waittest.Until(t, fmt.Sprintf("%d calls, %d ended", answered, ended), func() bool {
		a, e := p.Calls()
		return a == answered && e == ended
	})
}

// Heard is how long a telephone has heard a tone in all calls that are over, in tenths of a second.
func Heard(p Softphone, hz float64) (tenths int) {
	const loud = 0.05
	for _, file := range p.Recordings() {
		x := samples(file)
		for n := x.rate / 10; n > 0 && len(x.pcm) >= n; x.pcm = x.pcm[n:] {
			if x.amplitude(x.pcm[:n], hz) > loud {
				tenths++
			}
		}
	}
	return tenths
}

// sound is the first channel of a WAV file.
type sound struct {
	rate int
	pcm  []float64
}

// samples reads a WAV file. It does not go by the lengths in it, which programs write at last.
func samples(file string) (x sound) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 44 || string(b[:4]) != "RIFF" {
		return x
	}
	channels := int(binary.LittleEndian.Uint16(b[22:]))
	x.rate = int(binary.LittleEndian.Uint32(b[24:]))
	for b = b[44:]; channels > 0 && len(b) >= 2*channels; b = b[2*channels:] {
		x.pcm = append(x.pcm, float64(int16(binary.LittleEndian.Uint16(b)))/32768)
	}
	return x
}

// amplitude is that of a frequency (Goertzel's algorithm).
func (x sound) amplitude(pcm []float64, hz float64) float64 {
	w := 2 * math.Pi * hz / float64(x.rate)
	var a, b float64
	for _, s := range pcm {
		a, b = s+2*math.Cos(w)*a-b, a
	}
	return 2 * math.Sqrt(a*a+b*b-2*math.Cos(w)*a*b) / float64(len(pcm))
}

// toneTime is how long tones are, in seconds: some telephones hang up then.
const toneTime = 90

// writeTone writes a WAV file with a tone.
func writeTone(t testing.TB, file string, hz float64, rate int) {
	t.Helper()
	n := toneTime * rate * 2
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+n))...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*2))
	b = append(b, "\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for i := range toneTime * rate {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(12000*math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))))
	}
	write(t, file, string(b))
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fill puts values into a text, where their names stand between percent signs.
func fill(text string, values ...string) string {
	var list []string
	for i := 0; i < len(values); i += 2 {
		list = append(list, "%"+values[i]+"%", values[i+1])
	}
	return strings.NewReplacer(list...).Replace(text)
}
