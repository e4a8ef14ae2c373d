package janus

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bifrons/sfu"
)

// lineColumns are those of a line log.
const lineColumns = "time,status,estimate,probing_target,bitrate_out,rtx_out,probing_out,bitrate_in,rtx_in,probing_in," +
	"acked,lost,loss_ratio,avg_delay,avg_delay_weighted,avg_delay_fb\n"

// lineLog writes the state of the lines of a handle's peer connections, a row for each
// feedback.
type lineLog struct {
	file *sfu.Capture

	mu   sync.Mutex // connections follow each other, on other shards
	last sfu.Line
	row  []byte
}

// StartLineLog writes the state of the lines to the handle's peer connections, this one
// and those to come, as comma-separated values to a file until StopLineLog or the end of the
// handle. The file's folder is made if need be.
func (h *Handle) StartLineLog(path string) error {
	if h.lines.Load() != nil {
		return ErrCapturing
	}
	if !h.core.MayWrite(path) {
		return ErrProtected
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := sfu.OpenCapture(sfu.CaptureConfig{Path: path, Format: sfu.CaptureRows, Label: lineColumns})
	if err != nil {
		return err
	}
	l := &lineLog{file: f}
	if !h.lines.CompareAndSwap(nil, l) {
		_ = f.Close()
		return ErrCapturing
	}
	if p := h.Peer(); p != nil {
		p.SetLineTrace(l.add)
	}
	if h.gone.Load() { // meanwhile: nobody else might stop it
		_ = h.StopLineLog()
	}
	return nil
}

// StopLineLog ends it, and waits for the file.
func (h *Handle) StopLineLog() error {
	l := h.lines.Swap(nil)
	if l == nil {
		return ErrNotCapturing
	}
	if p := h.Peer(); p != nil {
		p.SetLineTrace(nil)
	}
	if err := l.file.Close(); err != nil {
		h.log.Warn("line log is incomplete", "file", l.file.Path(), "error", err)
	}
	return nil
}

// add writes a row. It runs on a shard.
func (l *lineLog) add(x sfu.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := &l.last
	if x.Video.Bytes < last.Video.Bytes || x.Counts.Received < last.Counts.Received { // another connection
		*last = sfu.Line{}
	}
	d := time.Second
	if last.At != 0 {
		d = max(x.At.Sub(last.At), time.Millisecond)
	}
	rate := func(now, before uint64) uint64 { return uint64(float64(now-before) * 8 / d.Seconds()) }
	media := func(x *sfu.Line) uint64 { return x.Audio.Bytes + x.Video.Bytes }
	b := l.row[:0]
	put := func(n uint64) { b = append(strconv.AppendUint(b, n, 10), ',') }
	put(uint64(x.At.Wall().UnixMicro()))
	put(lineStatus(&x))
	put(x.Target)
	put(x.Probing)
	put(rate(media(&x), media(last)))
	put(rate(x.Resent.Bytes, last.Resent.Bytes))
	put(rate(x.Probed.Bytes, last.Probed.Bytes))
	for _, class := range [...][]sfu.PacketClass{{sfu.ClassAudio, sfu.ClassVideo}, {sfu.ClassRetransmission}, {sfu.ClassPadding}} {
		var now, before uint64
		for _, c := range class {
			now, before = now+x.Arrived[c], before+last.Arrived[c]
		}
		put(rate(now, before))
	}
	put(x.Counts.Received - last.Counts.Received)
	put(x.Counts.Lost - min(last.Counts.Lost, x.Counts.Lost)) // some were found again
	b = append(strconv.AppendFloat(b, x.Lost, 'f', 4, 64), ',')
	milliseconds := func(d time.Duration) { b = strconv.AppendFloat(b, d.Seconds()*1000, 'f', 2, 64) }
	milliseconds(x.Queue)
	b = append(b, ',')
	milliseconds(x.Queue)
	b = append(b, ',')
	milliseconds(x.RTT)
	b = append(b, '\n')
	l.row, l.last = b, x
	l.file.Take(sfu.Captured{At: x.At, Outgoing: true, Body: b})
}

// lineStatus is the state in numbers: 0 at the start, 1 regular, 2 with losses, 3 congested.
func lineStatus(x *sfu.Line) uint64 {
	switch x.Reason {
	case sfu.LineStarting:
		return 0
	case sfu.LineLoss:
		return 2
	case sfu.LineDelay, sfu.LineNoFeedback:
		return 3
	}
	return 1
}
