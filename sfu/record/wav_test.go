package record

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file has the sizes of what is in it at the end, and ffprobe reads it whole, also if it
// was never ended.
func TestWAV(t *testing.T) {
	f := &WAV{Rate: 16000, Channels: 2}
	b := f.Begin(nil, time.Now())
	for range 50 {
		b = f.Message(b, &Message{Payload: make([]byte, 16000/50*4)})
	}
	whole := bytes.Clone(b)
	rest, patches := f.End(nil)
	whole = append(whole, rest...)
	for _, p := range patches {
		copy(whole[p.Offset:], p.Bytes)
	}
	le := binary.LittleEndian
	if n, data := le.Uint32(whole[4:]), le.Uint32(whole[40:]); int(n) != len(whole)-8 || int(data) != len(whole)-44 || data != 64000 {
		t.Errorf("of %d bytes the header says %d and %d", len(whole), n, data)
	}
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("no ffprobe: nobody else reads the file")
	}
	for name, b := range map[string][]byte{"whole": whole, "killed": b} {
		path := filepath.Join(t.TempDir(), name+".wav")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-").Output()
		if err != nil || len(out) != 64000 {
			t.Errorf("%s: ffmpeg reads %d bytes, %v", name, len(out), err)
		}
		out, err = exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels", "-of", "csv=p=0", path).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != "pcm_s16le,16000,2" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	big := &WAV{Rate: 48000, Channels: 2, bytes: 1 << 32}
	if _, patches := big.End(nil); patches != nil {
		t.Error("a size that does not fit is written")
	}
}
