package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"reflect"
	"sync"
	"unsafe"
)

// counterMode is AES in counter mode that can be pointed at a new initial
// counter block for every packet.
//
// crypto/cipher has a fast counter mode, several blocks at a time, but its
// stream cannot be rewound: a packet would cost a new stream, and half a
// kilobyte of garbage. So the counter inside the one stream we keep is set
// directly, where streamLayout found it. Where it found none, blocks are
// encrypted one by one, which is correct and some six times slower.
type counterMode struct {
	block  cipher.Block
	stream cipher.Stream
	hi, lo *uint64 // the stream's initial counter block; nil if not reachable
	offset *uint64 // the stream's position behind it, in bytes

	ctr, key [aes.BlockSize]byte // scratch of the slow way
}

func newCounterMode(block cipher.Block) *counterMode {
	c := &counterMode{block: block}
	if at, ok := streamLayout(); ok {
		c.attach(at)
	}
	return c
}

// xor writes src XOR keystream to dst. hi and lo are the halves of the initial
// counter block.
func (c *counterMode) xor(dst, src []byte, hi, lo uint64) {
	if c.hi == nil {
		c.xorBlocks(dst, src, hi, lo)
		return
	}
	*c.hi, *c.lo, *c.offset = hi, lo, 0
	c.stream.XORKeyStream(dst, src)
}

func (c *counterMode) xorBlocks(dst, src []byte, hi, lo uint64) {
	put32(c.ctr[0:], uint32(hi>>32))
	put32(c.ctr[4:], uint32(hi))
	for len(src) > 0 {
		put32(c.ctr[8:], uint32(lo>>32))
		put32(c.ctr[12:], uint32(lo))
		c.block.Encrypt(c.key[:], c.ctr[:])
		n := subtle.XORBytes(dst, src[:min(len(src), len(c.key))], c.key[:])
		dst, src = dst[n:], src[n:]
		lo++ // the low 16 bits count blocks and start at zero: no carry in a packet
	}
}

// layout holds the places of the counter inside the standard library's stream,
// as byte offsets.
type layout struct{ hi, lo, offset uintptr }

// streamLayout finds the counter by field name and proves the find by comparing
// keystreams. A different Go release, or FIPS and Boring builds, may well answer
// no.
var streamLayout = sync.OnceValues(func() (layout, bool) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return layout{}, false
	}
	at, ok := findLayout(cipher.NewCTR(block, make([]byte, aes.BlockSize)))
	return at, ok && at.proved()
})

// findLayout expects a struct around one pointer to the stream's state.
func findLayout(stream cipher.Stream) (at layout, ok bool) {
	t := reflect.TypeOf(stream)
	if t.Kind() != reflect.Struct || t.NumField() != 1 || t.Field(0).Type.Kind() != reflect.Pointer {
		return at, false
	}
	state := t.Field(0).Type.Elem()
	if state.Kind() != reflect.Struct {
		return at, false
	}
	for name, where := range map[string]*uintptr{"ivhi": &at.hi, "ivlo": &at.lo, "offset": &at.offset} {
		f, found := state.FieldByName(name)
		if !found || f.Type.Kind() != reflect.Uint64 {
			return at, false
		}
		*where = f.Offset
	}
	return at, true
}

func (c *counterMode) attach(at layout) {
	c.stream = cipher.NewCTR(c.block, make([]byte, aes.BlockSize))
	state := reflect.ValueOf(c.stream).Field(0).UnsafePointer()
	c.hi = (*uint64)(unsafe.Add(state, at.hi))
	c.lo = (*uint64)(unsafe.Add(state, at.lo))
	c.offset = (*uint64)(unsafe.Add(state, at.offset))
}

// proved compares both ways for two keys and many counters and lengths.
func (at layout) proved() bool {
	for _, size := range []int{16, 32} {
		block, err := aes.NewCipher(bytes.Repeat([]byte{0x5a}, size))
		if err != nil {
			return false
		}
		c := &counterMode{block: block}
		c.attach(at)
		var fast, slow [300]byte
		for n := range fast {
			hi, lo := uint64(n)*0x9e3779b97f4a7c15, uint64(n)*0xbf58476d1ce4e5b9&^0xffff
			c.xor(fast[:n], fast[:n], hi, lo)
			c.xorBlocks(slow[:n], slow[:n], hi, lo)
		}
		if fast != slow {
			return false
		}
	}
	return true
}
