package transport

import (
	"context"
	"time"

	"bifrons/api/broker"
	"bifrons/api/task"
)

// lastMessages is how long a broker has at the end to take the messages that wait for it.
const lastMessages = 2 * time.Second

// connection is the id of a Runner's connection, the only one.
const connection = "1"

// Runner is the core of a transport by a broker: the connection that its sessions share, and the
// link that carries its waiting messages to the broker.
type Runner struct {
	Relay   *Relay
	Link    *broker.Link
	Control *Control

	tasks  task.Tasks
	cancel context.CancelFunc
}

// NewRunner makes a Runner, and fills in the defaults of c. Its Link needs an address, Dial and
// Next.
func NewRunner(pkg string, c *Common, core Core) *Runner {
	control := c.Control()
	return &Runner{
		Relay:   NewRelay(RelayConfig{Package: pkg, ID: connection, Queues: c.Queues, Log: c.Log}, core),
		Link:    &broker.Link{Name: pkg, Log: c.Log},
		Control: control,
	}
}

// Ready waits until a request may be taken.
func (r *Runner) Ready(ctx context.Context) bool { return r.Relay.Ready(ctx) }

// Notify passes an event about the connection on to the event handlers.
func (r *Runner) Notify(event any) { r.Control.Notify(connection, event) }

// Query answers query_transport.
func (r *Runner) Query(request []byte) []byte { return r.Control.Query(request, nil) }

// Start begins to connect, and serves until Close.
func (r *Runner) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.tasks.Log = r.Link.Log
	r.tasks.Go(func() { r.Link.Run(ctx) })
}

// Close sends the waiting messages, if there is a connection and as far as it can be done soon, and
// ends it.
func (r *Runner) Close() {
	r.Relay.Finish()
	if r.cancel != nil {
		if !r.Link.Up() {
			r.cancel()
		}
		late := time.AfterFunc(lastMessages, r.cancel)
		r.tasks.Wait()
		late.Stop()
		r.cancel()
	}
	r.Relay.Close()
}
