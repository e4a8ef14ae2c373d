// Package textroom is the plugin with rooms for text: messages on data channels go to
// everybody in the same room.
package textroom

import (
	"context"
	"sync/atomic"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
)

// Package is the name that clients attach to.
const Package = "janus.plugin.textroom"

// Plugin is the TextRoom plugin.
type Plugin struct {
	kit.Plugin[*handle]
	general general              // fixed
	ids     schema.IDs           // fixed
	channel *kit.Table[*request] // requests on data channels
	rooms   rooms.Desk[*room]
	stored  sum                              // histories
	warned  atomic.Pointer[time.Time]        // when it was last logged that rooms remember less
	posts   posts                            // texts for back ends
	large   chan struct{}                    // see largeMessage
	tasks   task.Tasks                       // that deliver
	send    func(h plugin.Host, text []byte) // fixed
}

// New makes the plugin, with a folder where janus.plugin.textroom.jcfg is. It has the
// plugin's settings and the rooms; those that are made permanent go there.
func New(folder string) *Plugin {
	p := &Plugin{large: make(chan struct{}, maxLarge)}
	p.send = p.sendText
	p.rooms = p.desk()
	p.File = kit.File{Folder: folder, Package: Package, General: p.loadGeneral}
	p.rooms.Keep(&p.File)
	p.NewHandle, p.Requests = p.newHandle, p.tables
	p.stored.most, p.posts.held.most = maxStored, maxPostBytes
	p.posts.ctx, p.posts.cancel = context.WithCancel(context.Background())
	return p
}

// Info describes the plugin.
func (p *Plugin) Info() module.Info {
	return module.Info{
		Package: Package, Name: "JANUS TextRoom plugin", Author: module.Author,
		Description:   "This is a plugin implementing rooms for text on data channels.",
		VersionString: "0.0.2", Version: 2,
	}
}

// Start reads the file with the rooms.
func (p *Plugin) Start(gw plugin.Gateway) error {
	p.posts.start(gw.Logger())
	return p.Plugin.Start(gw)
}

// Close ends the rooms, and gives up the texts that back ends have not got yet.
func (p *Plugin) Close() {
	p.rooms.Close()
	p.posts.close()
	p.tasks.Wait()
}

// Admin answers the synchronous requests.
func (p *Plugin) Admin(request *json.Value) ([]byte, error) {
	h := p.newHandle(p.Nobody())
	h.admin, h.over = true, true
	return p.Table.Admin(h.Host, h, request), nil
}
