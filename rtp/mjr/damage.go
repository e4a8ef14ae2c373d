package mjr

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// scan is how much of a file is looked at to find a frame: the longest one and the tag of
// the next.
const scan = 2 * (prefixLen + MaxFrame)

// passOver goes to the next frame behind the damage. An error is io.EOF if there is
// none, or that of the input.
func (r *Reader) passOver() error {
	if r.damage == nil {
		b, _ := r.in.Peek(8)
		r.damage = &Error{Offset: r.at, Err: ErrDamaged, Detail: fmt.Sprintf("%q", b)}
	}
	if r.in.Size() < scan {
		r.in = bufio.NewReaderSize(r.in, scan)
	}
	for {
		b, err := r.in.Peek(scan)
		n, found := r.find(b, err != nil)
		_, _ = r.in.Discard(n) // it is there
		r.at += int64(n)
		r.passed += int64(n)
		switch {
		case found:
			return nil
		case err != nil:
			return inputError(err, r.at)
		}
	}
}

// find looks for a frame in b: a tag, a length that fits the recorded medium, and another
// tag or the end of the file behind it. n is how many bytes before it there are; without
// one, how many are of no use. last tells that b is the rest of the file.
func (r *Reader) find(b []byte, last bool) (n int, found bool) {
	tag := []byte("MEET")
	if r.layout != layoutCurrent {
		tag = []byte("MEETECHO")
	}
	for {
		at := bytes.Index(b[n:], tag)
		switch {
		case at < 0 && last:
			return len(b), false
		case at < 0:
			return len(b) - len(tag) + 1, false
		}
		n += at
		rest := b[n:]
		end := len(rest) + 1
		if len(rest) >= prefixLen {
			end = prefixLen + int(binary.BigEndian.Uint16(rest[8:]))
		}
		if !last && end+len(tag) > len(rest) {
			return n, false // there will be more of it
		}
		if end <= len(rest) && r.plausible(rest[prefixLen:end]) && begins(rest[end:], tag) {
			return n, true
		}
		n++
	}
}

// plausible reports whether something can be a recorded frame: a packet of RTP, or a
// message behind its time.
func (r *Reader) plausible(data []byte) bool {
	if r.header.Type == Data {
		return len(data) >= 8
	}
	return len(data) >= 12 && data[0]>>6 == 2
}

// begins reports whether b begins with a tag, or with the beginning of one.
func begins(b, tag []byte) bool {
	n := min(len(b), len(tag))
	return bytes.Equal(b[:n], tag[:n])
}

// ended is the error at the end of the file. That it is damaged counts more than how it
// ends.
func (r *Reader) ended(err error) error {
	if r.damage == nil || err != io.EOF && !errors.Is(err, ErrTruncated) {
		return err
	}
	e := *r.damage
	e.Detail += fmt.Sprintf("; %d bytes are passed over", r.passed)
	return &e
}
