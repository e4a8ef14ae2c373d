package replay

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

const folder = "../../../testdata/replay"

// descriptions are the files in testdata/replay.
func descriptions(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no descriptions in %s: %v", folder, err)
	}
	return list
}

var zeroTime = time.Unix(1_700_000_000, 0)

// read reads a description and its capture.
func read(t *testing.T, path string) (*Description, []Datagram) {
	t.Helper()
	d, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	return d, list
}

func play(t *testing.T, path string) (*Description, *Result) {
	t.Helper()
	d, list := read(t, path)
	r, err := Play(d, list)
	if err != nil {
		t.Fatal(err)
	}
	return d, r
}

// TestReplay plays every capture: what leaves has to be sound, and the same as
// ever.
func TestReplay(t *testing.T) {
	for _, path := range descriptions(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			_, r := play(t, path)
			for _, p := range r.Check() {
				t.Error(p)
			}
			golden := strings.TrimSuffix(path, ".json") + ".golden"
			got := r.Golden()
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got)
		})
	}
}

// compare shows the first lines that differ.
func compare(t *testing.T, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	shown := 0
	for i := 0; i < max(len(w), len(g)) && shown < 10; i++ {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			t.Errorf("line %d is\n\t%s\nwant\n\t%s", i+1, b, a)
			shown++
		}
	}
}
