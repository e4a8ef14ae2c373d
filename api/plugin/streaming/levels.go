package streaming

import (
	"slices"

	"bifrons/api/kit"
	"bifrons/api/schema"
)

// kindFields are whether there is a kind of media, the old way.
var kindFields = typed(schema.Bool, "audio", "video", "data")

// itemFields are what an item of media may have.
var itemFields = fields(streamFields, dataFields, typed(schema.Bool, "databuffermsg", "videosimulcast", "videosvc"))

// createLevels says which settings of a mountpoint mean something where: that
// depends on the type, and on whether its streams are described by media.
func createLevels(kind string, modern bool) schema.Levels {
	var legacy []schema.Field
	for _, old := range legacyKinds {
		legacy = append(legacy, legacyFields[old.prefix]...)
	}
	top := fields(createFields, []schema.Field{{Name: "type"}, {Name: "id"}})
	all := fields(kindFields, rtpFields, itemFields, legacy, rtspFields, fileFields)
	levels := func(more ...schema.Level) schema.Levels { return schema.Levels{Used: more, Unused: all} }
	switch {
	case kind == typeRTP && modern:
		return levels(schema.Level{Fields: fields(top, rtpFields)}, schema.Level{In: "media", Fields: itemFields})
	case kind == typeRTP:
		return levels(schema.Level{Fields: fields(top, kindFields, rtpFields, legacy)})
	case kind == typeRTSP:
		return levels(schema.Level{Fields: fields(top, kindFields, rtspFields)})
	}
	return levels(schema.Level{Fields: fields(top, kindFields, fileFields)})
}

func createRequestLevels(_ *handle, body kit.Args) schema.Levels {
	return createLevels(body.Lower("type"), body.Has("media"))
}

// configureLevels: what is at the top counts only without a list of streams.
func configureLevels(_ *handle, body kit.Args) schema.Levels {
	top := fields(kindFields, typed(schema.Array, "streams"))
	if !body.Has("streams") {
		top = append(top, configureFields...)
	}
	return schema.Levels{Used: []schema.Level{{Fields: top}, {In: "streams", Fields: configureFields}}}
}

// fileLevels is what means something where in the file. What belongs to requests,
// or to the category general, means nothing.
func fileLevels(kind string, modern bool) schema.Levels {
	requests := typed(schema.Any, "permanent", "admin_key", "rtp_port_range", "events", "string_ids", "file_folders")
	l := createLevels(kind, modern)
	if !slices.Contains([]string{typeRTP, typeLive, typeOnDemand, typeRTSP}, kind) { // it is left out for that
		l.Used[0].Fields = fields(l.Used[0].Fields, l.Unused)
	}
	l.Used[0].Fields = slices.DeleteFunc(slices.Clone(l.Used[0].Fields), func(f schema.Field) bool { return f.Name == "permanent" })
	l.Unused = fields(l.Unused, requests)
	return l
}

// fileGuards are the settings of a mountpoint that protect it.
var fileGuards = map[string]string{
	"secret": "everybody may manage the mountpoint", "pin": "everybody may watch", "is_private": "the mountpoint is listed",
}
