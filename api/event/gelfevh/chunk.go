package gelfevh

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
)

const (
	maxChunks  = 128   // of one message
	maxPayload = 65495 // bytes of a chunk that IPv4 can carry
)

// chunker cuts messages into chunks (GELF, "chunking"): the magic bytes 1e 0f,
// the message's id in eight bytes, the chunk's index and the number of chunks.
type chunker struct {
	id  uint64
	buf []byte
}

// newChunker starts with an id that other senders hardly have.
func newChunker() *chunker { return &chunker{id: rand.Uint64()} }

// send writes a message in packets with at most payload bytes of it each.
func (c *chunker) send(w io.Writer, text []byte, payload int) error {
	if len(text) <= payload {
		_, err := w.Write(text)
		return err
	}
	count := (len(text) + payload - 1) / payload
	if count > maxChunks {
		return errTooLong
	}
	c.id++
	for i := range count {
		part := text[i*payload : min((i+1)*payload, len(text))]
		c.buf = append(c.buf[:0], 0x1e, 0x0f)
		c.buf = binary.BigEndian.AppendUint64(c.buf, c.id)
		c.buf = append(c.buf, byte(i), byte(count))
		c.buf = append(c.buf, part...)
		if _, err := w.Write(c.buf); err != nil {
			return err
		}
	}
	return nil
}
