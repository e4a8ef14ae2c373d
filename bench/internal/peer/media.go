package peer

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Media is the media of every peer.
type Media struct {
	VideoRate  int  // bits of RTP payload in a second
	VideoFPS   int  // frames in a second, each sent as one burst
	MaxPayload int  // bytes of RTP payload in a video packet
	AudioPPS   int  // Opus packets in a second
	AudioBytes int  // bytes of RTP payload in an audio packet
	Simulcast  bool // video in three encodings, each a quarter of the one before
}

// AudioOnly is a microphone.
func AudioOnly() Media { return Media{AudioPPS: 50, AudioBytes: 80} }

func (m Media) kinds() (list []string) {
	if m.AudioPPS > 0 {
		list = append(list, "audio")
	}
	if m.VideoFPS > 0 {
		list = append(list, "video")
	}
	return list
}

func (m Media) encodings() int {
	if m.Simulcast {
		return 3
	}
	return 1
}

// DefaultMedia is a camera and a microphone: 30 frames and 50 Opus packets of
// 32 kbit/s in a second.
func DefaultMedia(videoRate int) Media {
	return Media{VideoRate: videoRate, VideoFPS: 30, MaxPayload: 1200, AudioPPS: 50, AudioBytes: 80}
}

// Every payload ends in a tag by which its sender knows it again: a magic
// number, the sender, and when it was sent.
const (
	tagMagic = 0xb1f205be
	tagSize  = 16
)

var epoch = time.Now()

// clock is the time since the start of the process, monotonic.
func clock() time.Duration { return time.Since(epoch) }

func putTag(payload []byte, sender uint32, now time.Duration) {
	t := payload[len(payload)-tagSize:]
	binary.BigEndian.PutUint32(t, tagMagic)
	binary.BigEndian.PutUint32(t[4:], sender)
	binary.BigEndian.PutUint64(t[8:], uint64(now))
}

func readTag(payload []byte) (sender uint32, sent time.Duration, ok bool) {
	if len(payload) < tagSize {
		return 0, 0, false
	}
	t := payload[len(payload)-tagSize:]
	if binary.BigEndian.Uint32(t) != tagMagic {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(t[4:]), time.Duration(binary.BigEndian.Uint64(t[8:])), true
}

// Lengths of the start of a VP8 payload: the descriptor with a picture id
// of 15 bits (RFC 7741, 4.2) and the header of a key frame (RFC 6386, 9.1).
const (
	vp8Descriptor  = 4
	vp8KeyHeader   = 10
	keyFramePeriod = 60 // frames
)

// camera makes VP8-looking frames of varying size. Whether the picture can be
// decoded does not matter to a server that forwards.
type camera struct {
	media   Media
	random  *rand.Rand
	frame   int
	wantKey bool // the next frame is to be a key frame
	buffers [][]byte
}

func newCamera(m Media, seed uint64) *camera {
	return &camera{media: m, random: rand.New(rand.NewPCG(seed, 1))}
}

// next returns the payloads of the next frame; they are lent until the
// following call. Frame sizes vary by a quarter around the mean. A frame is cut
// into packets of equal size but for a byte, the smaller ones first, as
// browsers do.
func (c *camera) next() [][]byte {
	mean := c.media.VideoRate / 8 / c.media.VideoFPS
	size := max(mean*3/4+c.random.IntN(mean/2+1), vp8Descriptor+vp8KeyHeader+tagSize)
	n := (size + c.media.MaxPayload - 1) / c.media.MaxPayload
	for len(c.buffers) < n {
		b := make([]byte, c.media.MaxPayload)
		for i := range b {
			b[i] = byte(c.random.Uint32())
		}
		c.buffers = append(c.buffers, b)
	}
	key := c.frame%keyFramePeriod == 0 || c.wantKey
	c.wantKey = false
	list := make([][]byte, n)
	for i := range list {
		least, larger := size/n, size%n
		if n-i <= larger {
			least++
		}
		list[i] = c.buffers[i][:least]
		c.describe(list[i], i == 0, key)
	}
	c.frame++
	return list
}

func (c *camera) describe(b []byte, first, key bool) {
	b[0], b[1] = 0x80, 0x80 // extended; picture id
	binary.BigEndian.PutUint16(b[2:], 0x8000|uint16(c.frame)&0x7fff)
	if !first {
		return
	}
	b[0] |= 0x10 // start of the partition
	h := b[vp8Descriptor:]
	if !key {
		h[0] = 0x11 // inter frame, shown
		return
	}
	copy(h, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01}) // 640x480
}

// microphone makes Opus-looking packets.
type microphone struct{ b []byte }

func newMicrophone(m Media) *microphone {
	b := make([]byte, max(m.AudioBytes, tagSize+1))
	b[0] = 0x78 // CELT, 20 ms, mono (RFC 6716, 3.1)
	return &microphone{b: b}
}

func (m *microphone) next() []byte { return m.b }
