package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
)

// item is one element of a list of streams in a request, as far as it is
// given.
type item struct {
	feed          id
	hasFeed       bool
	mid, subMID   string
	hasMID        bool
	crossref      string
	hasSend, send bool
	keyframe      bool
	change        mline.Change
}

// settingFields are what can be set of an m-line.
var settingFields = fields(typed(schema.String, "mid"), typed(schema.Bool, "send", "keyframe"), mline.Fields, mline.DelayFields)

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
	var x item
	err := check(fields, v)
	if err == nil {
		err = mline.Check(v, errInvalidElement)
	}
	if err != nil {
		return x, err
	}
	x.feed, x.hasFeed = p.ids.Parse(v.Get("feed"))
	x.mid, x.hasMID = v.Text("mid")
	x.subMID, x.crossref = v.Str("sub_mid"), v.Str("crossrefid")
	x.send, x.hasSend = v.Flag("send")
	x.keyframe = v.Is("keyframe")
	x.change = mline.Read(v)
	return x, nil
}

// set takes over layers and delays. room.mu is held.
func (l *line) set(x *item) {
	l.layers.Set(x.change)
	l.delay.Set(x.change.Delay)
}
