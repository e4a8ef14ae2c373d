package main

import (
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// A receiver of events that hangs during fifty calls costs neither them nor
// signalling anything; when it comes back it gets what there was, in order.
func TestEventReceiverHangs(t *testing.T) {
	waittest.NoLeaks(t)
	b := &backend{t: t}
	hang := make(chan struct{})
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-hang
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	release := sync.OnceFunc(func() { close(hang) })
	t.Cleanup(release) // before the server is closed
	dir := handlerFile(t, "sampleevh", fmt.Sprintf(`general: { enabled = true; events = "all"; backend = %q }`, web.URL))
	s := testServer(t, func(c *config.Config) {
		c.Server.Events.Broadcast = true
		c.Folder = dir
	})
	const calls = 50
	frames := 40
	if os.Getenv("BIFRONS_SOAK") != "" {
		frames = 3000 // a minute
	}
	var all sync.WaitGroup
	handshakes := make(chan struct{}, 4)
	for i := range calls {
		all.Go(func() {
			handshakes <- struct{}{}
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Trickle: i%2 == 0})
			p.call(echoRequest(), nil)
			p.awaitUp()
			<-handshakes
			p.playAll(webrtctest.Pace{Frames: frames, Packets: 2, Every: 20 * time.Millisecond})
			p.Heard.Clean(t)
			p.Seen.Clean(t)
			p.Close()
			p.h.Close()
		})
	}
	all.Wait()
	if n := len(b.find(2, 0)); n != 0 {
		t.Fatalf("%d events got through a receiver that hangs", n)
	}
	for _, o := range s.events {
		if st := o.Stats(); st.Dropped != 0 || st.Lost != 0 {
			t.Errorf("%d events dropped and %d lost, below the bound of the queue", st.Dropped, st.Lost)
		}
	}
	release()
	waittest.Until(t, fmt.Sprintf("%d handles came and went, want %d", len(b.find(2, 0)), 2*calls), func() bool { return len(b.find(2, 0)) >= 2*calls })
	last := map[uint64]int64{} // those of different handles come about at the same time
	for _, n := range b.find(2, 0) {
		if n.Timestamp < last[n.Handle] {
			t.Fatal("events are out of order")
		}
		last[n.Handle] = n.Timestamp
	}
}
