package rabbitmq

import (
	"testing"

	"bifrons/api/broker/brokertest"
	"bifrons/api/event/rabbitmqevh"
	"bifrons/api/transport/transporttest"
)

// events is the test of the event handler, here because the broker is: every event of a call
// of three arrives once and in order, with the broker out of reach for a while. What was not
// confirmed when the connection broke may come again, under the same id.
func events(t *testing.T, b *brokertest.Broker) {
	gate := brokertest.NewGate(t, b.Address())
	s := rabbitmqevh.Defaults()
	s.Host, s.Port, s.RouteKey = "127.0.0.1", uint16(gate.Port()), "events"
	lab := transporttest.New(t)
	w := lab.Handle(rabbitmqevh.New(s, transporttest.Quiet()), s.Settings)
	ch := raw(t, b)
	must(ch.QueueDeclare("events", false, false, false, false, nil))(t)
	got := must(ch.Consume("events", "", true, false, false, false, nil))(t)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = ch.Close()
		<-done
	})
	go func() {
		defer close(done)
		known := make(map[string]bool)
		for d := range got {
			if d.ContentType != "application/json" || d.MessageId == "" {
				t.Errorf("%+v", d)
			}
			if !known[d.MessageId] {
				known[d.MessageId] = true
				w.Arrived(d.Body)
			}
		}
	}()
	call := lab.Call()
	w.Complete()
	gate.Shut()
	transporttest.Away(t, w)
	gate.Open()
	call.End()
	if n := w.Complete(); n != 0 {
		t.Errorf("%d events came twice", n)
	}
}
