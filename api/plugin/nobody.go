package plugin

import (
	"bifrons/sfu"
)

var _ Host = Nobody{}

// Nobody stands in for the Host where there is no handle, as for requests of the
// Admin API. Its notices to event handlers are about no handle; without a
// Gateway nobody gets them.
type Nobody struct {
	Gateway Gateway
	Package string
}

// Notify sends an event of the plugin.
func (n Nobody) Notify(data []byte) {
	if n.Gateway != nil {
		n.Gateway.Notify(n.Package, data)
	}
}

func (Nobody) SessionID() uint64                { return 0 }
func (Nobody) HandleID() uint64                 { return 0 }
func (Nobody) OpaqueID() string                 { return "" }
func (Nobody) Token() string                    { return "" }
func (Nobody) Push(string, []byte, *JSEP) error { return nil }
func (Nobody) Tell(string, []byte)              {}
func (Nobody) Reserve() Place                   { return nowhere{} }
func (Nobody) Peer() *sfu.Peer                  { return nil }
func (Nobody) Up() bool                         { return false }
func (Nobody) ClosePeer()                       {}
func (Nobody) End()                             {}
func (Nobody) Run(f func())                     { f() }

type nowhere struct{}

func (nowhere) Release() {}
