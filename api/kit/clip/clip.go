// Package clip reads files of audio for playing: Opus in Ogg (RFC 7845), and raw G.711.
package clip

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"bifrons/rtp/ogg"
	"bifrons/sfu"
)

// Audio is the sound of a Reader, 20 ms at a time.
type Audio interface {
	// Next is the next payload, which is lent until the next call. It is empty for
	// 20 ms without one.
	Next() ([]byte, error)

	// Step is 20 ms in units of RTP timestamps.
	Step() uint32

	// Device identifies audio that can stall independently of other audio.
	Device() uint64

	Close() error
}

// File is a file of audio that is played in a loop, or once.
type File struct {
	// Once makes Next return io.EOF at the end of the file. It is fixed before Next is called.
	Once bool

	file *os.File
	step uint32
	next func(f *File) ([]byte, error)

	chunk [160]byte   // of G.711
	ogg   *ogg.Reader // of Opus
	fresh bool        // nothing was read since the start of the file
}

var errEmpty = errors.New("there is nothing in the file to play")

// Open opens a regular file, whose name says what it is: .opus or else G.711. It may
// be in the folders, or anywhere if there are none.
func Open(name string, folders []string) (*File, error) {
	if strings.HasSuffix(name, ".opus") {
		return OpenOpus(name, folders)
	}
	return begin(name, folders, File{step: 160, next: (*File).nextChunk})
}

// OpenOpus is Open for a file that is Opus, whatever it is called.
func OpenOpus(name string, folders []string) (*File, error) {
	return begin(name, folders, File{step: 960, next: (*File).nextPacket})
}

func begin(name string, folders []string, as File) (*File, error) {
	file, err := open(name, folders)
	if err != nil {
		return nil, err
	}
	f := &as
	f.file = file
	if err := f.rewind(); err != nil {
		_ = file.Close()
		return nil, err
	}
	return f, nil
}

// Step implements Audio.
func (f *File) Step() uint32 { return f.step }

// Next implements Audio. The end of a file whose last piece is incomplete is 20 ms
// without a payload. It is an error if nothing is left to play.
func (f *File) Next() ([]byte, error) {
	b, err := f.next(f)
	if !errors.Is(err, io.EOF) {
		if err == nil && len(b) > 0 {
			f.fresh = false
		}
		return b, err
	}
	if f.fresh {
		return nil, errEmpty
	}
	if f.Once {
		return nil, io.EOF
	}
	if err := f.rewind(); err != nil {
		return nil, err
	}
	return f.next(f)
}

func (f *File) rewind() error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f.fresh = true
	if f.step == 960 {
		f.ogg = ogg.NewReader(f.file, func(first []byte) bool { return bytes.HasPrefix(first, []byte("OpusHead")) })
		for range 2 { // the identification and comment headers (RFC 7845, 5)
			if _, err := f.ogg.Next(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *File) nextChunk() ([]byte, error) {
	_, err := io.ReadFull(f.file, f.chunk[:])
	switch {
	case err == nil:
		return f.chunk[:], nil
	case errors.Is(err, io.ErrUnexpectedEOF) && !f.fresh:
		if f.Once {
			return nil, io.EOF
		}
		return nil, f.rewind()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errEmpty
	}
	return nil, err
}

func (f *File) nextPacket() ([]byte, error) { return f.ogg.Next() }

// Device implements Audio: it is that of the file.
func (f *File) Device() uint64 { return sfu.DeviceOf(f.file) }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
