package mux

import (
	"time"

	"bifrons/rtp/frame"
)

// movieScale is the time scale of a movie as a whole; tracks have clocks of their own.
const movieScale = 1000

// timescale is that of a track.
func (t *Track) timescale() int64 {
	if t.Codec.Video() {
		return 90000
	}
	return int64(t.rate())
}

// ticks is a time in units of a scale.
func ticks(d time.Duration, scale int64) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// movieTrack is the state of a track in a movie's index, besides the Track.
type movieTrack struct {
	*Track
	start    int64 // in the track's scale: how long after the beginning of the file
	duration int64 // in the track's scale, without start
	inBand   bool  // parameter sets may change
	index    *sampleIndex
}

// fits reports the first track that an MP4 cannot have.
func fitsMP4(info *Info) error {
	if len(info.Tracks) == 0 {
		return ErrFit
	}
	for i := range info.Tracks {
		switch t := &info.Tracks[i]; t.Codec {
		case frame.H264, frame.H265, frame.AV1, frame.Opus:
		default:
			return unfit(t, "MP4")
		}
	}
	return nil
}

// creation is a date in seconds since 1904.
func creation(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix() + 2082844800)
}

func (w *boxes) ftyp(brands ...string) {
	w.box("ftyp", func() {
		w.text(brands[0])
		w.u32(0x200)
		for _, b := range brands {
			w.text(b)
		}
	})
}

// moov is the index of a movie (ISO 14496-12, 8.2). fragmented says that samples stand in
// fragments.
func (w *boxes) moov(info *Info, tracks []movieTrack, fragmented bool) {
	longest := int64(0)
	for i := range tracks {
		longest = max(longest, tracks[i].end())
	}
	date := creation(info.Date)
	w.box("moov", func() {
		w.full("mvhd", 1, 0, func() {
			w.u64(date)
			w.u64(date)
			w.u32(movieScale)
			w.u64(uint64(longest))
			w.u32(0x10000) // rate
			w.u16(0x100)   // volume
			w.zeros(10)
			w.matrix()
			w.zeros(24)
			w.u32(uint32(len(tracks) + 1))
		})
		for i := range tracks {
			w.trak(i, &tracks[i], date)
		}
		if fragmented {
			w.mvex(len(tracks), longest)
		}
		w.udta(info)
	})
}

// end is when a track ends, in the movie's scale.
func (t *movieTrack) end() int64 { return (t.start + t.duration) * movieScale / t.timescale() }

// mvex announces fragments, and their length.
func (w *boxes) mvex(tracks int, duration int64) {
	w.box("mvex", func() {
		w.full("mehd", 1, 0, func() { w.u64(uint64(duration)) })
		for i := range tracks {
			w.full("trex", 0, 0, func() {
				w.u32(uint32(i + 1))
				w.u32(1) // sample description
				w.zeros(12)
			})
		}
	})
}

// udta has the comment and the program, as iTunes writes them.
func (w *boxes) udta(info *Info) {
	if info.Comment == "" && info.App == "" {
		return
	}
	item := func(kind, text string) {
		if text == "" {
			return
		}
		w.box(kind, func() {
			w.box("data", func() {
				w.u32(1) // UTF-8
				w.u32(0)
				w.text(text)
			})
		})
	}
	w.box("udta", func() {
		w.full("meta", 0, 0, func() {
			w.full("hdlr", 0, 0, func() {
				w.u32(0)
				w.text("mdirappl")
				w.zeros(9)
			})
			w.box("ilst", func() {
				item("\xa9too", info.App)
				item("\xa9cmt", info.Comment)
			})
		})
	})
}

