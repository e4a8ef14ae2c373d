package streaming

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"bifrons/rtp/ogg"
)

// clip is a file of audio that is played in a loop, 20 ms at a time.
type clip struct {
	file *os.File
	step uint32 // RTP timestamp units in 20 ms
	next func(c *clip) ([]byte, error)

	chunk [160]byte   // of G.711
	ogg   *ogg.Reader // of Opus
	fresh bool        // nothing was read since the start of the file
}

var errEmptyFile = errors.New("there is nothing in the file to play")

// openClip opens a file, whose name tells what it is. It may be in the folders, or
// anywhere if there are none.
func openClip(name string, folders []string) (*clip, error) {
	f, err := openFile(name, folders)
	if err != nil {
		return nil, err
	}
	c := &clip{file: f, step: 160, next: (*clip).nextChunk}
	if strings.HasSuffix(name, ".opus") {
		c.step, c.next = 960, (*clip).nextPacket
	}
	if err := c.rewind(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return c, nil
}

// Next is the next payload, which is lent until the next call. It is empty for
// 20 ms without one, as at the end of a file whose last piece is incomplete.
func (c *clip) Next() ([]byte, error) {
	b, err := c.next(c)
	if !errors.Is(err, io.EOF) {
		if err == nil && len(b) > 0 {
			c.fresh = false
		}
		return b, err
	}
	if c.fresh {
		return nil, errEmptyFile
	}
	if err := c.rewind(); err != nil {
		return nil, err
	}
	return c.next(c)
}

func (c *clip) rewind() error {
	if _, err := c.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c.fresh = true
	if c.step == 960 {
		c.ogg = ogg.NewReader(c.file, func(first []byte) bool { return bytes.HasPrefix(first, []byte("OpusHead")) })
		for range 2 { // the identification and comment headers (RFC 7845, 5)
			if _, err := c.ogg.Next(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *clip) nextChunk() ([]byte, error) {
	_, err := io.ReadFull(c.file, c.chunk[:])
	switch {
	case err == nil:
		return c.chunk[:], nil
	case errors.Is(err, io.ErrUnexpectedEOF) && !c.fresh:
		return nil, c.rewind()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errEmptyFile
	}
	return nil, err
}

func (c *clip) nextPacket() ([]byte, error) { return c.ogg.Next() }

func (c *clip) Close() error { return c.file.Close() }
