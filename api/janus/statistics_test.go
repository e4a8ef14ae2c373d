package janus

import (
	"strings"
	"testing"
	"time"

	"bifrons/api/module"
)

// choosy is an event handler for some types only.
type choosy struct {
	recorder
	mask NotificationType
}

func (c *choosy) Takes(t NotificationType) bool { return c.mask&t != 0 }

func TestCoreNotifications(t *testing.T) {
	sink, deaf := &choosy{mask: NotifyCore}, &choosy{}
	c := newCore(t, Config{StatsPeriod: 2 * time.Second, Loggers: []Logger{jsonLogger{}}})
	c.AddSink(deaf)
	if !c.Notifying() || c.Notifies(NotifyCore) {
		t.Error("a handler that takes nothing is nobody, but is there")
	}
	c.AddSink(sink)
	c.NotifyStarted()
	cl := newClient(t, c)
	s := cl.create()
	cl.attach(s, "janus.plugin.echotest")
	cl.attach(s, "janus.plugin.echotest")
	c.notifyUpdate()
	c.NotifyShutdown(15)
	if len(deaf.list) != 0 || len(sink.list) != 3 {
		t.Fatalf("%v\n%v", deaf.list, sink.list)
	}
	for i, want := range []string{
		`{"status":"started","info":{"janus":"server_info","name":`,
		`{"status":"update","info":{"sessions":1,"handles":2,"peerconnections":0,"stats-period":2}}`,
		`{"status":"shutdown","signum":15}`,
	} {
		n := sink.list[i]
		if n.Type != NotifyCore || n.Subtype != []int{1, 1, 2}[i] || n.Session != 0 || !strings.HasPrefix(string(n.Event), want) {
			t.Errorf("%+v %s", n, n.Event)
		}
	}
	info := decode(t, sink.list[0].Event)["info"].(object)
	if info["loggers"].(object)["janus.logger.test"] == nil || info["transaction"] != nil {
		t.Errorf("%v", info)
	}
}

type jsonLogger struct{}

func (jsonLogger) Info() module.Info { return module.Info{Package: "janus.logger.test"} }
