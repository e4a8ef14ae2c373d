package dtls

import (
	"context"
	"time"

	pion "github.com/pion/dtls/v3"
)

// rest is the reduced form of an association that has nothing to say: the
// goroutines and buffers of a connection are about 20 KB.
//
// The sequence number that comes next is used once: either farewell is sent, or
// the state is resumed and farewell forgotten.
type rest struct {
	state    *pion.State
	farewell []byte // the close_notify, as a datagram
}

// restAgain is when to try after something came in between.
const restAgain = 10 * time.Second

// Rest reports that the peer will not ask for our last flight again: it has
// proven to have the keys. The association gives up all that it can do without
// while the peer says nothing and there is no application data. Returns at once.
func (e *Endpoint) Rest() { go e.doze() }

func (e *Endpoint) doze() {
	<-e.handshake
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil || e.wanted.Load() || e.State() != Connected {
		return
	}
	if !e.end.detach() {
		time.AfterFunc(restAgain, e.doze)
		return
	}
	// In this order: records numbered before the end is detached are in the state,
	// and those numbered later are not sent.
	state, ok := e.conn.ConnectionState()
	_ = e.conn.Close() // makes the farewell
	e.conn = nil
	if !ok {
		e.finish(Reason{Kind: Failed, Text: "the state of the association cannot be saved"})
		return
	}
	state.PeerCertificates = nil // they were checked
	e.rest = &rest{&state, e.end.farewell()}
	e.end = nil
	e.sleeping.Store(true)
	if !e.pipe.isEmpty() {
		e.wake()
	}
}

// rouse wakes the association if it rests.
func (e *Endpoint) rouse() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wake()
}

// wake makes a connection again, under the lock.
func (e *Endpoint) wake() {
	if e.rest == nil {
		return
	}
	state := e.rest.state
	e.rest = nil
	e.sleeping.Store(false)
	end := &pipeEnd{pipe: e.pipe, held: true}
	opts, err := e.options()
	if err == nil {
		e.conn, err = pion.ResumeWithOptions(state, end, peerAddr{}, opts...)
	}
	if err == nil {
		e.end = end
		err = e.conn.HandshakeContext(context.Background()) // which is over
	}
	if err != nil {
		e.finish(reasonFor(err))
		return
	}
	end.release()
	if !e.wanted.Load() {
		time.AfterFunc(restAgain, e.doze)
	}
}
