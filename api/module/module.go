// Package module describes the parts of a server, for its clients.
package module

// Info describes a plugin, transport or event handler in server_info.
type Info struct {
	Package       string // "janus.plugin.echotest"
	Name          string // "JANUS EchoTest plugin"
	Author        string // Author for all of ours
	Description   string
	VersionString string // "0.0.7"
	Version       int
}

// APIVersion is the release of the Janus API that is spoken, as a number and as a text.
const (
	APIVersion       = 1401
	APIVersionString = "1.4.1"
)

// Author is the text that clients expect in the author fields.
const Author = "Meetecho s.r.l."
