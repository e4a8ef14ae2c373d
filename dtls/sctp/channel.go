package sctp

import (
	"errors"
	"io"
	"slices"

	pion "github.com/pion/sctp"
)

// channel is a stream in use and, once established, the data channel on it.
type channel struct {
	id              uint16
	stream          *pion.Stream
	established     bool // by the peer's OPEN or by ours, or because it is used
	negotiated      bool // without OPEN: its label is not known
	label, protocol string

	// A message in pieces, in the deprecated way (RFC 8831, 6.6): all but the
	// last have a "partial" payload protocol identifier. Used by the reader.
	partial  []byte
	overlong bool // the message is too long: skip the rest of it
}

// accept takes a stream on which the peer has begun to send.
func (a *Association) accept(s *pion.Stream) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := s.StreamIdentifier()
	if old := a.streams[id]; old != nil {
		if old.stream == s {
			return // ours; the peer answered before we had noted it
		}
		a.forget(old) // reset and in use again, before its reader noticed
	}
	if len(a.streams) >= maxStreams {
		a.cfg.Log.Debug("SCTP peer uses too many streams", "id", id)
		a.cancel()
		return
	}
	a.use(&channel{id: id, stream: s})
}

// use notes a stream and starts its reader. The caller holds a.mu.
func (a *Association) use(c *channel) {
	a.streams[c.id] = c
	c.stream.SetBufferedAmountLowThreshold(0)
	c.stream.OnBufferedAmountLow(a.stir)
	a.readers.Go(func() { a.read(c) })
}

// stir wakes the goroutine that looks after outgoing messages. It is called by pion/sctp
// too and must not wait.
func (a *Association) stir() {
	select {
	case a.stirred <- struct{}{}:
	default:
	}
}

// forget frees the stream's number and its label. The caller holds a.mu.
func (a *Association) forget(c *channel) {
	if a.streams[c.id] == c {
		delete(a.streams, c.id)
	}
	c.established = false
	a.channels = slices.DeleteFunc(a.channels, func(o *channel) bool { return o == c })
}

// read is the reader goroutine of one stream, up to its reset.
func (a *Association) read(c *channel) {
	for {
		// Ask for the size first: thus one buffer serves all streams.
		n, _, err := c.stream.ReadSCTP(nil)
		if err != nil && !errors.Is(err, io.ErrShortBuffer) {
			break
		}
		if n > 0 && !a.receive(c, n) {
			break
		}
	}
	a.mu.Lock()
	a.forget(c)
	a.mu.Unlock()
	a.calling.Lock()
	a.partial -= len(c.partial)
	c.partial = nil
	a.calling.Unlock()
	// Reset our direction too (RFC 8831, 6.7). Fails if all is over.
	_ = c.stream.Close()
}

// receive reads the next message, of some n bytes, and handles it. False means
// that the stream is over.
func (a *Association) receive(c *channel, n int) bool {
	a.calling.Lock()
	defer a.calling.Unlock()
	buf := a.scratch
	if n > len(buf) {
		buf = make([]byte, n)
		if n <= maxMessage {
			a.scratch = buf
		}
	}
	n, kind, err := c.stream.ReadSCTP(buf)
	if errors.Is(err, io.ErrShortBuffer) {
		return true // an unordered message has come in between: ask again
	}
	if err != nil {
		return false
	}
	a.handle(c, kind, buf[:n])
	return true
}

// handle takes one message off a stream. The caller holds a.calling.
func (a *Association) handle(c *channel, kind pion.PayloadProtocolIdentifier, b []byte) {
	if kind == pion.PayloadTypeWebRTCDCEP {
		// An ACK is no news: we did not wait for it.
		if o, ok := parseOpen(b); ok {
			a.establish(c, o)
		}
		return
	}
	text := kind == pion.PayloadTypeWebRTCString || kind == pion.PayloadTypeWebRTCStringEmpty || kind == ppidStringPartial
	binary := kind == pion.PayloadTypeWebRTCBinary || kind == pion.PayloadTypeWebRTCBinaryEmpty || kind == ppidBinaryPartial
	if !text && !binary || !a.used(c) {
		a.discarded.Add(1)
		return
	}
	switch kind {
	case ppidStringPartial, ppidBinaryPartial:
		a.collect(c, b)
		return
	case pion.PayloadTypeWebRTCStringEmpty, pion.PayloadTypeWebRTCBinaryEmpty:
		b = nil // its content does not count (RFC 8831, 6.6)
	}
	if b, ok := a.complete(c, b); ok {
		a.deliver(c, binary, b)
		return
	}
	a.discarded.Add(1)
	a.warn(warnReceived, "data channel message is too long, thrown away", "label", c.label, "limit", maxMessage)
}

// Payload protocol identifiers that RFC 8831, 8 calls deprecated.
const (
	ppidBinaryPartial pion.PayloadProtocolIdentifier = 52
	ppidStringPartial pion.PayloadProtocolIdentifier = 54
)

// maxPartial bounds the pieces that wait for their last one, on all streams of an
// association, in bytes.
const maxPartial = 1 << 20

// collect adds a piece. The caller holds a.calling.
func (a *Association) collect(c *channel, b []byte) {
	c.overlong = c.overlong || len(c.partial)+len(b) > maxMessage || a.partial+len(b) > maxPartial
	if c.overlong {
		a.partial -= len(c.partial)
		c.partial = nil
		return
	}
	c.partial = append(c.partial, b...)
	a.partial += len(b)
}

// complete returns the message of which b is all or the last piece; false if it
// is too long. The caller holds a.calling.
func (a *Association) complete(c *channel, b []byte) ([]byte, bool) {
	if c.partial == nil && !c.overlong {
		return b, len(b) <= maxMessage
	}
	a.collect(c, b)
	b, ok := c.partial, !c.overlong
	a.partial -= len(c.partial)
	c.partial, c.overlong = nil, false
	return b, ok
}

// deliver hands a message on. Label and protocol change only under a.calling.
func (a *Association) deliver(c *channel, binary bool, b []byte) {
	a.received.Add(1)
	if a.cfg.OnMessage != nil {
		a.cfg.OnMessage(c.label, c.protocol, binary, b)
	}
}

// used reports whether the stream of a message is a data channel. One that nobody
// opened becomes one without a label: it was agreed on elsewhere (RFC 8831, 6.4).
func (a *Association) used(c *channel) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !c.established && a.add(c) {
		c.negotiated = true
	}
	return c.established
}

// add makes a stream one of the channels, unless it is one, its number is out of
// bounds, or there are too many. The caller holds a.mu.
func (a *Association) add(c *channel) bool {
	if c.established || c.id >= maxStreams || len(a.channels) >= maxChannels || a.streams[c.id] != c {
		return false
	}
	c.established = true
	a.channels = append(a.channels, c)
	return true
}

// establish makes a data channel of the stream on which the peer has sent OPEN,
// and acknowledges. There is no answer if the stream is a channel already, if
// its number is out of bounds, or if there are too many.
func (a *Association) establish(c *channel, o open) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !c.negotiated && !a.add(c) {
		return
	}
	c.negotiated, c.label, c.protocol = false, o.label, o.protocol
	c.stream.SetReliabilityParams(o.policy())
	if err := a.write(c.stream, []byte{messageAck}, pion.PayloadTypeWebRTCDCEP); err != nil {
		a.cfg.Log.Debug("data channel not acknowledged", "error", err)
	}
	a.flush() // messages may have waited for this label
}
