package script

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// Errors that scripts get.
var (
	errNoSession = errors.New("no such session")
	errJSON      = errors.New("no JSON")
	errNoObject  = errors.New("no JSON object")
	errNotReady  = errors.New("data channels are not ready")
)

// done is the result of functions that succeeded.
const done = float64(0)

// noObject is the result of pushEvent for JSON that is no object: the core's code for that.
const noObject = float64(455)

// id types the session that a function is about, and the arguments after it.
func id(more ...Type) []Type { return append([]Type{Number}, more...) }

// functionTable is that of the functions that scripts of all languages may call.
func functionTable() []Function {
	packet := id(Bool, Buffer, Number)
	text := id(Text, Number, Optional, Optional)
	binary := id(Buffer, Number, Optional, Optional)
	table := []Function{
		{"pokeScheduler", nil, 0, func(c *Call) (Value, error) { c.run.poke(); return done, nil }},
		{"timeCallback", []Type{Text, Optional, Number}, 3, (*Call).timeCallback},
		{"pushEvent", id(Optional, Text, Optional), 4, (*Call).pushEvent},
		{"notifyEvent", id(Text), 2, (*Call).notifyEvent},
		{"eventsIsEnabled", nil, 0, (*Call).eventsIsEnabled},
		{"closePc", id(), 1, session((*handle).closePeer)},
		{"endSession", id(), 1, session((*handle).end)},
		{"configureMedium", id(Text, Text, Bool), 4, (*Call).configureMedium},
		{"addRecipient", id(Number), 2, pair((*handle).addRecipient)},
		{"removeRecipient", id(Number), 2, pair((*handle).removeRecipient)},
		{"setBitrate", id(Number), 2, value((*handle).setBitrate)},
		{"setPliFreq", id(Number), 2, value((*handle).setKeyframePeriod)},
		{"setSubstream", id(Number), 2, value((*handle).setSubstream)},
		{"setTemporalLayer", id(Number), 2, value((*handle).setTemporal)},
		{"sendPli", id(), 1, session((*handle).requestKeyframe)},
		{"relayRtp", packet, 4, (*Call).relayRTP},
		{"relayRtcp", packet, 4, (*Call).relayRTCP},
		{"relayTextData", text, 3, (*Call).relayText},
		{"relayData", text, 3, (*Call).relayText},
		{"relayBinaryData", binary, 3, (*Call).relayBinary},
		{"startRecording", id(Text, Optional, Optional, Optional, Text, Optional, Optional, Optional, Text, Optional, Optional, Optional), 5, (*Call).startRecording},
		{"stopRecording", id(Text, Text, Text), 2, (*Call).stopRecording},
		{"testExtraFunction", nil, 0, func(c *Call) (Value, error) {
			c.run.p.Gateway.Logger().Info("an extra function was called")
			return done, nil
		}},
	}
	return table
}

// names are the functions of a language.
func (l *Language) table() []Function {
	return append(slices.DeleteFunc(functionTable(), func(f Function) bool {
		return slices.Contains(l.Without, f.Name)
	}), l.Functions...)
}

// session runs a function about one session.
func session(f func(h *handle) error) func(c *Call) (Value, error) {
	return func(c *Call) (Value, error) {
		h, err := c.session(0)
		if err != nil {
			return nil, err
		}
		return done, f(h)
	}
}

// value is session for functions with a number.
func value(f func(h *handle, n int64) error) func(c *Call) (Value, error) {
	return func(c *Call) (Value, error) {
		h, err := c.session(0)
		if err != nil {
			return nil, err
		}
		return done, f(h, c.number(1))
	}
}

// pair is session for functions about two.
func pair(f func(h, other *handle)) func(c *Call) (Value, error) {
	return func(c *Call) (Value, error) {
		h, err := c.session(0)
		if err != nil {
			return nil, err
		}
		other, err := c.session(1)
		if err != nil {
			return nil, err
		}
		f(h, other)
		return done, nil
	}
}

// session is the session that an argument names.
func (c *Call) session(i int) (*handle, error) {
	p, n := c.run.p, c.number(i)
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.sessions[n]; h != nil && h.run == c.run {
		return h, nil
	}
	return nil, errNoSession
}

// maxDelay is the longest time of a timer.
const maxDelay = 30 * 24 * time.Hour

func (c *Call) timeCallback() (Value, error) {
	n := c.number(2)
	if n < 0 || n > maxDelay.Milliseconds() {
		return nil, fmt.Errorf("%d is no number of milliseconds", n)
	}
	return done, c.run.after(time.Duration(n)*time.Millisecond, c.text(0), c.args[1])
}

// object checks the text of an object, which is made compact.
func object(text string) ([]byte, error) {
	doc, bad := json.Parse([]byte(text))
	if bad != nil {
		return nil, fmt.Errorf("%w: %w", errJSON, bad)
	}
	defer doc.Release()
	if !json.IsObject(doc.Root()) {
		return nil, errNoObject
	}
	w := json.NewWriter(nil)
	w.Value("", doc.Root())
	return w.Bytes(), nil
}

func (c *Call) pushEvent() (Value, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, err
	}
	data, err := object(c.text(2))
	if err == errNoObject {
		return noObject, nil
	}
	if err != nil {
		return nil, err
	}
	e := event{transaction: c.text(1), data: data}
	if c.has(3) {
		if e.jsep, err = parseJSEP(c.text(3)); err != nil {
			return nil, err
		}
	}
	return done, h.push(e)
}

// parseJSEP reads a description of a script's.
func parseJSEP(text string) (*plugin.JSEP, error) {
	doc, bad := json.Parse([]byte(text))
	if bad != nil {
		return nil, fmt.Errorf("%w: %w", errJSON, bad)
	}
	defer doc.Release()
	a := json.Args{Value: doc.Root()}
	d, err := sdp.Parse(a.Str("sdp"))
	if err != nil {
		return nil, fmt.Errorf("jsep: %w", err)
	}
	switch a.Lower("type") {
	case "offer":
		d.Type = sdp.TypeOffer
	case "answer":
		d.Type = sdp.TypeAnswer
	default:
		return nil, errors.New("jsep: the type is neither offer nor answer")
	}
	t := d.Type
	d = d.Anonymise()
	d.Type = t
	return &plugin.JSEP{SDP: d, E2EE: a.Is("e2ee"), Restart: a.Is("restart")}, nil
}

func (c *Call) notifyEvent() (Value, error) {
	p := c.run.p
	data, err := object(c.text(1))
	if err != nil {
		return nil, err
	}
	if !p.Events.Wanted() {
		return done, nil
	}
	if h, err := c.session(0); err == nil {
		h.Host.Notify(data)
	} else {
		p.Nobody().Notify(data)
	}
	return done, nil
}

func (c *Call) eventsIsEnabled() (Value, error) {
	if c.run.p.Events.Wanted() {
		return float64(1), nil
	}
	return float64(0), nil
}

func (c *Call) configureMedium() (Value, error) {
	h, err := c.session(0)
	if err != nil {
		return nil, err
	}
	if k, ok := plugin.ParseKind(c.text(1)); ok { // others have no effect
		h.configure(k, c.text(2) == "in", c.bool(3))
	}
	return done, nil
}

// WriteLog runs a function that writes to the log: a level of the Janus log and a text.
func WriteLog(c *Call) (Value, error) {
	c.run.p.write(int(min(max(c.number(0), 1), 7)), c.text(1))
	return done, nil
}
