// Package record writes tracks to files.
//
// Packets wait in a pipe for a collector, a goroutine that runs every 50 ms, has a
// Format lay them out, and gives what it has to the disk, a goroutine for each file
// system. So a shard waits for nothing, and a file system that stalls holds up its own
// files alone. What is too much for a queue is lost and counted by reason.
package record

import (
	"time"

	"bifrons/rtp/mjr"
	"bifrons/rtp/mono"
)

// Packet is a packet of a recorded track, lent for the call.
type Packet struct {
	Track     int    // index in the file
	RTP       []byte // the whole packet, header extensions as they came, without padding
	Head      int    // where the payload begins in RTP
	Seq       uint64 // extended, from 1. Layers, SSRCs, and pauses leave no gap in it
	Timestamp uint32 // from 0, likewise; RTP has both
	Marker    bool
	Keyframe  bool // start of a key frame, as far as the engine could look into it
	Arrival   mono.Time
	SSRC      uint32 // as it came
	Source    uint32 // timestamp as it came, of which sender reports speak
	Joined    bool   // the time since the packet before is left out
}

// Message is a message of a data channel, lent for the call.
type Message struct {
	Track   int
	At      mono.Time
	Wall    time.Time
	Binary  bool
	Payload []byte
}

// Report is the part of a sender report about a track (RFC 3550, 6.4.1).
type Report struct {
	Track     int
	SSRC      uint32
	NTP       uint64 // 32.32 fixed point seconds since 1900
	Timestamp uint32
	At        mono.Time // when it came
}

// Patch overwrites a part of a file that was written before.
type Patch struct {
	Offset int64
	Bytes  []byte
}

// Format lays out a file. Its methods append the next bytes of the file to dst and return
// that. They are called by one goroutine at a time; none may block.
type Format interface {
	// Begin is called once, when the file is made.
	Begin(dst []byte, wall time.Time) []byte
	Packet(dst []byte, p *Packet) []byte
	Message(dst []byte, m *Message) []byte
	Report(r *Report)
	// Flush is called at least twice a second, with all packets so far laid out: so
	// much of it should be in the file that a process that is killed loses less than
	// a second. keyframe asks for a key frame of a track, -1 = none.
	Flush(dst []byte, now mono.Time) (out []byte, keyframe int)
	// End is called once, at the end. The patches are made after the rest was
	// written.
	End(dst []byte) (rest []byte, patches []Patch)
}

// Filler is a Format that waits for packets that are missing. Fill is about a number under
// which nothing comes: RTP is empty.
type Filler interface {
	Fill(dst []byte, p *Packet) []byte
}

// Loss is why something was not recorded.
type Loss uint8

// The reasons.
const (
	LossQueue Loss = iota // the collector was late
	LossDisk              // the disk was behind, and too much waited for it
	LossError             // the disk could not be written to
	LossSize              // a message that the format has no room for
	LossFrame             // a frame that is of no use, as packets are missing
	numLoss
)

// NumLoss is the number of reasons.
const NumLoss = int(numLoss)

func (l Loss) String() string {
	return [NumLoss]string{"queue", "slow-disk", "disk-error", "too-large", "damaged-frame"}[l]
}

// Bounds.
const (
	// interval is how often a collector runs.
	interval = 50 * time.Millisecond
	// fresh is how long something waits to be written at most.
	fresh = 400 * time.Millisecond
	// chunk is how many bytes are written at once, if there are as many in time.
	chunk = 128 << 10
	// maxWaiting is how many bytes of a file may wait for the disk, maxDiskWaiting
	// those of all files of one file system, and maxAllWaiting those of all.
	maxWaiting     = 8 << 20
	maxDiskWaiting = 128 << 20
	maxAllWaiting  = 256 << 20
	// MaxMessage is the size of the largest message that is recorded, in bytes.
	MaxMessage = mjr.MaxMessage
	// maxMessages is how many bytes of messages of a file may wait for the collector.
	maxMessages = 1 << 20
	// maxFiles is how many files may be open.
	maxFiles = 16384
	// maxNumber is the highest number that a file gets next to others.
	maxNumber = 9999
	// openLimit is how long the making of a file may take.
	openLimit = 5 * time.Second
	// maxMakers is how many may be made at the same time, those for which a file system
	// does not answer any more included: each of these takes a thread.
	maxMakers = 256
	// stalled is how long a write takes until that is reported.
	stalled = 2 * time.Second
	// retry is how long after an error the disk is tried again.
	retry = time.Second
)
