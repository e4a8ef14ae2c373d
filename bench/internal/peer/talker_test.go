package peer

import (
	"context"
	"testing"

	"bifrons/rtp/waittest"
)

// TestTalkers: what each says all hear, in order, but for the one that is deaf.
func TestTalkers(t *testing.T) {
	waittest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, j, _ := startServer(t, ctx)
	c, err := j.NewChat(ctx, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []*Talker
	for i := range 4 {
		x, err := c.Join(ctx, i+1, i == 3)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	c.Open()
	const each = 10
	for range each {
		for _, x := range all[:3] {
			x.Say()
		}
	}
	waittest.Until(t, "all hear all", func() bool { return c.Totals().Received == 3*3*each })
	c.Shut()
	if n := c.Totals(); n.Sent != 3*each || n.Strange != 0 || len(n.Trips) != 3*3*each || n.Trips[0] <= 0 {
		t.Errorf("%+v", n)
	}
	c.Close()
	j.Close()
	if !s.AwaitEmpty(patience) {
		t.Error("a peer connection is left")
	}
}
