package streaming

import (
	"strings"

	"bifrons/api/json"
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

func createRequestLevels(_ *handle, body *json.Value) schema.Levels {
	return createLevels(lower(body.Get("type")), !json.IsNull(body.Get("media")))
}

// configureLevels: what is at the top counts only without a list of streams.
func configureLevels(_ *handle, body *json.Value) schema.Levels {
	top := fields(kindFields, typed(schema.Array, "streams"))
	if json.IsNull(body.Get("streams")) {
		top = append(top, configureFields...)
	}
	return schema.Levels{Used: []schema.Level{{Fields: top}, {In: "streams", Fields: configureFields}}}
}

// warnMisplaced tells of settings in the file that mean nothing where they are.
func (p *Plugin) warnMisplaced(src named, kind string) {
	_, modern := src.list("media")
	if list := createLevels(kind, modern).MisplacedInFile(src.Group); len(list) > 0 {
		p.gw.Logger().Warn("mountpoint with settings where they mean nothing", "file", p.general.file,
			"mountpoint", src.name, "settings", strings.Join(list, ", "))
	}
}
