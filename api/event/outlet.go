package event

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/schema"
	"bifrons/api/task"
)

// Handler is an event handler: it delivers events in its own way.
type Handler interface {
	// Info describes it in server_info.
	Info() module.Info

	// Run delivers the events of o.Next until they end, and not longer than ctx
	// lives.
	Run(ctx context.Context, o *Outlet)

	// Tweak checks the settings of its own in a request to change some. It
	// returns the function that changes them; or an error, and nothing is changed.
	Tweak(request json.Args) (apply func(), err *schema.Error)
}

// Info describes an event handler in server_info, by its name and the target of its events.
func Info(pkg, name, to string) module.Info {
	return module.Info{
		Package: pkg, Name: "JANUS " + name + "EventHandler plugin", Author: module.Author,
		Description:   "This event handler sends events to " + to + ".",
		VersionString: "0.0.1", Version: 1,
	}
}

// Fixed is a Handler's Tweak if there is nothing of its own to change.
type Fixed struct{}

// Tweak takes every request.
func (Fixed) Tweak(json.Args) (func(), *schema.Error) { return func() {}, nil }

// group is how many events are in one message at most.
const group = 100

// reportEvery is how often an outlet reports dropped events.
const reportEvery = 5 * time.Second

// Outlet stands between the core and an event handler.
type Outlet struct {
	handler Handler
	emitter string
	enabled bool
	log     *slog.Logger

	mask     atomic.Int64
	grouping atomic.Bool
	layout   atomic.Uint32

	queue  *queue
	cancel context.CancelFunc
	done   task.Tasks

	count   struct{ accepted, taken, dropped, lost atomic.Uint64 }
	pending atomic.Uint64             // dropped and lost that the log does not know yet
	told    atomic.Pointer[time.Time] // when that was last logged
}

var _ janus.Sink = (*Outlet)(nil)

// NewOutlet makes an outlet, which does nothing before Start. emitter is the
// server's name. A handler that is not enabled never gets an event.
func NewOutlet(h Handler, s Settings, emitter string, log *slog.Logger) *Outlet {
	o := &Outlet{handler: h, emitter: emitter, enabled: s.Enabled, log: log, queue: newQueue()}
	mask, _ := ParseMask(s.Events)
	layout, _ := json.ParseLayout(s.JSON)
	o.mask.Store(int64(mask))
	o.layout.Store(uint32(layout))
	o.grouping.Store(s.Grouping)
	return o
}

// Start lets the handler run.
func (o *Outlet) Start() {
	if !o.enabled {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	o.done.Log = o.log
	o.done.Go(func() { o.handler.Run(ctx, o) })
}

// lastStop is how long a handler may take to end when its time is over.
const lastStop = 2 * time.Second

// Close gives the handler the time to deliver the queued events, and ends it. One that
// does not end then is left alone.
func (o *Outlet) Close(patience time.Duration) {
	o.queue.close()
	if o.cancel == nil {
		return
	}
	late := time.AfterFunc(patience, o.cancel)
	if !o.done.WaitFor(patience + lastStop) {
		o.log.Warn("event handler does not end, closing without it", "handler", o.Info().Package)
	}
	late.Stop()
	o.cancel()
	events, _ := o.queue.depth()
	o.missed(&o.count.lost, events)
	o.report(true)
}

// Info describes the handler.
func (o *Outlet) Info() module.Info { return o.handler.Info() }

// Takes reports whether the handler wants events of a type.
func (o *Outlet) Takes(t janus.NotificationType) bool {
	return o.enabled && janus.NotificationType(o.mask.Load())&t != 0
}

// Notify queues an event, which nobody may change any more.
func (o *Outlet) Notify(n *janus.Notification) {
	if !o.Takes(n.Type) {
		return
	}
	o.count.accepted.Add(1)
	o.missed(&o.count.dropped, o.queue.put(n))
	o.report(false)
}

// Next waits for the next events: as many as may be in one message. It returns
// none when ctx has ended, or when nothing is left after Close.
func (o *Outlet) Next(ctx context.Context) []*janus.Notification {
	n := 1
	if o.grouping.Load() {
		n = group
	}
	return o.next(ctx, n)
}

// NextOne waits for the next event; nil for the end.
func (o *Outlet) NextOne(ctx context.Context) *janus.Notification {
	if list := o.next(ctx, 1); list != nil {
		return list[0]
	}
	return nil
}

func (o *Outlet) next(ctx context.Context, n int) []*janus.Notification {
	for ctx.Err() == nil {
		list, over := o.queue.take(n)
		if list != nil || over {
			o.count.taken.Add(uint64(len(list)))
			o.report(false)
			return list
		}
		select {
		case <-o.queue.filled:
		case <-o.queue.closing:
		case <-ctx.Done():
		}
	}
	return nil
}

// Message is the text of events: an array if events are grouped, whatever
// their number, else the only one.
func (o *Outlet) Message(list []*janus.Notification) []byte {
	w := json.NewWriter(make([]byte, 0, 512*len(list)))
	grouping := o.grouping.Load() || len(list) > 1
	if grouping {
		w.Array("")
	}
	for _, n := range list {
		Append(w, o.emitter, n)
	}
	if grouping {
		w.EndArray()
	}
	return o.Layout(w.Bytes())
}

// Layout brings a compact text into the layout that is set.
func (o *Outlet) Layout(text []byte) []byte {
	l := json.Layout(o.layout.Load())
	if l == json.Compact {
		return text
	}
	return json.Relayout(nil, text, l)
}

// Emitter is the server's name.
func (o *Outlet) Emitter() string { return o.emitter }

// Limit changes how many events may wait, and drops the oldest of those that
// are too many; 0 = the usual number.
func (o *Outlet) Limit(n int) {
	o.missed(&o.count.dropped, o.queue.setLimit(n))
	o.report(false)
}

// Lost counts events that were taken but could not be delivered.
func (o *Outlet) Lost(n int) {
	o.missed(&o.count.lost, n)
	o.report(false)
}

func (o *Outlet) missed(counter *atomic.Uint64, n int) {
	if n > 0 {
		counter.Add(uint64(n))
		o.pending.Add(uint64(n))
	}
}

// report logs that events are missing, every few seconds at most unless it has
// to be now.
func (o *Outlet) report(now bool) {
	if o.pending.Load() == 0 {
		return
	}
	last, at := o.told.Load(), time.Now()
	if !now && last != nil && at.Sub(*last) < reportEvery || !o.told.CompareAndSwap(last, &at) {
		return
	}
	if n := o.pending.Swap(0); n > 0 {
		o.log.Warn("event handler is too slow or out of reach, events are lost", "handler", o.Info().Package, "events", n)
	}
}

// Stats are the counts of an outlet since its start.
type Stats struct {
	Package       string
	Accepted      uint64 // events that the handler's mask let in
	Taken         uint64 // given to the handler
	Dropped       uint64 // for which there was no room in the queue
	Lost          uint64 // that could not be delivered
	Queued, Bytes int    // waiting now
}

// Stats returns the counts.
func (o *Outlet) Stats() Stats {
	events, bytes := o.queue.depth()
	return Stats{
		Package:  o.Info().Package,
		Accepted: o.count.accepted.Load(), Taken: o.count.taken.Load(),
		Dropped: o.count.dropped.Load(), Lost: o.count.lost.Load(),
		Queued: events, Bytes: bytes,
	}
}
