package plugin

import "bifrons/sfu"

// Establisher is a Handle that has something to do before the client hears that its
// peer connection is established, by the webrtcup event.
type Establisher interface{ Establish() }

// Starter is a Handle that has something to do once media may flow and the client
// knows it.
type Starter interface{ Up() }

// Watcher is a Handle that receives the events of the established peer connection:
// media, slow link, layers, bitrate, key frame requests.
type Watcher interface{ Event(e sfu.Event) }

// DataReader is a Handle that takes messages of data channels.
type DataReader interface {
	// Data takes a message; payload is lent for the call. It is called on the
	// connection's SCTP goroutine, so that a client that sends more than the
	// handle takes is held up by SCTP.
	Data(label, protocol string, binary bool, payload []byte)
}

// DataWriter is a Handle that sends messages by data channels.
type DataWriter interface {
	// DataReady reports that they can be written to, again when nothing waits to
	// be sent any more.
	DataReady()
}

// Offeree is a Handle that takes no offer of its client at times, as another one is
// still to be answered.
type Offeree interface {
	// TakesOffer reports whether it takes one now. It is asked like Message, before that.
	TakesOffer() bool
}

// Answeree is a Handle to which clients may send the answer once more that the peer connection has already, such as
// one that answers a call in two steps.
type Answeree interface {
	// TakesAnswerAgain reports whether it takes one now. It is asked like Message, before that.
	TakesAnswerAgain() bool
}

// Established calls an Establisher.
func Established(h Handle) {
	if x, ok := h.(Establisher); ok {
		x.Establish()
	}
}

// Started calls a Starter.
func Started(h Handle) {
	if x, ok := h.(Starter); ok {
		x.Up()
	}
}

// Happened calls a Watcher.
func Happened(h Handle, e sfu.Event) {
	if x, ok := h.(Watcher); ok {
		x.Event(e)
	}
}

// TakesOffer asks an Offeree. Others take offers at all times.
func TakesOffer(h Handle) bool {
	x, ok := h.(Offeree)
	return !ok || x.TakesOffer()
}

// TakesAnswerAgain asks an Answeree. Others take each answer once.
func TakesAnswerAgain(h Handle) bool {
	x, ok := h.(Answeree)
	return ok && x.TakesAnswerAgain()
}

// Received calls a DataReader.
func Received(h Handle, label, protocol string, binary bool, payload []byte) {
	if x, ok := h.(DataReader); ok {
		x.Data(label, protocol, binary, payload)
	}
}

// Writable calls a DataWriter.
func Writable(h Handle) {
	if x, ok := h.(DataWriter); ok {
		x.DataReady()
	}
}
