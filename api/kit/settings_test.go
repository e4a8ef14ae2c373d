package kit

import (
	"strings"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/schema"
)

// sample is a thing with settings of every kind.
type sample struct {
	name, pin string
	open      bool
	seats     int
	price     int64
	light     uint64
	door      uint8
	wait      time.Duration
	colour    colour
}

// colour is a Value.
type colour struct{ name string }

func (c *colour) String() string { return c.name }
func (c *colour) Set(text string) (accepted, effect string) {
	if text != "red" && text != "blue" {
		return "red or blue", "taken as " + c.name
	}
	c.name = text
	return "", ""
}

func newSample() *sample { return &sample{name: "Hall", open: true, seats: 3, colour: colour{"blue"}} }

func (h *sample) settings() Settings {
	return Settings{
		{Name: "name", To: &h.name, Required: true, Edit: true, Save: Always, Show: Always, ShowAs: "title"},
		{Name: "pin", To: &h.pin, Edit: true, Clear: true, Save: IfSet},
		{Name: "open", To: &h.open, Edit: true, Save: Always, Show: IfSet},
		{Name: "seats", To: &h.seats, Edit: true, NotZero: true, Save: Always, Show: Always},
		{Name: "price", To: &h.price, Save: IfSet},
		{Name: "light", To: &h.light, Edit: true, Least: 100, Most: 1000, Save: Always, Show: Always},
		{Name: "door", To: &h.door, Most: 14, Save: IfSet},
		{Name: "wait", To: &h.wait, Save: IfSet, Show: IfSet},
		{Name: "colour", To: &h.colour, Save: Always, Show: Always},
	}
}

func saved(t *testing.T, h *sample) string {
	t.Helper()
	g := new(config.Group)
	h.settings().Save(g)
	text, err := config.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(string(text), " = ", "=")), " ")
}

func shown(h *sample) string {
	w := json.NewWriter(nil)
	w.Object("")
	h.settings().Write(w)
	w.End()
	return string(w.Bytes())
}

