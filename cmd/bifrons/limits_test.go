package main

import (
	"testing"

	"bifrons/api/config"
	"bifrons/api/log"
)

// Clients of the API leave some of the files that may be open to what runs.
func TestFilesInReserve(t *testing.T) {
	for files, want := range map[uint64]uint64{20: 16, 256: 64, 1024: 256, 65536: 4096, 1 << 30: 4096} {
		if got := reserve(files); got != want {
			t.Errorf("of %d files %d are kept", files, got)
		}
	}
	l, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &server{cfg: config.Default(), log: l.Logger()}
	if g := s.newGate(); g == nil || g.Connections() != 0 {
		t.Error("no gate")
	}
}
