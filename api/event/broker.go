package event

import (
	"context"

	"bifrons/api/broker"
	"bifrons/api/janus"
)

// Publish delivers the events of an outlet over a Link, as messages that message makes of
// them, until they or ctx end. waiting is how many events may wait while there is no
// connection, 0 = the usual number. single has each event in a message of its own, whatever
// the settings say. The Link has neither Next nor State.
func (o *Outlet) Publish(ctx context.Context, l *broker.Link, waiting int, single bool, message func(list []*janus.Notification) *broker.Message) {
	l.Next = func(ctx context.Context) *broker.Message {
		next := o.Next
		if single {
			next = func(ctx context.Context) []*janus.Notification { return o.next(ctx, 1) }
		}
		list := next(ctx)
		if list == nil {
			return nil
		}
		m := message(list)
		m.Count = len(list)
		return m
	}
	l.State = func(s broker.State, _ error) {
		switch s {
		case broker.Connected:
			o.Limit(0)
		case broker.Lost, broker.Failed:
			o.Limit(waiting)
		}
	}
	l.Run(ctx)
	o.Lost(l.Pending())
}