// A request and a file say the same, and what is saved reads as what it was.
func TestSettings(t *testing.T) {
	for _, tt := range []struct{ request, file, saved, shown string }{
		{`{}`, ``, `name="Hall" open="true" seats="3" light="0" colour="blue"`,
			`{"title":"Hall","open":true,"seats":3,"light":0,"colour":"blue"}`},
		{`{"name":"","pin":null,"colour":"","seats":0,"light":0}`, `name = "", colour = "", seats = 0, light = 0`,
			`name="Hall" open="true" seats="3" light="0" colour="blue"`, `{"title":"Hall","open":true,"seats":3,"light":0,"colour":"blue"}`},
		{`{"name":"A","pin":"p","open":false,"seats":7,"price":9,"light":1,"door":3,"wait":60,"colour":"red"}`,
			`name = "A", pin = "p", open = "no", seats = 7, price = 9, light = 1, door = 3, wait = 60, colour = "red"`,
			`name="A" pin="p" open="false" seats="7" price="9" light="100" door="3" wait="60" colour="red"`,
			`{"title":"A","seats":7,"light":100,"wait":60,"colour":"red"}`},
		{`{"seats":9223372036854775807,"light":1001,"door":15,"wait":9223372036854775807}`,
			`seats = 9223372036854775807, light = 1001, door = 15, wait = 9223372036854775807`,
			`name="Hall" open="true" seats="2147483647" light="1000" door="14" wait="2147483647" colour="blue"`,
			`{"title":"Hall","open":true,"seats":2147483647,"light":1000,"wait":2147483647,"colour":"blue"}`},
	} {
		f, err := config.Parse("x.jcfg", []byte("sample: { "+tt.file+" }"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for what, src := range map[string]Values{"request": FromRequest(Args{Value: plugintest.Parse(t, tt.request)}), "file": FromFile(config.NewReader(f.Category("sample")))} {
			h := newSample()
			h.settings().Read(src)
			if got := saved(t, h); got != tt.saved {
				t.Errorf("%s %s: saved is %s\nwant %s", what, tt.request, got, tt.saved)
			}
			if got := shown(h); got != tt.shown {
				t.Errorf("%s %s: shown is %s\nwant %s", what, tt.request, got, tt.shown)
			}
			f, err := config.Parse("x.jcfg", []byte("sample: { "+strings.ReplaceAll(tt.saved, " ", "\n")+" }"), nil)
			if err != nil {
				t.Fatal(err)
			}
			again := newSample()
			again.settings().Read(FromFile(config.NewReader(f.Category("sample"))))
			if *again != *h {
				t.Errorf("%s: reads as %+v, was %+v", tt.saved, *again, *h)
			}
		}
	}
}

// What a file has wrong is told, with what is done about it; who cannot go on with it
// finds it by Wrong.
func TestSettingsWrong(t *testing.T) {
	for file, want := range map[string]string{
		`seats = 1, light = 1000`: "",
		`light = 1001`:            `light: wrong value "1001", accepted: at most 1000, taken as that`,
		`door = "x"`:              `door: wrong value "x", accepted: a whole number, 0 or more, ignored`,
		`price = -1`:              `price: wrong value "-1", accepted: a whole number, 0 or more, ignored`,
		`colour = "green"`:        `colour: wrong value "green", accepted: red or blue, taken as blue`,
	} {
		f, err := config.Parse("x.jcfg", []byte("sample: { "+file+" }"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := config.NewReader(f.Category("sample"))
		src, h := FromFile(r), newSample()
		wrong := h.settings().Wrong(src)
		h.settings().Read(src)
		var got []string
		for _, p := range r.Problems() {
			got = append(got, strings.TrimPrefix(p.Error(), "x.jcfg:1: sample."))
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%s: got %s\nwant %s", file, text, want)
		}
		name, _, _ := strings.Cut(want, ":")
		switch {
		case name == "" || name == "colour":
			if wrong != nil {
				t.Errorf("%s: %s is wrong", file, wrong.Name)
			}
		case wrong == nil || wrong.Name != name:
			t.Errorf("%s: got %+v", file, wrong)
		}
	}
}

// Only what may be edited is, by its new name, and a text is emptied only where that
// is allowed.
func TestSettingsEdit(t *testing.T) {
	h := newSample()
	h.pin = "p"
	h.settings().Edit(FromRequest(Args{Value: plugintest.Parse(t, `{"name":"B","new_name":"","new_pin":"","new_open":false,"new_seats":0,"new_light":5000,"new_door":2,"new_colour":"red"}`)}))
	if want := (sample{name: "Hall", seats: 3, light: 1000, colour: colour{"blue"}}); *h != want {
		t.Errorf("got %+v, want %+v", *h, want)
	}
	h.settings().Edit(FromRequest(Args{Value: plugintest.Parse(t, `{"new_name":"C","new_open":null,"new_light":0,"new_seats":8}`)}))
	if want := (sample{name: "C", seats: 8, colour: colour{"blue"}}); *h != want {
		t.Errorf("got %+v, want %+v", *h, want)
	}
}

func TestSettingsFields(t *testing.T) {
	check := func(fields []schema.Field, want string) {
		t.Helper()
		var got []string
		for _, f := range fields {
			text := f.Name + " " + f.Type.String()
			if f.Required {
				text += "!"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("got %s\nwant %s", text, want)
		}
	}
	table := new(sample).settings()
	check(table.Fields(), "name a string!, pin a string, open a boolean, seats a positive integer, price a positive integer, "+
		"light a positive integer, door a positive integer, wait a positive integer, colour a string")
	check(table.EditFields(), "new_name a string, new_pin a string, new_open a boolean, new_seats a positive integer, new_light a positive integer")
}

// A list of texts is read from requests and files, saved as a list, and shown.
func TestSettingsList(t *testing.T) {
	var list []string
	set := Settings{{Name: "groups", To: &list, Save: IfSet, Show: Always}}
	if f := set.Fields(); f[0].Type != schema.Array {
		t.Errorf("fields %+v", f)
	}
	g := new(config.Group)
	set.Save(g)
	if _, is := config.NewReader(g).Texts("groups"); is {
		t.Error("an empty list is saved")
	}
	set.Read(FromRequest(Args{Value: plugintest.Parse(t, `{"groups":["a, b","c"]}`)}))
	set.Save(g)
	list = nil
	set.Read(FromFile(config.NewReader(g)))
	w := json.NewWriter(nil)
	w.Object("")
	set.Write(w)
	w.End()
	if got := string(w.Bytes()); got != `{"groups":["a, b","c"]}` {
		t.Errorf("read back as %s", got)
	}
}
