package main

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/event/gelfevh"
	"bifrons/api/event/mqttevh"
	"bifrons/api/event/nanomsgevh"
	"bifrons/api/event/rabbitmqevh"
	"bifrons/api/event/sampleevh"
	"bifrons/api/event/wsevh"
	"bifrons/api/metrics"
	"bifrons/api/module"
)

// lastEvents is how long event handlers have to deliver the rest at the
// end.
const lastEvents = 3 * time.Second

// eventHandler is an event handler with the settings of its file.
type eventHandler struct {
	event.Handler
	settings event.Settings
	problems []config.Problem
}

// eventHandlers is the list of all event handlers. One with a wrong file is off.
func eventHandlers(folder string, log *slog.Logger) []eventHandler {
	sample, ofSample := sampleevh.Load(folder)
	ws, ofWS := wsevh.Load(folder)
	gelf, ofGELF := gelfevh.Load(folder)
	rabbit, ofRabbit := rabbitmqevh.Load(folder)
	mqtt, ofMQTT := mqttevh.Load(folder)
	nanomsg, ofNanomsg := nanomsgevh.Load(folder)
	list := []eventHandler{
		{sampleevh.New(sample, log), sample.Settings, ofSample},
		{wsevh.New(ws, log), ws.Settings, ofWS},
		{gelfevh.New(gelf, log), gelf.Settings, ofGELF},
		{rabbitmqevh.New(rabbit, log), rabbit.Settings, ofRabbit},
		{mqttevh.New(mqtt, log), mqtt.Settings, ofMQTT},
		{nanomsgevh.New(nanomsg, log), nanomsg.Settings, ofNanomsg},
	}
	for i := range list {
		if h := &list[i]; config.HasErrors(h.problems) {
			h.settings.Enabled = false
			soften(h.problems, "the event handler is off")
		}
	}
	return list
}

// soften makes warnings of errors in a file that the server can do without.
func soften(problems []config.Problem, effect string) {
	for i := range problems {
		if p := &problems[i]; !p.Warning {
			p.Warning, p.Effect = true, effect
		}
	}
}

// startEvents starts the event handlers, if there are any. Those that are
// off are listed, but get no events.
func (s *server) startEvents() {
	c := &s.cfg.Server
	if !c.Events.Broadcast {
		return
	}
	disabled := config.Modules{Disable: c.Events.Disable}.Disabled
	for _, h := range eventHandlers(s.cfg.Folder, s.log) {
		if disabled(shortName(h.Info().Package)) {
			continue
		}
		config.Report(s.log, h.problems)
		o := event.NewOutlet(h, h.settings, c.General.ServerName, s.log)
		o.Start()
		s.events = append(s.events, o)
		s.core.AddSink(o)
	}
}

// notifier takes the events of a transport to the event handlers; nil without
// any.
func (s *server) notifier(transport string) func(conn string, event []byte) {
	if len(s.events) == 0 {
		return nil
	}
	return func(conn string, event []byte) { s.core.NotifyTransport(transport, conn, event) }
}

// metrics is the page for monitoring.
func (s *server) metrics() http.Handler {
	commit, _ := module.Build()
	return metrics.Handler(metrics.Config{
		Core: s.core, Engine: s.engine, Gate: s.gate, Bodies: s.bodies, Queues: s.queues, Outlets: s.events,
		Version: module.APIVersionString, Commit: commit,
	})
}

// closeEvents says the last word, and ends the event handlers.
func (s *server) closeEvents() {
	if len(s.events) == 0 {
		return
	}
	s.core.NotifyShutdown(s.signal)
	var all sync.WaitGroup
	for _, o := range s.events {
		all.Go(func() { o.Close(lastEvents) })
	}
	all.Wait()
}
