// Package mjrtest reads recordings back. Only tests import it.
package mjrtest

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/waittest"
)

// Frame is one frame of a recording.
type Frame struct {
	rtp.Header        // of a packet
	Payload    []byte // of a packet, or a message
}

// Read reads a recording that is whole. Of one to which nothing came it is the zero Header.
func Read(t testing.TB, path string) (h mjr.Header, frames []Frame) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mjr.NewReader(f)
	header, err := r.Header()
	if errors.Is(err, mjr.ErrEmpty) {
		return h, nil
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for last := uint32(0); ; {
		x, err := r.Next()
		if errors.Is(err, io.EOF) {
			return *header, frames
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if !x.HasArrival || x.ArrivalMS < last {
			t.Errorf("%s: a frame arrived at %d ms after one at %d ms", path, x.ArrivalMS, last)
		}
		last = x.ArrivalMS
		var y Frame
		if _, text, ok := x.Message(); header.Type == mjr.Data && ok {
			y.Payload = append(y.Payload, text...)
		} else if err := y.Parse(x.Data); err != nil {
			t.Fatalf("%s: %v", path, err)
		} else {
			y.Payload = append(y.Payload, x.Data[y.HeaderLen:]...)
		}
		frames = append(frames, y)
	}
}

// Numbered reads a recording of packets in the order of their numbers, which have to begin
// with 1 and follow each other, and timestamps with 0.
func Numbered(t testing.TB, path string) (h mjr.Header, frames []Frame) {
	t.Helper()
	h, frames = Read(t, path)
	slices.SortStableFunc(frames, func(a, b Frame) int { return int(a.SequenceNumber) - int(b.SequenceNumber) })
	for i := range frames {
		if frames[i].SequenceNumber != uint16(i+1) || i == 0 && frames[i].Timestamp != 0 {
			t.Errorf("%s: packet %d has the numbers %d and %d", path, i, frames[i].SequenceNumber, frames[i].Timestamp)
			break
		}
	}
	return h, frames
}

// AwaitGrown waits until there is something in a file.
func AwaitGrown(t testing.TB, path string) {
	t.Helper()
	waittest.Until(t, path+" grows", func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 2000 })
}
