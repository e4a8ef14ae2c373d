// Package plain is media outside WebRTC, sans-IO: tracks that are fed by plain
// RTP or SRTP, and forwarders that send tracks as such (RFC 3550, RFC 3711).
// Both run inside one shard's loop.
package plain

import (
	"net/netip"

	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Loop is the loop that runs the package's objects.
type Loop interface {
	// Flush asks for a Flush of the track before the pass ends.
	Flush(t *route.Track)
	// Forward does it at once, before a track ends.
	Forward(t *route.Track)
	// Drop counts a packet that goes no further.
	Drop(d media.Drop)
	// Buffer takes a packet's memory; nil if there is none. The caller releases it.
	Buffer() *pktbuf.Buf
	// Reserve lends room for one datagram until the next call.
	Reserve() []byte
	// Commit sends the first n bytes of the memory that Reserve lent.
	Commit(to netip.AddrPort, n int)
}

// senderSSRC is ours in feedback to a source that is sent nothing else.
const senderSSRC = 1

// keyframeInterval is the least time between two requests for a key frame of
// one track. Earlier ones wait.
const keyframeInterval = mono.Time(1e9)

// bitrateInterval is the least time between two limits of the bitrate.
const bitrateInterval = mono.Time(1e9)

// Payload types of messages of data that are sent as RTP.
const (
	dataText   = 0
	dataBinary = 1
)
