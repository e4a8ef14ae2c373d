package main

import (
	"fmt"
	"testing"
	"time"
)

// rids are the encodings that janus.js makes, lowest first.
var rids = []string{"l", "m", "h"}

// TestBrowserDemoSimulcast drives the simulcast variant of the page of Debian's
// package janus-demos.
func TestBrowserDemoSimulcast(t *testing.T) {
	d := openDemo(t, "websockets", "?simulcast=true")
	d.start()
	top := d.awaitEncodings()
	d.awaitSubstream(top)
	s := d.checkPlaying(1280>>(2-top), 720>>(2-top))
	d.t.Logf("encodings: %+v", s.Out)
	d.checkSmooth()

	for _, n := range order(top) {
		d.click(fmt.Sprintf("#sl-%d", n))
		begun := time.Now()
		s := d.awaitSubstream(n)
		d.t.Logf("SL %d: %dx%d after %v, %d key frames, lost %d", n, s.In.Video.Width, s.In.Video.Height,
			time.Since(begun).Round(10*time.Millisecond), s.In.Video.KeyFrames, s.In.Video.Lost)
	}
	d.checkTemporal(rids[top])
	d.shot("end")
	d.stop()
	d.quiet()
}

// order is a way from the top through all substreams and back.
func order(top int) []int {
	if top < 2 {
		return []int{0, 1, 0, 1}
	}
	return []int{0, 2, 1, 2}
}

// awaitEncodings waits until the browser sends all three encodings, and returns
// the number of the highest. A browser short of power may never send the
// third.
func (b *tab) awaitEncodings() int {
	b.t.Helper()
	top := 0
	begun := time.Now()
	s := b.awaitStats("second encoding", func(s stats) bool {
		for n, rid := range rids {
			if s.Out[rid].Frames > 5 && s.Out[rid].FPS > 0 {
				top = max(top, n)
			}
		}
		return top == 2 || top == 1 && time.Since(begun) > browserPatience/2
	})
	if top < 2 {
		b.t.Logf("the browser does not send the third encoding: %+v", s.Out)
	}
	return top
}

// awaitSubstream waits until the picture has the size of an encoding, and the
// page shows that it gets this one.
func (d *demo) awaitSubstream(n int) stats {
	d.t.Helper()
	s := d.awaitStats(fmt.Sprintf("substream %d", n), func(s stats) bool {
		return s.In.Video.Width > 0 && s.In.Video.Width == s.Out[rids[n]].Width && s.In.Video.Height == s.Out[rids[n]].Height
	})
	d.awaitGreen("sl", n)
	return s
}

// awaitGreen waits until one of a row of buttons is the only one that is green,
// which is how the page shows what it was told.
func (d *demo) awaitGreen(row string, n int) {
	d.t.Helper()
	want := fmt.Sprintf("%s-%d", row, n)
	await(d.tab, "green button "+want, fmt.Sprintf(`$("#simulcast [id^=%s-].btn-success").map((_, b) => b.id).get().join()`, row),
		func(s string) bool { return s == want })
}

// checkTemporal takes the frame rate down and up. What counts is the share of
// the frames sent that comes back, as a busy machine sends fewer.
func (d *demo) checkTemporal(rid string) {
	d.t.Helper()
	share := func(what string, ok func(float64) bool) float64 {
		d.t.Helper()
		for deadline := time.Now().Add(browserPatience); ; {
			x := eval[stats](d.tab, "e2e.stats()")
			y := d.awaitStats("two seconds", func(s stats) bool { return s.At > x.At+2000 })
			sent, got := y.Out[rid].Frames-x.Out[rid].Frames, y.In.Video.Frames-x.In.Video.Frames
			r := float64(got) / float64(max(sent, 1))
			if sent > 10 && ok(r) {
				return r
			}
			if time.Now().After(deadline) {
				d.t.Fatalf("%s: %d frames of %d", what, got, sent)
			}
		}
	}
	full := share("all layers", func(r float64) bool { return r > 0.8 })
	d.click("#tl-0")
	d.awaitGreen("tl", 0)
	low := share("TL 0", func(r float64) bool { return r > 0 && r < 0.4*full })
	d.click("#tl-1")
	d.awaitGreen("tl", 1)
	more := share("TL 1", func(r float64) bool { return r > 0.4*full })
	d.t.Logf("share of the frames: all layers %.2f, TL 0 %.2f, TL 1 %.2f", full, low, more)
}
