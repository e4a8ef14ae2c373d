package mux

import "encoding/binary"

// sampleIndex has size, time and place of a track's samples: four octets a sample, and
// eight more where durations change.
type sampleIndex struct {
	sizes     []uint32
	durations []run // of all samples but the latest
	offsets   []run // of composition, in the track's scale
	keys      []uint32
	allKeys   bool
	chunks    []chunk
	shifted   bool // some offset is not 0
}

// run is a value of some samples that follow each other.
type run struct {
	count uint32
	value uint32
}

// chunk are samples that stand one behind the other in the file.
type chunk struct {
	offset  int64
	samples uint32
}

func appendRun(list []run, value uint32) []run {
	if n := len(list); n > 0 && list[n-1].value == value {
		list[n-1].count++
		return list
	}
	return append(list, run{1, value})
}

// write writes the boxes of the table; without an index they are empty.
func (x *sampleIndex) write(w *boxes) {
	if x == nil {
		x = &sampleIndex{allKeys: true}
	}
	runs := func(kind string, version uint8, list []run) {
		w.full(kind, version, 0, func() {
			w.u32(uint32(len(list)))
			for _, r := range list {
				w.u32(r.count)
				w.u32(r.value)
			}
		})
	}
	runs("stts", 0, x.durations)
	if !x.allKeys {
		w.full("stss", 0, 0, func() { w.u32s(x.keys) })
	}
	if x.shifted {
		runs("ctts", 1, x.offsets)
	}
	w.full("stsc", 0, 0, func() {
		at := len(w.b)
		w.u32(0)
		n, last := uint32(0), uint32(0)
		for i, c := range x.chunks {
			if c.samples == last {
				continue
			}
			last = c.samples
			n++
			w.u32(uint32(i + 1))
			w.u32(c.samples)
			w.u32(1)
		}
		binary.BigEndian.PutUint32(w.b[at:], n)
	})
	w.full("stsz", 0, 0, func() {
		w.u32(0)
		w.u32s(x.sizes)
	})
	w.full("co64", 0, 0, func() {
		w.u32(uint32(len(x.chunks)))
		for _, c := range x.chunks {
			w.u64(uint64(c.offset))
		}
	})
}
