package main

import (
	"bifrons/rtp/codec"
	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mux"
)

// silentOpus is 20 ms of silence.
var silentOpus = append([]byte{0xf8, 0xff, 0xfe}, make([]byte, 77)...)

// silentPCM are samples that stand for gaps.
var silentPCM [8192]byte

// maxGap is how many seconds of silence stand for a gap at most. It keeps files small whose
// clock makes no sense.
const maxGap = 12 * 3600

// pcmPerTick is how many samples are made for one unit of the RTP clock, which runs at half
// the rate with G.722 (RFC 3551, 4.5.2).
func pcmPerTick(codec string) int {
	if codec == "g722" {
		return 2
	}
	return 1
}

// audio converts a recording of audio. damage is why it was not read to its end, err is an
// error besides.
func (w *work) audio(s *sink) (damage, err error) {
	sorter, err := mjr.NewSorter(w.reader, w.sort())
	if err != nil {
		return nil, err
	}
	kind := codecOf(w.header.Codec)
	a := audioTrack{sink: s, rate: int64(w.header.Rate())}
	frames := frameReader{assembler: frame.New(kind), header: w.header}
	add := a.addOpus
	if kind.PCM() {
		add = a.addPCM
		a.bytesPerTick = int64(2 * pcmPerTick(w.header.Codec))
		a.least = a.rate / 50
		if kind == frame.L16 {
			a.least = a.rate / 100
		}
	}
	line := newTimeline(w)
	for s.err == nil {
		p, err := sorter.Next()
		if err != nil {
			damage = err
			break
		}
		w.log.progress(w.reader.Offset(), w.size)
		if !line.take(&p) {
			continue
		}
		for _, f := range frames.push(&p) {
			add(&f)
		}
	}
	w.log.info("Counted %d frame packets", sorter.Stats().Packets)
	w.tellStats(sorter.Stats())
	line.tell()
	if a.filled > 0 {
		w.log.info("Filled gaps of %.2f s with silence", float64(a.filled)/float64(a.rate))
	}
	if a.rebuilt > 0 {
		w.log.info("Rebuilt %d packets by redundancy (RED)", a.rebuilt)
	}
	return damage, nil
}

// audioTrack is the audio of a target. Times are in units of the RTP clock.
type audioTrack struct {
	*sink
	rate         int64
	bytesPerTick int64
	least        int64 // the shortest gap that is filled with samples
	started      bool
	end          int64 // of what was written
	moved        int64 // by how much gaps were cut
	filled       int64
	rebuilt      int
}

// begin returns when a frame begins, and how much is missing before it.
func (a *audioTrack) begin(f *frame.Frame) (at, gap int64) {
	if f.Rebuilt {
		a.rebuilt++
	}
	at = int64(f.Timestamp-firstTime) - a.moved
	if !a.started {
		a.started, a.end = true, at
	}
	if gap = at - a.end; gap > a.maxGap*a.rate {
		a.log.warn("%s: %d s are missing after %d s, filled with %d s only", a.source, gap/a.rate, a.end/a.rate, a.maxGap)
		cut := gap - a.maxGap*a.rate
		a.moved += cut
		at, gap = at-cut, gap-cut
	}
	return at, gap
}

// addOpus adds a packet of Opus, with as much silence before it as whole packets are
// missing. A packet behind a pause that tells of nothing but silence is left out.
func (a *audioTrack) addOpus(f *frame.Frame) {
	if len(f.Data) == 0 {
		return
	}
	at, gap := a.begin(f)
	const step = 960
	samples := int64(f.Samples)
	if samples == 0 {
		samples = step
	}
	for n := gap / step; n > 0 && a.err == nil; n-- {
		a.addSilence(at - n*step)
	}
	var d codec.Opus
	if gap >= step && f.Lost == 0 && d.Parse(f.Data) == nil && d.DTX {
		a.addSilence(at)
		a.end = at + step
		return
	}
	a.opus(max(at, a.end), samples, f.Data)
}

func (a *audioTrack) addSilence(at int64) {
	a.filled += 960
	a.opus(at, 960, silentOpus)
}

func (a *audioTrack) opus(at, samples int64, data []byte) {
	a.end = at + samples
	a.add(&mux.Sample{Time: duration(at, a.rate), Duration: duration(samples, a.rate), Key: true, Data: data})
}

// addPCM adds samples, with zeros for those that are missing before them.
func (a *audioTrack) addPCM(f *frame.Frame) {
	if len(f.Data) == 0 {
		return
	}
	if _, gap := a.begin(f); gap >= a.least {
		a.filled += gap
		for n := gap * a.bytesPerTick; n > 0 && a.err == nil; {
			part := silentPCM[:min(n, int64(len(silentPCM)))]
			a.pcm(part)
			n -= int64(len(part))
		}
	}
	a.pcm(f.Data)
}

func (a *audioTrack) pcm(data []byte) {
	at := a.end
	a.end += int64(len(data)) / a.bytesPerTick
	a.add(&mux.Sample{Time: duration(at, a.rate), Duration: duration(a.end-at, a.rate), Key: true, Data: data})
}
