package streaming

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (th *rig) read() string {
	th.t.Helper()
	b, err := os.ReadFile(filepath.Join(th.folder, Package+".jcfg"))
	if err != nil {
		th.t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), th.folder, "FOLDER")
}

// Whatever clients call their mountpoints, they do not touch those of others
// and what else is in the file, and what is said to be permanent is.
func TestNamesOfOthers(t *testing.T) {
	const file = "# mine\nGeneral: {\n\tadmin_key = \"k\" # mine\n}\n" +
		"cam: { type = \"live\", id = 1, filename = \"FOLDER/radio.alaw\", audio = true, pin = \"mine\" }\n" +
		"plain: { type = \"live\", filename = \"FOLDER/radio.alaw\", audio = true, pin = \"plain\" }\n"
	for _, tt := range []struct{ kind, names string }{
		{"live", "general,GENERAL,General"},
		{"live", "cam,CAM,Cam"},
		{"live", "plain,PLAIN,plain"},
		{"ondemand", "my radio,a: {},größe"},
		{"live", "mp-52,,mp-52"},
		{"live", "0x,5cats,-"},
		{"live", "mountpoint,new,New"},
	} {
		th := newRig(t, "")
		th.file("radio.alaw", 3, 0)
		th.write(Package+".jcfg", strings.ReplaceAll(file, "FOLDER", th.folder))
		th.start()
		shown := make(map[string]string)
		for i, name := range strings.Split(tt.names, ",") {
			id := fmt.Sprint(50 + i)
			answer := th.ask(fmt.Sprintf(`{"request":"create","type":%q,"id":%s,"name":%q,"filename":"FOLDER/radio.alaw","audio":true,"pin":%q,"admin_key":"k","permanent":true}`,
				tt.kind, id, name, "pin "+id))
			if !strings.Contains(answer, `"permanent":true`) {
				t.Errorf("%q: %s", name, answer)
			}
			shown[id] = th.ask(`{"request":"info","id":` + id + `}`)
		}
		if !strings.HasPrefix(th.read(), file) {
			t.Errorf("%s: the rest has changed:\n%s", tt.names, th.read())
		}
		check := func(when string) {
			t.Helper()
			th.start()
			if th.plugin.general.AdminKey != "k" || th.mountpoint("1") == nil || th.mountpoint("1").PIN != "mine" {
				t.Errorf("%s, %s: what was there has changed:\n%s", tt.names, when, th.read())
			}
			if n := th.plugin.mountpoints.Len(); n != len(shown)+2 {
				t.Errorf("%s, %s: %d mountpoints in\n%s", tt.names, when, n, th.read())
			}
			for id, want := range shown {
				if got := th.ask(`{"request":"info","id":` + id + `}`); got != want {
					t.Errorf("%s, %s:\n got %s\nwant %s\n%s", tt.names, when, got, want, th.read())
				}
			}
		}
		check("after a start")
		for id := range shown {
			th.want(`{"request":"edit","id":`+id+`,"new_description":"changed","permanent":true}`, `{"streaming":"edited","id":`+id+`,"permanent":true}`)
			shown[id] = th.ask(`{"request":"info","id":` + id + `}`)
		}
		check("edited")
		for _, id := range []string{"51", "50", "52"} {
			th.ask(`{"request":"destroy","permanent":true,"id":` + id + `}`)
			delete(shown, id)
			check("without " + id)
		}
		if th.read() != file {
			t.Errorf("%s: left behind:\n%s", tt.names, th.read())
		}
	}
}

// A mountpoint without an id in the file stays one, with the name that it has.
func TestSaveWithoutID(t *testing.T) {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	th.write(Package+".jcfg", "plain: { type = \"live\", filename = \""+th.folder+"/radio.alaw\", audio = true }\n# mine\n")
	th.start()
	edit := func(text string) {
		t.Helper()
		m := th.plugin.mountpoints.Sorted()[0]
		if got := th.ask(`{"request":"edit","id":` + m.id + `,"new_description":"` + text + `","permanent":true}`); !strings.Contains(got, `"permanent":true`) {
			t.Errorf("got %s", got)
		}
	}
	edit("one")
	edit("two")
	if added, err := th.plugin.Reload(); err != nil || len(added) > 0 {
		t.Errorf("added %v, %v", added, err)
	}
	th.start()
	if n := th.plugin.mountpoints.Len(); n != 1 || th.plugin.mountpoints.Sorted()[0].description != "two" {
		t.Errorf("%d mountpoints in\n%s", n, th.read())
	}
	th.ask(`{"request":"destroy","permanent":true,"id":` + th.plugin.mountpoints.Sorted()[0].id + `}`)
	if th.read() != "# mine\n" {
		t.Errorf("left behind:\n%s", th.read())
	}
}
