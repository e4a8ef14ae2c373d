// Package mux writes containers: Matroska and WebM, MP4 in fragments and with one index,
// Ogg, WAV and SubRip. Writers append the next bytes of the file to a slice, so that they
// serve files, queues in front of disks, and tests alike. What they only know at the end
// is in patches of earlier bytes; without those a file is playable too.
//
// The memory of a writer does not grow with the file, except for an index: some bytes for each
// key frame, and in an MP4 that is not fragmented for each frame.
package mux

import (
	"errors"
	"fmt"
	"time"

	"bifrons/rtp/frame"
)

// ErrFit means that a container cannot have a codec, or not so many tracks.
var ErrFit = errors.New("mux: does not fit into this container")

func unfit(t *Track, container string) error {
	return fmt.Errorf("%w: %s in %s", ErrFit, t.Codec, container)
}

// Track is one track of a file.
type Track struct {
	Codec frame.Codec // Unknown for text
	Name  string      // of the track, where the container has such a field
	// Config describes the video, nil before the first key frame.
	Config *frame.Config
	// Rate and Channels are those of samples and of Opus, where they are 48000 and 2 if
	// they are not set.
	Rate, Channels int
}

// text reports whether it is a track of text.
func (t *Track) text() bool { return t.Codec == frame.Unknown }

// size is the size of the picture in pixels, a usual one if it is not known.
func (t *Track) size() (w, h int) {
	if c := t.Config; c != nil && c.Width != 0 && c.Height != 0 {
		return int(c.Width), int(c.Height)
	}
	return 640, 480
}

func (t *Track) channels() int {
	switch {
	case t.Channels != 0:
		return t.Channels
	case t.Codec == frame.Opus:
		return 2
	}
	return 1
}

func (t *Track) rate() int {
	if t.Codec == frame.Opus || t.Rate == 0 {
		return 48000
	}
	return t.Rate
}

// Info is the general description in a file.
type Info struct {
	App     string // the program that writes
	Comment string
	Date    time.Time // when it begins, zero if that is not known
	Tracks  []Track
}

// Sample is a frame with its place in time.
type Sample struct {
	Track    int           // index in Info.Tracks
	Time     time.Duration // of presentation, from the beginning of the file
	Duration time.Duration // 0 if it lasts until the next one of the track
	Key      bool
	Data     []byte // lent for the call; of text, UTF-8
}

// Patch replaces earlier bytes of a file.
type Patch struct {
	Offset int64
	Bytes  []byte
}

// Writer lays out a file. Samples of a track come in the order of decoding; those of
// several tracks should come in the order of time.
type Writer interface {
	// Header appends the beginning of the file. It is called first, and once.
	Header(dst []byte) []byte
	// Append appends the bytes for a sample, which may be none yet.
	Append(dst []byte, s *Sample) []byte
	// Flush appends everything held back that can be written already.
	Flush(dst []byte) []byte
	// SetTrack sets the Config of a track once it is known.
	SetTrack(i int, t Track)
	// End appends the end of the file.
	End(dst []byte) ([]byte, []Patch)
}

// maxHeld is how much writers hold back at most before they write it, in bytes.
const maxHeld = 4 << 20
