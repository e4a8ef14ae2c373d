package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// item is one element of a list of streams in a request, as far as it is
// given.
type item struct {
	feed              id
	hasFeed           bool
	mid, subMID       string
	hasMID            bool
	crossref          string
	hasSend, send     bool
	keyframe          bool
	layers            [numLayers]int8 // -1 = not given
	fallback          int64           // -1 = not given
	least, most       int
	hasLeast, hasMost bool
}

// settingFields are what can be set of an m-line.
var settingFields = []schema.Field{
	{Name: "mid", Type: schema.String},
	{Name: "send", Type: schema.Bool},
	{Name: "keyframe", Type: schema.Bool},
	{Name: "substream", Type: schema.Uint},
	{Name: "temporal", Type: schema.Uint},
	{Name: "spatial_layer", Type: schema.Uint},
	{Name: "temporal_layer", Type: schema.Uint},
	{Name: "fallback", Type: schema.Uint},
	{Name: "min_delay", Type: schema.Int},
	{Name: "max_delay", Type: schema.Int},
}

// fieldsOf are settingFields with others before them.
func fieldsOf(others ...schema.Field) []schema.Field { return append(others, settingFields...) }

func (p *Plugin) subscribeFields() []schema.Field {
	return fieldsOf(p.ids.Field("feed", true), schema.Field{Name: "crossrefid", Type: schema.String})
}

func (p *Plugin) unsubscribeFields() []schema.Field {
	return []schema.Field{
		p.ids.Field("feed", false),
		{Name: "mid", Type: schema.String},
		{Name: "sub_mid", Type: schema.String},
	}
}

// items checks and reads a list of streams.
func (p *Plugin) items(list []kit.Args, fields []schema.Field) ([]item, *schema.Error) {
	items := make([]item, 0, len(list))
	for _, v := range list {
		if !json.IsObject(v.Value) {
			return nil, errorf(errInvalidElement, "Invalid element type (streams should hold objects)")
		}
		x, err := p.item(v, fields)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, nil
}

func (p *Plugin) item(v kit.Args, fields []schema.Field) (item, *schema.Error) {
	x := item{fallback: -1}
	if err := check(fields, v); err != nil {
		return x, err
	}
	x.feed, x.hasFeed = p.ids.Parse(v.Get("feed"))
	x.mid, x.hasMID = v.Text("mid")
	x.subMID, x.crossref = v.Str("sub_mid"), v.Str("crossrefid")
	x.send, x.hasSend = v.Flag("send")
	x.keyframe = v.Is("keyframe")
	for i, name := range layerFields {
		n, ok := v.Number(name)
		if !ok {
			n = -1
		}
		if n > highest {
			return x, errorf(errInvalidElement, "Invalid value (%s should be 0, 1 or 2)", name)
		}
		x.layers[i] = int8(n)
	}
	if n, ok := v.Number("fallback"); ok {
		x.fallback = n
	}
	x.least, x.hasLeast = intOf(v, "min_delay")
	x.most, x.hasMost = intOf(v, "max_delay")
	return x, nil
}

func intOf(v kit.Args, name string) (int, bool) {
	n, ok := v.Number(name)
	return int(max(min(n, maxDelay), -1)), ok
}

// layered tells whether a layer is asked for.
func (x *item) layered() bool {
	for _, n := range x.layers {
		if n >= 0 {
			return true
		}
	}
	return false
}

// set takes over layers and delays. room.mu is held.
func (l *line) set(x *item) {
	for i, n := range x.layers {
		if n >= 0 {
			l.want[i] = n
		}
	}
	if x.fallback >= 0 {
		l.fallback = x.fallback
	}
	if x.hasLeast {
		l.setDelay(x.least, max(l.maxDelay, x.least))
	}
	if x.hasMost {
		least := l.minDelay
		if least < 0 || least > x.most {
			least = x.most
		}
		l.setDelay(least, x.most)
	}
}

// setDelay sets both ends of the playout delay; a negative one takes both back.
func (l *line) setDelay(least, most int) {
	if least < 0 || most < 0 {
		least, most = -1, -1
	}
	l.minDelay, l.maxDelay = least, most
}
