package audiobridge

import (
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// TestRooms: rooms are made, listed, changed and destroyed.
func TestRooms(t *testing.T) {
	b := newBridge(t, `general: { admin_key = "k" }
room-1: { sampling_rate = 48000, description = "one", secret = "s", pin = "p", spatial_audio = true }
room-2: { sampling_rate = 16000, is_private = yes }`)
	c := b.client()
	for _, x := range []struct{ request, want string }{
		{"{'request':'create','room':3}", failure("483", "Missing mandatory element (admin_key)")},
		{"{'request':'create','room':3,'admin_key':'x'}", failure("489", "Unauthorized (wrong admin_key)")},
		{"{'request':'CREATE','room':3,'admin_key':'k'}", "{'audiobridge':'created','room':3,'permanent':false}"},
		{"{'request':'create','room':3,'admin_key':'k'}", failure("486", "Room 3 already exists")},
		{"{'request':'create','room':null,'admin_key':'k'}", failure("484", "Invalid element type (room should be a positive integer)")},
		{"{'request':'create','sampling_rate':12345,'admin_key':'k'}", failure("499", "Unsupported sampling rate 12345")},
		{"{'request':'create','sampling':1,'admin_key':'k'}", failure("499", "Unsupported sampling rate 1")},
		{"{'request':'create','room':4,'sampling':8000,'default_prebuffering':9,'groups':['a','b','a'],'admin_key':'k'}", "{'audiobridge':'created','room':4,'permanent':false}"},
		{"{'request':'create','groups':['a',5],'admin_key':'k'}", failure("484", "Invalid element in the groups array (at most 5 names of at most 256 bytes)")},
		{"{'request':'create','groups':['1','2','3','4','5','6'],'admin_key':'k'}", failure("484", "Invalid element in the groups array (at most 5 names of at most 256 bytes)")},
		{"{'request':'list'}", "{'audiobridge':'success','list':[" +
			"{'room':1,'pin_required':true,'muted':false,'num_participants':0,'description':'one','sampling_rate':48000,'spatial_audio':true,'record':false}," +
			"{'room':3,'pin_required':false,'muted':false,'num_participants':0,'description':'Room 3','sampling_rate':16000,'spatial_audio':false,'record':false}," +
			"{'room':4,'pin_required':false,'muted':false,'num_participants':0,'description':'Room 4','sampling_rate':8000,'spatial_audio':false,'record':false}]}"},
		{"{'request':'list','admin_key':'wrong'}", failure("489", "Unauthorized (wrong admin_key)")},
		{"{'request':'edit','room':1,'new_description':'eins'}", failure("483", "Missing mandatory element (secret)")},
		{"{'request':'edit','room':1,'secret':'s','new_description':'','new_pin':'','new_record_dir':'/r'}", "{'audiobridge':'edited','room':1,'permanent':false}"},
		{"{'request':'exists','room':1}", "{'audiobridge':'success','room':1,'exists':true}"},
		{"{'request':'exists','room':9}", "{'audiobridge':'success','room':9,'exists':false}"},
		{"{'request':'allowed','room':3,'action':'add','allowed':['a']}", "{'audiobridge':'success','room':3,'allowed':['a']}"},
		{"{'request':'allowed','room':3,'action':'disable'}", "{'audiobridge':'success','room':3}"},
		{"{'request':'listparticipants','room':2}", "{'audiobridge':'participants','room':2,'participants':[]}"},
		{"{'request':'enable_recording'}", failure("483", "Missing mandatory element (record)")},
		{"{'request':'enable_recording','record':true}", failure("485", "No such room (0)")},
		{"{'request':'enable_mjrs','mjrs':true}", failure("485", "No such room (0)")},
		{"{'request':'denoise_enable','room':3,'id':1}", failure("482", "RNNoise unavailable, unsupported request 'denoise_enable'")},
		{"{'request':'resetdecoder'}", failure("487", "Can't reset (not in a room)")},
		{"{'request':'destroy','room':3}", "{'audiobridge':'destroyed','room':3,'permanent':false}"},
		{"{'request':'destroy','room':3}", failure("485", "No such room (3)")},
		{"{'request':'join','room':9}", failure("485", "No such room (9)")},
		{"{'request':'nosuch'}", failure("482", "Unknown request 'nosuch'")},
	} {
		c.expect(x.request, x.want)
	}
	if got := c.ask("{'request':'list','admin_key':'k'}"); !strings.Contains(got, "'room':2") {
		t.Errorf("with the key: %s", got)
	}
	c.expect("{'request':'edit','room':1,'secret':'s'}", "{'audiobridge':'edited','room':1,'permanent':false}")
	if got := c.ask("{'request':'list'}"); !strings.Contains(got, "{'room':1,'pin_required':false,'muted':false,'num_participants':0,'description':'one'") {
		t.Errorf("after the edit: %s", got)
	}
	if got := b.Admin(`{"request":"resetdecoder"}`); !strings.Contains(got, "487") {
		t.Errorf("of the Admin API: %s", got)
	}
	if got := b.Admin(`{"request":"join","room":1}`); !strings.Contains(got, "482") {
		t.Errorf("of the Admin API: %s", got)
	}
}

// TestPermanent: what is made permanent is there after a start, with all its settings.
func TestPermanent(t *testing.T) {
	b := newBridge(t, "# empty\n")
	c := b.client()
	c.expect("{'request':'create','room':5,'permanent':true,'description':'five','secret':'s','sampling_rate':48000,'groups':['a','b'],'mjrs_dir':'/m','default_bitrate':9,'default_expectedloss':50}",
		"{'audiobridge':'created','room':5,'permanent':true}")
	want := `# empty room-5: { description = "five" secret = "s" is_private = "false" sampling_rate = "48000" spatial_audio = "false" ` +
		`audiolevel_ext = "true" audiolevel_event = "false" audio_active_packets = "100" audio_level_average = "25" record = "false" mjrs = "false" ` +
		`mjrs_dir = "/m" allow_rtp_participants = "false" groups = [ "a", "b" ] }`
	if got := b.file(); got != want {
		t.Errorf("the file:\n%s\nwant\n%s", got, want)
	}
	p := New(b.folder)
	b.Replace(p)
	b.plugin = p
	c = b.client()
	c.expect("{'request':'join','room':5,'id':1}", failure("483", "Missing mandatory element (group)"))
	c.expect("{'request':'join','room':5,'id':1,'group':'c'}", failure("494", "No such group (c)"))
	c.expect("{'request':'join','room':5,'id':1,'group':'b'}", "{'audiobridge':'joined','room':5,'id':1,'participants':[]}")
	c.expect("{'request':'destroy','room':5,'secret':'s','permanent':true}", "{'audiobridge':'destroyed','room':5,'permanent':true}")
	if got := b.file(); got != "# empty" {
		t.Errorf("the file: %s", got)
	}
	without := newBridge(t, "")
	without.client().expect("{'request':'create','permanent':true}", failure("499", "No configuration file, can't create permanent room"))
}

// TestFile: what is wrong with the file is told, and rooms that cannot be are left out.
func TestFile(t *testing.T) {
	p := New(t.TempDir())
	folder := t.TempDir()
	b := newBridgeIn(t, folder, `general: { lock_play_file = true, record_tmp_ext = "tmp", rtp_port_range = "20000-30000", nonsense = 1 }
room-1: { sampling_rate = 16000, default_bitrate = 1, default_expectedloss = 21, denoise = true, secrt = "x" }
room-2: { description = "no rate" }
room-x: { sampling_rate = 16000 }
room-0: { sampling_rate = 16000 }
room-4: { sampling_rate = 44100 }
room-5: { sampling_rate = 16000, groups = ["a", "b", "c", "d", "e", "f"] }
room-6: { sampling_rate = 16000, rtp_forward_host = "127.0.0.1", rtp_forward_port = 0 }
room-7: { sampling = 8000 }`, plugintest.Config{})
	found, problems := func() (string, []string) {
		p = New(folder)
		found, list := p.Check()
		var texts []string
		for _, x := range list {
			texts = append(texts, strings.TrimPrefix(x.Error(), folder+"/"+Package))
		}
		return found, texts
	}()
	if found != "3 rooms" {
		t.Errorf("found %s", found)
	}
	for _, want := range []string{
		".jcfg:1: general.lock_play_file: needs admin_key", "general.nonsense: unknown", "room-1.default_bitrate: wrong value", "room-1.default_expectedloss: wrong value",
		"room-1.denoise: wrong value", "room-1.secrt: unknown setting, did you mean secret?, ignored: everybody may change and destroy the room",
		"room-2", "room-x", "room-0", "room-4", "room-5", "room-6.rtp_forward_host: wrong value",
	} {
		if !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("not told: %s in\n%s", want, strings.Join(problems, "\n"))
		}
	}
	b.client().expect("{'request':'exists','room':7}", "{'audiobridge':'success','room':7,'exists':true}")
}

// TestStringIDs: ids are texts where that is set.
func TestStringIDs(t *testing.T) {
	b := newBridge(t, `general: { string_ids = true }
room-hall: { sampling_rate = 16000 }`)
	c := b.client()
	c.expect("{'request':'join','room':1}", failure("484", "Invalid element type (room should be a string)"))
	c.expect("{'request':'join','room':'hall','id':'ann'}", "{'audiobridge':'joined','room':'hall','id':'ann','participants':[]}")
	c.expect("{'request':'kick','room':'hall','id':'bob'}", failure("492", "No such user bob in room hall"))
}
