package mux

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// SubRip writes texts with their times. A text without a duration stays until the
// next one, the last for five seconds.
type SubRip struct {
	number int
	held   bool
	at     time.Duration
	text   []byte
}

// NewSubRip returns a writer of SubRip. The error wraps ErrFit.
func NewSubRip(info Info) (*SubRip, error) {
	if len(info.Tracks) != 1 || !info.Tracks[0].text() {
		return nil, ErrFit
	}
	return &SubRip{}, nil
}

// SetTrack implements Writer.
func (*SubRip) SetTrack(int, Track) {}

// Header implements Writer.
func (*SubRip) Header(dst []byte) []byte { return dst }

// Append implements Writer.
func (m *SubRip) Append(dst []byte, s *Sample) []byte {
	dst = m.release(dst, max(s.Time-time.Millisecond, m.at))
	if s.Duration > 0 {
		return m.line(dst, s.Time, s.Time+s.Duration, s.Data)
	}
	m.held, m.at = true, s.Time
	m.text = append(m.text[:0], s.Data...)
	return dst
}

// release writes the text that waited for its end.
func (m *SubRip) release(dst []byte, end time.Duration) []byte {
	if !m.held {
		return dst
	}
	m.held = false
	return m.line(dst, m.at, end, m.text)
}

// line writes one text. Empty lines within would end it.
func (m *SubRip) line(dst []byte, from, to time.Duration, text []byte) []byte {
	m.number++
	dst = strconv.AppendInt(dst, int64(m.number), 10)
	dst = append(dst, '\n')
	dst = append(appendClock(dst, from), " --> "...)
	dst = append(appendClock(dst, to), '\n')
	for l := range bytes.Lines(text) {
		if l = bytes.TrimRight(l, "\r\n"); len(l) > 0 {
			dst = append(append(dst, l...), '\n')
		}
	}
	return append(dst, '\n')
}

func appendClock(dst []byte, d time.Duration) []byte {
	ms := milliseconds(d)
	return fmt.Appendf(dst, "%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}

// Flush implements Writer.
func (*SubRip) Flush(dst []byte) []byte { return dst }

// End implements Writer.
func (m *SubRip) End(dst []byte) ([]byte, []Patch) { return m.release(dst, m.at+5*time.Second), nil }
