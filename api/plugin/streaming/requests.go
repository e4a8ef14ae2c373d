package streaming

import (
	"slices"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// run does a request.
type run = kit.Run[*handle]

// requests is everything that the plugin understands. It depends on the type of
// ids.
func (p *Plugin) requests() *kit.Table[*handle] {
	t := &kit.Table[*handle]{Key: "streaming", Codes: codes, Log: p.Gateway.Logger()}
	id := p.ids.Field("id", true)
	t.Add("list", p.list, typed(schema.String, "admin_key")...)
	t.Add("info", p.info, id)
	t.Add("create", p.create, fields(typeField, []schema.Field{p.ids.Field("id", false)}, createFields, kindFields)...)
	t.Add("edit", p.edit, fields([]schema.Field{id}, editFields)...)
	t.Add("destroy", p.destroy, fields([]schema.Field{id}, permanentField)...)
	t.Add("kick_all", p.kickAll, id)
	t.Add("enable", p.enabling(true), id)
	t.Add("disable", p.enabling(false), fields([]schema.Field{id}, typed(schema.Bool, "stop_recording"))...)
	t.Add("recording", p.recording, id, schema.Field{Name: "action", Type: schema.String, Required: true})

	t.AddAsync("watch", (*handle).watch, fields([]schema.Field{id}, watchFields)...)
	t.AddAsync("start", (*handle).start)
	t.AddAsync("pause", (*handle).pause)
	t.AddAsync("stop", (*handle).stop)
	t.AddAsync("configure", (*handle).configure)
	t.AddAsync("switch", (*handle).switchTo)
	t.SetLevels("create", func(_ *handle, body kit.Args) schema.Levels {
		return createLevels(body.Lower("type"), body.Has("media"))
	})
	t.SetLevels("configure", configureLevels)
	t.SetLevels("recording", recordLevels)
	return t
}

var typed, fields = schema.Typed, slices.Concat[[]schema.Field]

// Of all settings, by where they mean something.
var (
	typeField      = []schema.Field{{Name: "type", Type: schema.String, Required: true}}
	permanentField = typed(schema.Bool, "permanent")
	kindFields     = typed(schema.Bool, "audio", "video", "data") // whether there is a kind of media, the old way

	createFields    = fields(new(settings).common(true).Fields(), permanentField)
	editFields      = fields(new(settings).common(true).EditFields(), permanentField, typed(schema.Bool, "edited_event"))
	broadcastFields = new(settings).broadcast().Fields()
	rtpFields       = fields(broadcastFields, typed(schema.Array, "media"), new(streamSettings).dataTable("").Fields())
	fileFields      = fields(new(settings).file(true).Fields(), new(streamSettings).formatTable("audio", false).Fields())
	rtspFields      = fields(broadcastFields, new(settings).camera(true).Fields(),
		new(streamSettings).formatTable("audio", false).Fields(), new(streamSettings).formatTable("video", false).Fields())
	itemFields = fields(typeField, []schema.Field{{Name: "mid", Type: schema.String, Required: true}})
)

// streamFields are those of a kind of stream, or with a prefix those in the old style.
func streamFields(kind sdp.Kind, prefix string) []schema.Field {
	return (&streamSettings{kind: kind}).table(prefix).Fields()
}

var watchFields = fields(typed(schema.Array, "media"), typed(schema.Bool, "offer_audio", "offer_video", "offer_data", "restart"), mline.Fields, mline.EstimationFields)

var configureFields = fields(typed(schema.String, "mid"), typed(schema.Bool, "send"), mline.Fields, mline.DelayFields, mline.EstimationFields)

// checkKind looks at the fields that depend on the type.
func checkKind(kind string, body kit.Args) *schema.Error {
	switch kind {
	case typeRTP:
		return checkRTP(body)
	case typeLive, typeOnDemand:
		return check(fileFields, body)
	case typeRTSP:
		return check(rtspFields, body)
	}
	return nil // build knows
}

func checkRTP(body kit.Args) *schema.Error {
	if err := check(rtpFields, body); err != nil {
		return err
	}
	if n, ok := body.Number(captureTimeField); ok && n < 1 {
		return errorf(errInvalidElement, "Invalid value (%s should be between 1 and 14)", captureTimeField)
	}
	if body.Has("media") {
		for _, item := range body.Items("media") { // items that are not objects lack everything
			if err := check(itemFields, item); err != nil {
				return err
			}
			if kind, ok := parseKind(item.Str("type")); ok {
				if err := check(streamFields(kind, ""), item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, old := range legacyKinds {
		if body.Is(old.prefix) {
			if err := check(streamFields(old.kind, old.prefix), body); err != nil {
				return err
			}
		}
	}
	return nil
}

// createLevels says which settings of a mountpoint mean something where: that
// depends on the type, and on whether its streams are described by media.
func createLevels(kind string, modern bool) schema.Levels {
	legacy, items := kindFields, itemFields
	for _, old := range legacyKinds {
		legacy = fields(legacy, streamFields(old.kind, old.prefix))
		items = fields(items, streamFields(old.kind, ""))
	}
	top := fields(createFields, typeField, typed(schema.Any, "id"))
	l := schema.Levels{Unused: fields(legacy, rtpFields, items, rtspFields, fileFields)}
	switch {
	case kind == typeRTP && modern:
		l.Used = []schema.Level{{Fields: fields(top, rtpFields)}, {In: "media", Fields: items}}
		return l
	case kind == typeRTP:
		top = fields(top, rtpFields, legacy)
	case kind == typeRTSP:
		top = fields(top, kindFields, rtspFields)
	default:
		top = fields(top, kindFields, fileFields)
	}
	l.Used = []schema.Level{{Fields: top}}
	return l
}

// configureLevels: what is at the top counts only without a list of streams.
func configureLevels(_ *handle, body kit.Args) schema.Levels {
	top := fields(kindFields, typed(schema.Array, "streams"))
	if !body.Has("streams") {
		top = append(top, configureFields...)
	}
	return schema.Levels{Used: []schema.Level{{Fields: top}, {In: "streams", Fields: configureFields}}}
}

// fileLevels says which settings count where in the file. Those of requests,
// or of the category general, do not count.
func fileLevels(kind string, modern bool) schema.Levels {
	requests := typed(schema.Any, "permanent", "admin_key", "rtp_port_range", "events", "string_ids", "file_folders")
	l := createLevels(kind, modern)
	top := &l.Used[0].Fields
	if !slices.Contains([]string{typeRTP, typeLive, typeOnDemand, typeRTSP}, kind) { // it is left out for that
		*top = fields(*top, l.Unused)
	}
	*top = slices.DeleteFunc(*top, func(f schema.Field) bool { return f.Name == "permanent" })
	l.Unused = fields(l.Unused, requests)
	return l
}

// fileGuards are the settings of a mountpoint that protect it.
var fileGuards = map[string]string{
	"secret": "everybody may manage the mountpoint", "pin": "everybody may watch", "is_private": "the mountpoint is listed",
}
