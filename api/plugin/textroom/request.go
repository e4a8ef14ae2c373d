package textroom

import (
	"runtime"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

const (
	// maxMessage is how many bytes a message on a data channel has, either way.
	maxMessage = 65535

	// Messages of more than largeMessage bytes are worked on by few at a time: parsed,
	// they may take a hundred times as much.
	largeMessage = 4 << 10
)

var maxLarge = max(runtime.GOMAXPROCS(0)/2, 1)

// request is one request on its way, by the API or by a data channel.
type request struct {
	h           *handle
	name        string // of the request
	body        kit.Args
	w           *json.Writer // the answer; its object is open
	channel     bool         // came by a data channel, and so goes the answer
	transaction string       // that the answer on a data channel has

	text     []byte        // the answer on a data channel once it is complete
	parcels  []parcel      // to be sent for it
	answered bool          // the answer is one of them
	silent   bool          // there is no answer
	done     chan struct{} // closed when they are sent; nil = there are none, or nobody waits
}

func (q *request) plugin() *Plugin { return q.h.plugin }

// put adds a text for some members.
func (q *request) put(text []byte, to []*member) {
	q.parcels = append(q.parcels, parcel{text: text, to: to})
}

// putOne adds a text for a handle.
func (q *request) putOne(text []byte, h *handle) {
	q.parcels = append(q.parcels, parcel{text: text, one: h.Host})
}

// answer completes the answer and puts it behind everything else, so that nothing of
// the room comes in between. Others are sent when the request is done. With an error, which
// is that of finish, nothing must be delivered.
func (q *request) answer() *schema.Error {
	if !q.channel || q.silent {
		return nil
	}
	text, err := q.finish()
	if err != nil {
		return err
	}
	q.answered = true
	q.putOne(text, q.h)
	return nil
}

// deliver has everything sent in the order of a room, whose mu is held.
func (q *request) deliver(r *room) {
	if !q.channel {
		r.byAPI.Add(1)
		r.deliver(q.parcels, func() { r.byAPI.Add(-1) })
		return
	}
	done := make(chan struct{})
	q.done = done
	r.deliver(q.parcels, func() { close(done) })
}

// finish completes the answer on a data channel; an error if it does not fit into a message.
func (q *request) finish() ([]byte, *schema.Error) {
	if q.text != nil {
		return q.text, nil
	}
	q.w.Str("transaction", q.transaction)
	q.w.End()
	text := q.plugin().lay(q.w.Bytes())
	if len(text) > maxMessage {
		return nil, errorf(errUnknown, "The answer is too long for a data channel (%d bytes)", len(text))
	}
	q.text = text
	return text, nil
}

// fits completes the answer on a data channel as finish does.
func (q *request) fits() *schema.Error {
	_, err := q.finish()
	return err
}

// failure is the answer on a data channel to a request that failed.
func (q *request) failure(err *schema.Error) []byte {
	return q.plugin().text(func(w *json.Writer) {
		w.Str("textroom", "error")
		w.Int("error_code", int64(err.Code))
		w.Str("error", err.Text)
		if q.transaction != "" {
			w.Str("transaction", q.transaction)
		}
	})
}

// run does the request, which is not needed any more afterwards.
func (q *request) run() *schema.Error {
	row, err := q.plugin().channel.Row(q.name)
	if err == nil {
		err = codes.Check(row.Fields, q.body)
	}
	if err == nil {
		_, err = row.Run(q, nil, q.w)
	}
	return err
}

// wait waits until everything is sent. So no data channel has more than one request under way,
// and a client that sends faster than its rooms pass on is slowed down.
func (q *request) wait() {
	if q.done != nil {
		<-q.done
	}
}

// Data takes a request from a data channel.
func (h *handle) Data(_, _ string, binary bool, payload []byte) {
	if binary {
		return
	}
	q := &request{h: h, channel: true, w: json.NewWriter(make([]byte, 0, 128))}
	err, ok := q.take(payload)
	if !ok {
		return
	}
	q.wait()
	var text []byte
	if err == nil && !q.answered && !q.silent {
		text, err = q.finish()
	}
	if err != nil {
		text = q.failure(err)
	}
	if text != nil {
		h.plugin.send(h.Host, text)
	}
}

var channelFields = []schema.Field{
	{Name: "textroom", Type: schema.String, Required: true, NotNull: true},
	{Name: "transaction", Type: schema.String, Required: true, NotNull: true},
}

// take parses a request and does it; false if it is no JSON.
func (q *request) take(text []byte) (*schema.Error, bool) {
	if len(text) > largeMessage {
		q.plugin().large <- struct{}{}
		defer func() { <-q.plugin().large }()
	}
	doc, bad := json.Parse(text)
	if bad != nil {
		return nil, false
	}
	defer doc.Release()
	q.body = kit.Args{Value: doc.Root()}
	if err := codes.Check(channelFields, q.body); err != nil {
		return err, true
	}
	q.name, q.transaction = q.body.Str("textroom"), q.body.Str("transaction")
	q.w.Object("")
	return q.run(), true
}
