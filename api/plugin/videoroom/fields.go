package videoroom

import (
	"strings"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
)

// streamsField is the list that most requests have their items in.
var streamsField = typed(schema.Array, "streams")

// roomFields are those of requests that make a room, and of its category in the file.
var roomFields = fields(new(settings).Settings().Fields(),
	typed(schema.Bool, "dummy_e2ee"), typed(schema.Array, "allowed", "dummy_streams"))

var createFields = fields(roomFields, typed(schema.String, "admin_key"), typed(schema.Bool, "permanent"))

var dummyFields = []schema.Field{
	{Name: "codec", Type: schema.String, Required: true},
	{Name: "fmtp", Type: schema.String},
}

var editFields = fields(new(settings).Settings().EditFields(), typed(schema.Bool, "permanent"))

var joinFields = []schema.Field{
	{Name: "ptype", Type: schema.String, Required: true},
	{Name: "token", Type: schema.String},
}

// publisherFields are the fields that joining and configuring share.
var publisherFields = fields(
	typed(schema.String, "display", "filename", "audiocodec", "videocodec"),
	typed(schema.Object, "metadata"),
	typed(schema.Bool, "audio", "video", "data", "record"),
	typed(schema.Uint, "bitrate"),
	kit.TalkingFields,
	typed(schema.Array, "descriptions"),
)

// publisherJoinFields are those of a join as participant.
func (p *Plugin) publisherJoinFields() []schema.Field {
	return append([]schema.Field{p.ids.Field("id", false)}, publisherFields...)
}

var streamFields = fields(
	typed(schema.String, "mid"),
	typed(schema.Bool, "send", "keyframe"),
	mline.DelayFields,
)

var configureFields = fields(publisherFields, streamFields,
	typed(schema.Bool, "update", "restart"), typed(schema.Array, "streams"))

var descriptionFields = []schema.Field{
	{Name: "mid", Type: schema.String, Required: true},
	{Name: "description", Type: schema.String, Required: true},
}

// settingFields are the settings of an m-line.
var settingFields = fields(typed(schema.String, "mid"), typed(schema.Bool, "send", "keyframe"), mline.Fields, mline.DelayFields)

// subscriberFields are those of a subscriber's configure.
var subscriberFields = fields(settingFields, typed(schema.Bool, "audio", "video", "data", "update", "restart"), mline.EstimationFields, streamsField)

// subscriberJoinFields are the fields of a subscriber's join besides those that every join
// has.
func (p *Plugin) subscriberJoinFields() []schema.Field {
	return fields(
		[]schema.Field{{Name: "streams", Type: schema.Array}, p.ids.Field("feed", false), {Name: "private_id", Type: schema.Uint}},
		typed(schema.Bool, "use_msid", "autoupdate", "offer_audio", "offer_video", "offer_data", "audio", "video", "data"),
		mline.Fields, mline.EstimationFields,
	)
}

func (p *Plugin) subscribeFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", true)}, typed(schema.String, "crossrefid"), settingFields)
}

func (p *Plugin) unsubscribeFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", false)}, typed(schema.String, "mid", "sub_mid"))
}

func (p *Plugin) switchFields() []schema.Field {
	return fields([]schema.Field{p.ids.Field("feed", true), {Name: "mid", Type: schema.String, Required: true},
		{Name: "sub_mid", Type: schema.String, Required: true}}, settingFields)
}

// addLevels says for the requests with fields at several places which field counts
// where.
func (p *Plugin) addLevels(t *kit.Table[*handle]) {
	static := func(l schema.Levels, names ...string) {
		for _, name := range names {
			t.SetLevels(name, func(*handle, kit.Args) schema.Levels { return l })
		}
	}
	static(createLevels, "create")
	static(inStreams(kit.Args{}, remoteFields, nil, remoteItem), "add_remote_publisher", "update_remote_publisher")
	static(inStreams(kit.Args{}, nil, nil, p.subscribeFields()), "subscribe")
	unsubscribe := inStreams(kit.Args{}, nil, nil, p.unsubscribeFields())
	unsubscribe.Unused = p.subscribeFields()
	static(unsubscribe, "unsubscribe")
	static(schema.Levels{Used: []schema.Level{
		{Fields: typed(schema.Array, "subscribe", "unsubscribe")},
		{In: "subscribe", Fields: p.subscribeFields()}, {In: "unsubscribe", Fields: p.unsubscribeFields()},
	}, Unused: streamsField}, "update")

	t.SetLevels("rtp_forward", forwardLevels)
	t.SetLevels("join", p.joinLevels)
	t.SetLevels("joinandconfigure", p.joinLevels)
	t.SetLevels("publish", configureLevels)
	t.SetLevels("configure", configureLevels)
	t.SetLevels("switch", p.switchLevels)
	static(schema.Levels{Used: []schema.Level{{Fields: p.watchFields()}}}, "watch")
}

// inStreams are the levels of a request with a list of streams. The fields in alone mean
// something at the top only without the list.
func inStreams(body kit.Args, top, alone, items []schema.Field) schema.Levels {
	if body.Has("streams") {
		alone = nil
	}
	return schema.Levels{Used: []schema.Level{{Fields: fields(streamsField, top, alone)}, {In: "streams", Fields: items}}}
}

var createLevels = schema.Levels{Used: []schema.Level{{Fields: createFields}, {In: "dummy_streams", Fields: dummyFields}}}

func forwardLevels(_ *handle, body kit.Args) schema.Levels {
	l := inStreams(body, fields(transportFields, typed(schema.String, "host")), forwardFields, forwardItem)
	l.Unused = forwardFields
	return l
}

func (p *Plugin) joinLevels(_ *handle, body kit.Args) schema.Levels {
	if ptype := body.Str("ptype"); !strings.EqualFold(ptype, "subscriber") {
		return schema.Levels{Used: []schema.Level{
			{Fields: fields(joinFields, p.publisherJoinFields())}, {In: "descriptions", Fields: descriptionFields},
		}}
	}
	l := inStreams(body, typed(schema.Any, "private_id", "use_msid", "autoupdate"),
		typed(schema.Any, "feed", "offer_audio", "offer_video", "offer_data"), p.subscribeFields())
	l.Unused = p.subscriberJoinFields()
	return l
}

func configureLevels(h *handle, body kit.Args) schema.Levels {
	if _, subscribes := h.is().(*subscriber); subscribes {
		return inStreams(body, typed(schema.Bool, "audio", "video", "data", "update", "restart"), settingFields, settingFields)
	}
	l := inStreams(body, fields(publisherFields, typed(schema.Bool, "update", "restart")), streamFields, streamFields)
	l.Used = append(l.Used, schema.Level{In: "descriptions", Fields: descriptionFields})
	return l
}

func (p *Plugin) switchLevels(_ *handle, body kit.Args) schema.Levels {
	return inStreams(body, nil, typed(schema.Any, "feed"), p.switchFields())
}

// fileLevels says which settings count where in the file. Those of requests,
// or of the category general, do not count.
var fileLevels = schema.Levels{
	Used: []schema.Level{
		{Fields: roomFields},
		{In: "dummy_streams", Fields: dummyFields},
	},
	Unused: typed(schema.Any, "admin_key", "permanent", "lock_rtp_forward", "string_ids", "events", "room"),
}

// fileGuards are the settings of a room that protect it.
var fileGuards = map[string]string{
	"secret": "everybody may manage the room", "pin": "everybody may join", "allowed": "everybody may join",
	"signed_tokens": "who has no token may join", "require_pvtid": "everybody may subscribe",
	"is_private": "the room is listed", "require_e2ee": "media may be unencrypted",
}
