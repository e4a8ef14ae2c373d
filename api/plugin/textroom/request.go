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

// call is one request on its way, by the API or by a data channel.
type call struct {
	h           *handle
	name        string // of the request
	body        kit.Args
	w           *json.Writer // the answer; its object is open
	channel     bool         // came by a data channel, and so goes the answer
	transaction string       // that the answer on a data channel has

	parcels  []parcel      // to be sent for it
	answered bool          // the answer is one of them
	silent   bool          // there is no answer
	done     chan struct{} // closed when they are sent; nil = there are none, or nobody waits
}

func (c *call) plugin() *Plugin { return c.h.plugin }

// put adds a text for some members.
func (c *call) put(text []byte, to []*member) {
	c.parcels = append(c.parcels, parcel{text: text, to: to})
}

// putOne adds a text for a handle.
func (c *call) putOne(text []byte, h *handle) {
	c.parcels = append(c.parcels, parcel{text: text, one: h.Host})
}

// answer completes the answer and puts it behind everything else, so that nothing of
// the room comes in between. Others are sent when the call is over. With an error, which
// is that of finish, nothing must be delivered.
func (c *call) answer() *schema.Error {
	if !c.channel || c.silent {
		return nil
	}
	text, err := c.finish()
	if err != nil {
		return err
	}
	c.answered = true
	c.putOne(text, c.h)
	return nil
}

// deliver has everything sent in the order of a room, whose mu is held.
func (c *call) deliver(r *room) {
	if !c.channel {
		r.byAPI.Add(1)
		r.deliver(c.parcels, func() { r.byAPI.Add(-1) })
		return
	}
	done := make(chan struct{})
	c.done = done
	r.deliver(c.parcels, func() { close(done) })
}

// finish is the answer on a data channel; an error if it does not fit into a message.
func (c *call) finish() ([]byte, *schema.Error) {
	c.w.Str("transaction", c.transaction)
	c.w.End()
	text := c.plugin().lay(c.w.Bytes())
	if len(text) > maxMessage {
		return nil, errorf(errUnknown, "The answer is too long for a data channel (%d bytes)", len(text))
	}
	return text, nil
}

// failure is the answer on a data channel to a request that failed.
func (c *call) failure(err *schema.Error) []byte {
	return c.plugin().text(func(w *json.Writer) {
		w.Str("textroom", "error")
		w.Int("error_code", int64(err.Code))
		w.Str("error", err.Text)
		if c.transaction != "" {
			w.Str("transaction", c.transaction)
		}
	})
}

// run does the request, which is not needed any more afterwards.
func (c *call) run() *schema.Error {
	row, err := c.plugin().requests.Row(c.name)
	if err == nil {
		err = codes.Check(row.Fields, c.body)
	}
	if err == nil {
		_, err = row.Run(c, nil, c.w)
	}
	return err
}

// wait waits until everything is sent. So no data channel has more than one request under way,
// and a client that sends faster than its rooms pass on is slowed down.
func (c *call) wait() {
	if c.done != nil {
		<-c.done
	}
}

// Data takes a request from a data channel.
func (h *handle) Data(_, _ string, binary bool, payload []byte) {
	if binary {
		return
	}
	c := &call{h: h, channel: true, w: json.NewWriter(make([]byte, 0, 128))}
	err, ok := c.take(payload)
	if !ok {
		return
	}
	c.wait()
	var text []byte
	if err == nil && !c.answered && !c.silent {
		text, err = c.finish()
	}
	if err != nil {
		text = c.failure(err)
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
func (c *call) take(text []byte) (*schema.Error, bool) {
	if len(text) > largeMessage {
		c.plugin().large <- struct{}{}
		defer func() { <-c.plugin().large }()
	}
	doc, bad := json.Parse(text)
	if bad != nil {
		return nil, false
	}
	defer doc.Release()
	c.body = kit.Args{Value: doc.Root()}
	if err := codes.Check(channelFields, c.body); err != nil {
		return err, true
	}
	c.name, c.transaction = c.body.Str("textroom"), c.body.Str("transaction")
	c.w.Object("")
	return c.run(), true
}
