package mjr

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Why a file cannot be read, or no further. They come inside an Error, but for
// ErrEmpty.
var (
	// ErrEmpty means that nothing was recorded: there is no header, as it is written
	// together with the first frame.
	ErrEmpty = errors.New("mjr: nothing was recorded")
	// ErrFormat means that the file is no recording.
	ErrFormat = errors.New("this is no recording (.mjr)")
	// ErrHeader means that the header makes no sense.
	ErrHeader = errors.New("unusable header")
	// ErrTruncated means that the file ends within a header or frame, as after a
	// crash. Everything before is good.
	ErrTruncated = errors.New("the file is cut off")
	// ErrDamaged means that there is something else where a frame should begin. Everything
	// before is good; so are frames found behind it, which have been read when
	// this is returned.
	ErrDamaged = errors.New("no frame where one should begin")
)

// Error is a fault of a file, with its place.
type Error struct {
	Offset int64 // bytes from the start of the file
	Err    error // one of the above, or of the input
	Detail string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("mjr: byte %d: %v", e.Offset, e.Err)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Frame is one packet or message of a file.
type Frame struct {
	ArrivalMS  uint32 // milliseconds since the first frame
	HasArrival bool   // the file has such times
	Data       []byte // lent until the next call of Next
	Offset     int64  // where the frame begins in the file
}

// Message returns the message of a data channel that is in the frame, and when it came,
// in microseconds since 1970; false if it is too short.
func (f *Frame) Message() (wall int64, message []byte, ok bool) {
	if len(f.Data) < 8 {
		return 0, nil, false
	}
	return int64(binary.BigEndian.Uint64(f.Data)), f.Data[8:], true
}

// Layouts of a file.
const (
	layoutUnknown = iota
	layoutOldest  // MEETECHO and five letters
	layoutOld     // MJR0000x: JSON, frames without times
	layoutCurrent // MJR00002
)

const (
	prefixLen = 10 // tag and length
	oldName   = 5  // length of the oldest header
)

// Reader reads a file from its start to its end, in constant memory.
type Reader struct {
	in     *bufio.Reader
	at     int64 // bytes read
	layout uint8
	header Header
	raw    []byte
	prefix [prefixLen]byte
	data   []byte // of the frame, in the buffer of in or in own
	own    []byte
	err    error

	damage *Error // the first
	passed int64  // bytes that were passed over
}

// NewReader makes a Reader of a file. It reads ahead.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(in, 32<<10)} }

// Header returns the header, which the Reader keeps. An error is ErrEmpty or an *Error.
func (r *Reader) Header() (*Header, error) {
	if r.layout == layoutUnknown && r.err == nil {
		r.err = r.begin()
	}
	if r.layout == layoutUnknown {
		return nil, r.err
	}
	return &r.header, nil
}

// JSON is the header's text as it stands in the file, nil before Header and in files of
// the oldest layout.
func (r *Reader) JSON() []byte { return r.raw }

// HasArrival reports whether frames have times of arrival. Header was called before.
func (r *Reader) HasArrival() bool { return r.layout == layoutCurrent }

// Offset is how many bytes of the file were used so far.
func (r *Reader) Offset() int64 { return r.at }

// Next returns the next frame. At the end of the file the error is io.EOF, and an
// *Error where it cannot be read to its end; from then on it stays the same. Damage is
// skipped; it is an error at the end. Frames may be of any length, 0
// included.
func (r *Reader) Next() (Frame, error) {
	if _, err := r.Header(); err != nil {
		return Frame{}, err
	}
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.next()
	r.err = err
	return f, err
}

func (r *Reader) next() (Frame, error) {
	for {
		if b, _ := r.in.Peek(2); len(b) == 2 && (b[0] != 'M' || b[1] != 'E' && b[1] != 'J') {
			if err := r.passOver(); err != nil {
				return Frame{}, r.ended(err)
			}
		}
		offset := r.at
		if err := r.readPrefix(); err != nil {
			return Frame{}, r.ended(err)
		}
		frame := r.prefix[1] == 'E'
		if err := r.readData(offset); err != nil {
			return Frame{}, r.ended(err)
		}
		if !frame {
			continue // one header counts
		}
		f := Frame{Data: r.data, Offset: offset}
		if r.layout == layoutCurrent {
			f.HasArrival, f.ArrivalMS = true, binary.BigEndian.Uint32(r.prefix[4:])
		}
		return f, nil
	}
}

// begin reads the header.
func (r *Reader) begin() error {
	err := r.readPrefix()
	tag := string(r.prefix[:8])
	switch {
	case err == io.EOF:
		return ErrEmpty
	case errors.Is(err, ErrTruncated) && tag[:2] == "MJ" && r.at == 8:
		return ErrEmpty
	case errors.Is(err, ErrTruncated) && tag[:2] != "MJ" && tag[:2] != "ME":
		return &Error{Err: ErrFormat}
	case err != nil:
		return err
	}
	n := int(binary.BigEndian.Uint16(r.prefix[8:]))
	oldest := tag[:2] == "ME"
	if tag[:2] != "MJ" && !oldest {
		return &Error{Err: ErrFormat, Detail: fmt.Sprintf("it begins with %q", tag)}
	}
	if oldest && n != oldName {
		return &Error{Err: ErrHeader, Detail: "there is a frame in its place"}
	}
	if err := r.readData(0); err != nil {
		return err
	}
	if oldest {
		if !r.header.parseOld(r.data) {
			return &Error{Offset: prefixLen, Err: ErrHeader, Detail: fmt.Sprintf("%q", r.data)}
		}
		r.layout = layoutOldest
		return nil
	}
	if err := r.header.parse(r.data); err != nil {
		return &Error{Offset: prefixLen, Err: ErrHeader, Detail: err.Error()}
	}
	r.raw = append([]byte(nil), r.data...)
	r.layout = layoutOld
	if tag == Magic {
		r.layout = layoutCurrent
	}
	return nil
}

// readPrefix reads the tag and length of the next frame.
func (r *Reader) readPrefix() error {
	n, err := io.ReadFull(r.in, r.prefix[:])
	start := r.at
	r.at += int64(n)
	return inputError(err, start)
}

// readData reads the data of the prefix at offset.
func (r *Reader) readData(offset int64) error {
	n := int(binary.BigEndian.Uint16(r.prefix[8:]))
	if b, err := r.in.Peek(min(n, r.in.Size())); len(b) == n && err == nil {
		r.data = b // stays until the next read
		_, _ = r.in.Discard(n)
		r.at += int64(n)
		return nil
	}
	if cap(r.own) < n {
		r.own = make([]byte, n, max(n, 2048))
	}
	r.data = r.own[:n]
	got, err := io.ReadFull(r.in, r.data)
	r.at += int64(got)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return inputError(err, offset)
}

// inputError puts an error of the input in words; io.EOF stays.
func inputError(err error, offset int64) error {
	switch err {
	case nil, io.EOF:
		return err
	case io.ErrUnexpectedEOF:
		return &Error{Offset: offset, Err: ErrTruncated}
	}
	return &Error{Offset: offset, Err: err}
}
