package main

import (
	"math"
	"os"
	"testing"

	"bifrons/rtp/mux"
	"bifrons/rtp/ogg"
	"bifrons/rtp/opus"
)

// opusFrame is what a packet has, in samples of the clock of Opus.
const opusFrame = 960

// loud is the amplitude of tones.
const loud = 0.4

// tone continues a tone of a frequency, which should be a multiple of 50 Hz.
func tone(pcm []float32, hz float64, from int) {
	for i := range pcm {
		pcm[i] = float32(loud * math.Sin(2*math.Pi*hz*float64(from+i)/48000))
	}
}

// opusTone is a tone in packets of 20 ms.
func opusTone(t testing.TB, hz float64, packets int) [][]byte {
	t.Helper()
	enc, err := opus.NewEncoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	pcm := make([]float32, opusFrame)
	for i := range packets {
		tone(pcm, hz, i*opusFrame)
		b, err := enc.Encode(nil, pcm)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// writeSong writes an Ogg Opus file of so many packets of a tone (RFC 7845).
func writeSong(t testing.TB, file string, packets int) {
	t.Helper()
	w := ogg.NewWriter(1)
	b := w.Flush(w.Packet(nil, mux.OpusHead(1), 0), false)
	b = w.Flush(w.Packet(b, append([]byte("OpusTags"), make([]byte, 8)...), 0), false)
	for i, p := range opusTone(t, songHz, packets) {
		b = w.Packet(b, p, uint64(opusFrame*(i+1)))
	}
	if err := os.WriteFile(file, w.Flush(b, true), 0o600); err != nil {
		t.Fatal(err)
	}
}

const songHz = 2500
