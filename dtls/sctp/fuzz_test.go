package sctp

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// FuzzChunks gives an association that is up whatever chunks a peer may send
// it, and expects it to live or to end in good order.
func FuzzChunks(f *testing.F) {
	chunk := func(kind, flags byte, body ...byte) []byte {
		b := []byte{kind, flags, 0, byte(4 + len(body))}
		b = append(b, body...)
		return append(b, make([]byte, -len(body)&3)...)
	}
	data := func(tsn, ssn byte, ppid byte, text string) []byte {
		return chunk(0, 3, append([]byte{0, 0, 0, tsn, 0, 1, 0, ssn, 0, 0, 0, ppid}, text...)...)
	}
	f.Add(data(1, 0, 50, string(open{label: "x"}.marshal())), data(2, 1, 51, "hello"))
	f.Add(data(1, 0, 54, "part"), data(2, 1, 51, "rest"))
	f.Add(data(1, 0, 51, "nobody opened this"), data(2, 1, 57, "\x00"))
	f.Add(data(1, 0, 56, "\x00"), data(2, 1, 50, string(open{label: "late"}.marshal())))
	f.Add(chunk(3, 0, make([]byte, 12)...), chunk(4, 0, 0, 1, 0, 8, 1, 2, 3, 4))
	f.Add(chunk(130, 0, 0, 13, 0, 18, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 1), chunk(192, 0, 0, 0, 0, 9, 0, 1, 0, 3))
	f.Add(chunk(7, 0, 0, 0, 0, 0), chunk(8, 0))
	f.Add(chunk(1, 0, make([]byte, 16)...), chunk(6, 0, 0, 12, 0, 4))
	f.Add(chunk(64, 3, make([]byte, 20)...), chunk(194, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 9))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first)+len(second) > 4000 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			a, b := newWires(nil)
			var header, lastTSN atomic.Uint64 // of the peer's packets
			b.watch = func(p []byte) {
				header.Store(binary.BigEndian.Uint64(p))
				if isInit(p) {
					lastTSN.Store(uint64(binary.BigEndian.Uint32(p[chunkAt+16:])) - 1)
				}
			}
			s := start(a, true)
			r := newRaw(t, b, true)
			<-s.ready
			for _, chunks := range [][]byte{first, second} {
				p := binary.BigEndian.AppendUint64(nil, header.Load())
				p = append(append(p, 0, 0, 0, 0), bytes.Clone(chunks)...)
				if len(p) >= chunkAt+8 && p[chunkAt] == 0 { // DATA: make the TSN current
					tsn := uint32(lastTSN.Load()) + binary.BigEndian.Uint32(p[chunkAt+4:])
					binary.BigEndian.PutUint32(p[chunkAt+4:], tsn)
				}
				binary.LittleEndian.PutUint32(p[checksumAt:], crc32.Checksum(p, castagnoli))
				a.arrive(p)
				synctest.Wait()
			}
			if n := s.Stats(); n.Channels > 1 {
				t.Errorf("%+v", n)
			}
			r.close()
			stop(t, []*side{s}, a, b)
		})
	})
}
