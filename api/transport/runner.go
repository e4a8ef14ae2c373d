package transport

import (
	"context"
	"time"

	"bifrons/api/broker"
	"bifrons/api/task"
)

// lastMessages is how long a broker has at the end to take what waits for it.
const lastMessages = 2 * time.Second

// Runner carries what waits in a Relay to a broker.
type Runner struct {
	Relay *Relay
	Link  *broker.Link

	tasks  task.Tasks
	cancel context.CancelFunc
}

// Start begins to connect.
func (r *Runner) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.tasks.Log = r.Link.Log
	r.tasks.Go(func() { r.Link.Run(ctx) })
}

// Close sends what waits, if there is a connection and as far as it can be done soon, and
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
