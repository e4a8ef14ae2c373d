package janus

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bifrons/sfu"
)

// A row for each feedback, with rates since the one before.
func TestLineLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	f, err := sfu.OpenCapture(sfu.CaptureConfig{Path: path, Format: sfu.CaptureRows, Label: lineColumns})
	if err != nil {
		t.Fatal(err)
	}
	l := &lineLog{file: f}
	first := sfu.Line{At: sfu.Time(time.Hour), Target: 300_000, Reason: sfu.LineStarting, Queue: 12500 * time.Microsecond}
	first.Video.Bytes, first.Counts.Received = 1000, 10
	second := first
	second.At += sfu.Time(500 * time.Millisecond)
	second.Reason, second.Target, second.Probing, second.RTT, second.Lost = sfu.LineLoss, 500_000, 900_000, 50*time.Millisecond, 0.125
	second.Video.Bytes, second.Audio.Bytes, second.Resent.Bytes, second.Probed.Bytes = 2000, 500, 250, 125
	second.Arrived[sfu.ClassVideo], second.Arrived[sfu.ClassAudio], second.Arrived[sfu.ClassPadding] = 750, 250, 125
	second.Counts.Received, second.Counts.Lost = 17, 3
	other := sfu.Line{At: second.At + sfu.Time(time.Second)} // of another connection
	for _, x := range []sfu.Line{first, second, other} {
		l.add(x)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, want := range [][]string{
		{"time", "status", "estimate", "probing_target", "bitrate_out", "rtx_out", "probing_out", "bitrate_in", "rtx_in", "probing_in",
			"acked", "lost", "loss_ratio", "avg_delay", "avg_delay_weighted", "avg_delay_fb"},
		{"0", "300000", "0", "8000", "0", "0", "0", "0", "0", "10", "0", "0.0000", "12.50", "12.50", "0.00"},
		{"2", "500000", "900000", "24000", "4000", "2000", "16000", "0", "2000", "7", "3", "0.1250", "12.50", "12.50", "50.00"},
		{"0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0.0000", "0.00", "0.00", "0.00"},
	} {
		got := rows[i]
		if i > 0 {
			got = got[1:] // the time is that of the clock on the wall
		}
		for j := range want {
			if j >= len(got) || got[j] != want[j] {
				t.Errorf("row %d: %v, want %v", i, got, want)
				break
			}
		}
	}
}
