package replay

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// rounds is how many times each capture is played to receivers made up at random.
const rounds = 10

// TestRandomReceivers plays the captures over networks and to receivers that are
// made up: what each of them gets has to be sound.
func TestRandomReceivers(t *testing.T) {
	for _, path := range descriptions(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			d, list := read(t, path)
			length := int(list[len(list)-1].At.Milliseconds())
			for seed := range uint64(rounds) {
				random := rand.New(rand.NewPCG(seed, 9))
				d.Network, d.Receivers = nil, nil
				if seed > 0 {
					d.Network = &Network{Seed: seed, Loss: random.Float64() * 0.1, Reorder: random.Float64() * 0.1, DelayMS: random.IntN(40)}
				}
				for i := range 4 {
					d.Receivers = append(d.Receivers, made(random, i, length))
				}
				r, err := Play(d, list)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for _, p := range r.Check() {
					t.Errorf("seed %d: %s", seed, p)
				}
			}
		})
	}
}

// made makes up a receiver.
func made(random *rand.Rand, i, length int) Receiver {
	r := Receiver{Name: fmt.Sprintf("random%d", i), Shard: random.IntN(2), NoRTX: random.IntN(2) == 0, JoinMS: random.IntN(length / 2)}
	if random.IntN(2) == 0 {
		r.Loss = random.Float64() * 0.2
	}
	at := r.JoinMS
	for range random.IntN(20) {
		layer := func() *int8 {
			n := int8(random.IntN(4) - 1)
			return &n
		}
		r.Steps = append(r.Steps, Step{AtMS: at, Encoding: layer(), Spatial: layer(), Temporal: layer()})
		at += random.IntN(length / 10)
	}
	return r
}
