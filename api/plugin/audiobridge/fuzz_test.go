package audiobridge

import (
	"strings"
	"testing"

	"bifrons/api/json"
	"bifrons/api/plugin/plugintest"
)

// FuzzRequest gives requests to a client in a room, to one that is in none and to the Admin
// API: nothing breaks, and all that comes of it is JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"{'request':'join','room':1,'id':2,'display':'F','muted':true,'volume':9,'quality':1,'expected_loss':3,'bitrate':600,'spatial_position':8,'group':'a'}",
		"{'request':'join','room':1,'codec':'pcmu','record':false,'audio_level_average':1,'audio_active_packets':3,'generate_offer':true}",
		"{'request':'changeroom','room':2,'suspended':true,'pause_events':true}", "{'request':'configure','muted':false,'rtp':{'ip':'','port':0}}",
		"{'request':'create','room':3,'groups':['a','b'],'sampling_rate':8000,'spatial_audio':true,'allowed':[],'default_bitrate':1,'mjrs_dir':'x'}",
		"{'request':'edit','room':1,'new_pin':'','new_description':'x'}", "{'request':'allowed','room':1,'action':'add','allowed':['a']}",
		"{'request':'mute','room':1,'id':1}", "{'request':'suspend','room':1,'id':1,'stop_record':true}", "{'request':'resume','room':1,'id':1}", "{'request':'kick','room':1,'id':1}",
		"{'request':'kick_all','room':1}", "{'request':'mute_room','room':1}", "{'request':'destroy','room':2}", "{'request':'list','admin_key':null}",
		"{'request':'stop_rtp_forward','room':1,'stream_id':1}", "{'request':'is_playing','room':1,'file_id':''}", "{'request':'stop_all_files','room':1}",
		"{'request':'leave'}", "{'request':'hangup'}", "{'request':'resetdecoder'}", "{'request':'exists','room':18446744073709551615}", "[]",
	} {
		f.Add(quoted(seed), quoted("{'request':'join','room':2}"))
	}
	core := plugintest.New(f, New(f.TempDir()), plugintest.Config{})
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, text := range []string{first, second} {
			for _, far := range []string{"host", "filename", "record", "mjrs", "rtp", "\\u"} {
				if strings.Contains(strings.ToLower(text), far) {
					return // nothing goes out of here
				}
			}
		}
		for _, room := range []string{"1", "2"} {
			core.Admin(`{"request":"create","room":` + room + `,"audiolevel_event":true,"spatial_audio":true}`)
		}
		a, b := core.Attach(plugintest.Options{Deaf: true}), core.Attach(plugintest.Options{})
		a.Message("t", `{"request":"join","room":1,"id":1}`, nil)
		for _, text := range []string{first, second} {
			doc, err := json.Parse([]byte(text))
			if err != nil || !json.IsObject(doc.Root()) {
				continue
			}
			doc.Release()
			a.Message("t", text, nil)
			b.Message("t", text, nil)
			core.Admin(text)
		}
		core.Settle()
		for _, c := range []*plugintest.Client{a, b} {
			c.Query()
			for _, e := range c.Events() {
				doc, err := json.Parse([]byte(e.Data))
				if e.Kind == "" && err != nil {
					t.Fatalf("%v: %q", err, e.Data)
				}
				if err == nil {
					doc.Release()
				}
			}
			c.Detach()
		}
		for _, room := range []string{"1", "2"} {
			core.Admin(`{"request":"destroy","room":` + room + `}`)
		}
	})
}
