package ua

import "testing"

// Key frames are asked for one at a time, and not of who refuses.
func TestPicture(t *testing.T) {
	inBubble(t, Config{}, func(b *bench) {
		a, h := b.account(b.e, "alice")
		c, _ := b.inCall(a)
		for range 3 {
			c.RequestPicture()
		}
		m := b.phone.next("INFO")
		x := Content{Type: m.Get("Content-Type") + "; x=y", Body: m.Body}
		if !x.WantsPicture() || (&Content{Type: "text/plain", Body: m.Body}).WantsPicture() || (&Content{Type: x.Type}).WantsPicture() {
			t.Errorf("%q", m.Raw)
		}
		b.pass(0)
		b.phone.none()
		b.phone.reply(m, "200 OK")
		b.pass(0)
		c.RequestPicture()
		b.phone.reply(b.phone.next("INFO"), "415 Unsupported Media Type")
		b.pass(0)
		c.RequestPicture()
		b.pass(0)
		b.phone.none()
		if c.State() != Established || h.count("ended") != 0 {
			t.Error(c.State(), h.kinds())
		}
	})
}