func (w *boxes) trak(i int, t *movieTrack, date uint64) {
	w.box("trak", func() {
		w.full("tkhd", 1, 3, func() {
			w.u64(date)
			w.u64(date)
			w.u32(uint32(i + 1))
			w.u32(0)
			w.u64(uint64(t.end()))
			w.zeros(8)
			w.u16(0) // layer
			width, height := 0, 0
			if t.Codec.Video() {
				w.u16(0)
				w.u16(0)
				width, height = t.size()
			} else {
				w.u16(1)     // alternate group
				w.u16(0x100) // volume
			}
			w.u16(0)
			w.matrix()
			w.u32(uint32(width) << 16)
			w.u32(uint32(height) << 16)
		})
		if t.index != nil && t.start > 0 {
			w.edts(t)
		}
		w.box("mdia", func() { w.mdia(t, date) })
	})
}

// edts puts the track's start behind an empty edit.
func (w *boxes) edts(t *movieTrack) {
	w.box("edts", func() {
		w.full("elst", 1, 0, func() {
			w.u32(2)
			w.u64(uint64(t.start * movieScale / t.timescale()))
			w.u64(^uint64(0)) // -1: nothing
			w.u32(0x10000)
			w.u64(uint64(t.duration * movieScale / t.timescale()))
			w.u64(0)
			w.u32(0x10000)
		})
	})
}

func (w *boxes) mdia(t *movieTrack, date uint64) {
	w.full("mdhd", 1, 0, func() {
		w.u64(date)
		w.u64(date)
		w.u32(uint32(t.timescale()))
		w.u64(uint64(t.duration))
		w.u16(0x55c4) // "und"
		w.u16(0)
	})
	kind, name := "soun", t.Name
	if t.Codec.Video() {
		kind = "vide"
	}
	w.full("hdlr", 0, 0, func() {
		w.u32(0)
		w.text(kind)
		w.zeros(12)
		w.text(name)
		w.u8(0)
	})
	w.box("minf", func() {
		if t.Codec.Video() {
			w.full("vmhd", 0, 1, func() { w.zeros(8) })
		} else {
			w.full("smhd", 0, 0, func() { w.zeros(4) })
		}
		w.box("dinf", func() {
			w.full("dref", 0, 0, func() {
				w.u32(1)
				w.full("url ", 0, 1, func() {}) // in this file
			})
		})
		w.box("stbl", func() {
			w.full("stsd", 0, 0, func() {
				w.u32(1)
				w.sampleEntry(t)
			})
			t.index.write(w)
		})
	})
}

// sampleEntry describes the codec. Where parameter sets may change the names are those of
// tracks with sets in their samples (ISO 14496-15, 5.4.2.1 and 8.4.1.1).
func (w *boxes) sampleEntry(t *movieTrack) {
	switch t.Codec {
	case frame.H264:
		w.visual(t, map[bool]string{true: "avc3", false: "avc1"}[t.inBand], "avcC")
	case frame.H265:
		w.visual(t, map[bool]string{true: "hev1", false: "hvc1"}[t.inBand], "hvcC")
	case frame.AV1:
		w.visual(t, "av01", "av1C")
	case frame.Opus:
		w.box("Opus", func() {
			w.zeros(6)
			w.u16(1) // data reference
			w.zeros(8)
			w.u16(uint16(t.channels()))
			w.u16(16)
			w.zeros(4)
			w.u32(48000 << 16)
			w.box("dOps", func() { // Opus in ISOBMFF, 4.3.2
				w.u8(0, byte(t.channels()))
				w.u16(0) // pre-skip
				w.u32(48000)
				w.u16(0)
				w.u8(opusMapping(t.channels())...)
			})
		})
	}
}

func (w *boxes) visual(t *movieTrack, kind, config string) {
	width, height := t.size()
	w.box(kind, func() {
		w.zeros(6)
		w.u16(1) // data reference
		w.zeros(16)
		w.u16(uint16(width))
		w.u16(uint16(height))
		w.u32(0x480000) // 72 dpi
		w.u32(0x480000)
		w.u32(0)
		w.u16(1) // frames a sample
		w.zeros(32)
		w.u16(24) // depth
		w.u16(0xffff)
		w.box(config, func() { w.u8(record(t.Track, t.inBand)...) })
	})
}
