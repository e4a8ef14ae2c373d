// Package videocall is the plugin for calls between two registered users.
package videocall

import (
	"sync"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/module"
	"bifrons/api/plugin"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.videocall"

// Plugin is the VideoCall plugin.
type Plugin struct {
	kit.Plugin[*handle]

	// mu guards the registered users, all calls, and clients' settings. Nothing
	// waits under it: messages to clients are handed to their executors, and the
	// engine only gets commands.
	mu    sync.Mutex
	users map[string]*handle
}

// New makes the plugin, with a folder where janus.plugin.videocall.jcfg is.
func New(folder string) *Plugin {
	p := &Plugin{users: make(map[string]*handle)}
	p.File = kit.File{Folder: folder, Package: Package, General: p.Events.General}
	p.NewHandle = p.newHandle
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS VideoCall plugin", Author: module.Author,
		Description: "This is a simple video call plugin for Janus, allowing two WebRTC peers to call each other " +
			"through a server.",
		VersionString: "0.0.6", Version: 6,
	}
}

func (p *Plugin) newHandle(host plugin.Host) *handle {
	h := &handle{Handle: kit.Handle{Host: host}, plugin: p}
	h.reset()
	return h
}

// result is an event with a result.
func result(fields func(w *json.Writer)) []byte {
	return json.Object(func(w *json.Writer) { writeResult(w, fields) })
}

// writeResult writes the fields that an event with a result has.
func writeResult(w *json.Writer, fields func(w *json.Writer)) {
	kit.WriteResult(w, "videocall", fields)
}

// news writes the result of an event: username and reason may be "".
func news(event, username, reason string) func(w *json.Writer) {
	return func(w *json.Writer) {
		w.Str("event", event)
		w.OptStr("username", username)
		w.OptStr("reason", reason)
	}
}

// done is the answer to a request that has worked.
func done(w *json.Writer, fields func(w *json.Writer)) kit.Response {
	writeResult(w, fields)
	return kit.Response{}
}
