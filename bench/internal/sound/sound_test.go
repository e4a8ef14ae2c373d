package sound

import (
	"testing"
	"time"
)

// carried is what comes out of a Tape into which pcm went, and into another one late by a
// delay, without every nth packet.
func carried(t *testing.T, pcm []float32, delay time.Duration, without int) (said, heard Heard) {
	t.Helper()
	packets, err := Encode(pcm, 64000, 0)
	if err != nil {
		t.Fatal(err)
	}
	var one, other Tape
	for i, p := range packets {
		at := time.Duration(i) * 20 * time.Millisecond
		one.Add(uint16(65000+i), at, p.Payload)
		if without == 0 || i%without != 1 {
			other.Add(uint16(i), at+delay, p.Payload)
		}
	}
	if said, err = one.Play(); err != nil {
		t.Fatal(err)
	}
	if heard, err = other.Play(); err != nil {
		t.Fatal(err)
	}
	return said, heard
}

func TestDelays(t *testing.T) {
	pcm, at := Bursts(4)
	said, heard := carried(t, pcm, 77*time.Millisecond, 0)
	list, missing := Delays(said, heard, at, len(pcm))
	if len(list) < 3 || missing > 0 {
		t.Fatalf("%d found, %d missing", len(list), missing)
	}
	for _, d := range list {
		if d != 77*time.Millisecond {
			t.Errorf("%v", d)
		}
	}
}

func TestBurstsThatAreMissing(t *testing.T) {
	pcm, at := Bursts(4)
	said, heard := carried(t, pcm, 0, 0)
	for i := range heard.PCM {
		heard.PCM[i] = float32(i%7) / 10
	}
	if list, missing := Delays(said, heard, at, len(pcm)); len(list) > 0 || missing < 3 {
		t.Errorf("%v found, %d missing", list, missing)
	}
}

func TestCompare(t *testing.T) {
	for name, pcm := range map[string][]float32{"speech": Speech(6, 1), "music": Music(6, 1)} {
		_, whole := carried(t, pcm, 0, 0)
		_, holes := carried(t, pcm, 0, 5)
		a, b := Compare(pcm, whole.PCM), Compare(pcm, holes.PCM)
		t.Logf("%s: %+v and %+v with every fifth packet lost", name, a, b)
		if a.Frames < 150 || a.SNR < b.SNR+2 || a.Distance > b.Distance-.3 {
			t.Errorf("%s: %+v, with every fifth packet lost %+v", name, a, b)
		}
		if same := Compare(pcm, pcm); same.SNR != bestSNR || same.Distance != 0 {
			t.Errorf("%s: what is the same differs by %+v", name, same)
		}
	}
}

func TestLevel(t *testing.T) {
	list, err := Encode(make([]float32, 3*Frame), 32000, 0)
	if err != nil || len(list) != 3 || list[0].Level != 127 {
		t.Errorf("%v %v", list, err)
	}
	if list, err = Encode(Speech(1, 1), 32000, 0); err != nil || list[5].Level > 40 {
		t.Errorf("%v %v", list[5].Level, err)
	}
}

// TestBest: what has lost nothing is most like the best that can be, and what was recovered is
// more like it than what was made up.
func TestBest(t *testing.T) {
	pcm := Speech(2.5, 1)
	says, err := Encode(pcm, 32000, 20)
	if err != nil {
		t.Fatal(err)
	}
	if share := FEC(says); share < .7 {
		t.Fatalf("%.2f of the packets have FEC", share)
	}
	const bitrate = 128_000
	best, err := Best(says, bitrate)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Decode(says)
	if err != nil {
		t.Fatal(err)
	}
	heard := func(pcm []float32) Quality {
		t.Helper()
		list, err := Encode(pcm, bitrate, 0)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(list)
		if err != nil {
			t.Fatal(err)
		}
		return Compare(best, again)
	}
	var made Tape
	for i, p := range says {
		if i%5 != 1 {
			made.Add(uint16(i), 0, p.Payload)
		}
	}
	holes, err := made.Play()
	if err != nil {
		t.Fatal(err)
	}
	a, b := heard(whole), heard(holes.PCM)
	t.Logf("whole %+v, with holes %+v", a, b)
	if a.SNR < 20 || b.SNR > a.SNR-5 || b.Distance < a.Distance+.5 {
		t.Errorf("whole %+v, with holes %+v", a, b)
	}
}
