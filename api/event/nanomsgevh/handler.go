// Package nanomsgevh delivers events by a socket of the publish pattern of nanomsg (NN_PUB).
package nanomsgevh

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"bifrons/api/broker/nanomsg"
	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/module"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.nanomsgevh"

// retry is the pause before a socket that could not be opened is tried again.
const retry = 5 * time.Second

// Settings are those of janus.eventhandler.nanomsgevh.jcfg.
type Settings struct {
	event.Settings
	Mode    string `cfg:"mode" enum:"bind|connect"`
	Address string `cfg:"address"`
}

// Defaults are the settings of an empty file.
func Defaults() Settings { return Settings{Settings: event.Defaults(), Mode: "connect"} }

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	if s.Enabled {
		problems = append(problems, config.CheckNanomsg(Package, "general", "address", s.Address)...)
	}
	return s, problems
}

// Handler is the event handler.
type Handler struct {
	event.Fixed
	settings Settings
	log      *slog.Logger
	socket   atomic.Pointer[nanomsg.Socket] // that runs
}

// New makes a Handler.
func New(s Settings, log *slog.Logger) *Handler { return &Handler{settings: s, log: log} }

// Info describes the handler in server_info.
func (h *Handler) Info() module.Info { return event.Info(Package, "Nanomsg", "subscribers by nanomsg") }

// Run delivers events to all subscribers there are. While there is none, they wait. Nanomsg
// acknowledges nothing: events on their way to a subscriber that leaves are lost.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	socket := h.open(ctx)
	if socket == nil {
		return
	}
	defer socket.Close()
	h.socket.Store(socket)
	for {
		list := o.Next(ctx)
		if list == nil {
			return
		}
		if !socket.Send(ctx, o.Message(list)) {
			o.Lost(len(list))
			return
		}
	}
}

// open opens the socket, however long that takes; nil if ctx is over before.
func (h *Handler) open(ctx context.Context) *nanomsg.Socket {
	for told := false; ctx.Err() == nil; told = true {
		s, err := nanomsg.Open(nanomsg.Config{Kind: nanomsg.Publish, Connect: h.settings.Mode == "connect", Address: h.settings.Address})
		if err == nil {
			return s
		}
		if !told {
			h.log.Error("event handler cannot open its socket, trying again", "handler", Package, "error", err)
		}
		event.Pause(ctx, retry)
	}
	return nil
}
