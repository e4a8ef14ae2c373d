package plugintest

import (
	"slices"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// RecordFilm has a client send a film to a plugin that answers its offer with {"result":"ok"},
// records audio and video into those files from the time that it notifies event handlers of
// {"recording":true}, and stops on a message without an offer.
func (c *Core) RecordFilm(video, audio string) {
	c.t.Helper()
	p := webrtctest.NewReceiver(c.t, webrtctest.Options{})
	film := webrtctest.NewFilm(p)
	client := c.Connect(Options{})
	client.Message("t", `{}`, client.Remote("offer", p.Offer(nil)))
	p.Accept(client.AwaitText(`"result":"ok"`).SDP)
	client.AwaitText("[webrtcup]")
	p.AwaitConnected()
	waittest.Until(c.t, "it records", func() bool { return slices.Contains(c.Notices(), `{"recording":true}`) })
	packets := film.Play()
	waittest.Until(c.t, "nearly all packets are recorded", func() bool {
		n, _ := c.Engine().RecordTotals()
		return n.Packets >= uint64(packets)*9/10
	})
	if res := client.Message("t", `{}`, nil); string(res.Data) != `{"result":0}` {
		c.t.Errorf("stopped: %+v", res)
	}
	waittest.Until(c.t, "the files are whole", func() bool { _, n := c.Engine().RecordTotals(); return n == 0 })
	film.CheckRecordings(video, audio)
}
