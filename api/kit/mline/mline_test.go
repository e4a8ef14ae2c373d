package mline

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sfu/media"
)

func parse(t *testing.T, text string) kit.Args {
	t.Helper()
	d, err := json.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Release)
	return kit.Args{Value: d.Root()}
}

func written(fields func(w *json.Writer)) string {
	w := json.NewWriter(nil)
	w.Object("")
	fields(w)
	w.End()
	return string(w.Bytes())
}

// Each request finds what the ones before it left.
func TestDelay(t *testing.T) {
	for _, requests := range [][]struct {
		body        string
		least, most int
	}{
		{{`{}`, -1, -1}},
		{{`{"min_delay":0,"max_delay":10}`, 0, 10}, {`{}`, 0, 10}, {`{"min_delay":-1}`, -1, -1}},
		{{`{"min_delay":7,"max_delay":9}`, 7, 9}, {`{"max_delay":-7}`, -1, -1}},
		// Alone.
		{{`{"min_delay":0}`, 0, 0}, {`{"min_delay":5}`, 5, 5}, {`{"min_delay":3}`, 3, 5}},
		{{`{"max_delay":10}`, 10, 10}, {`{"min_delay":5}`, 5, 10}, {`{"max_delay":7}`, 5, 7}},
		{{`{"max_delay":0}`, 0, 0}},
		// One beyond the other.
		{{`{"min_delay":20,"max_delay":10}`, 10, 10}},
		{{`{"min_delay":5,"max_delay":10}`, 5, 10}, {`{"min_delay":20}`, 20, 20}, {`{"max_delay":15}`, 15, 15}},
		// A negative one takes back both, whatever the other says.
		{{`{"min_delay":-1,"max_delay":10}`, -1, -1}},
		{{`{"min_delay":5,"max_delay":-1}`, -1, -1}},
		{{`{"min_delay":3,"max_delay":4}`, 3, 4}, {`{"min_delay":-1,"max_delay":10}`, -1, -1}, {`{"max_delay":10}`, 10, 10}},
		// What packets can carry.
		{{`{"min_delay":3,"max_delay":9999}`, 3, 4095}, {`{"min_delay":9999}`, 4095, 4095}},
		{{`{"min_delay":9223372036854775807}`, 4095, 4095}, {`{"max_delay":-9223372036854775808}`, -1, -1}},
	} {
		d := NoDelay
		for _, r := range requests {
			c := ReadDelay(parse(t, r.body))
			if c.Given() != (r.body != "{}") {
				t.Errorf("%s: given is %v", r.body, c.Given())
			}
			d.Set(c)
			if d != (Delay{r.least, r.most}) {
				t.Errorf("%v: got %+v after %s", requests, d, r.body)
			}
			want := `{}`
			if r.least >= 0 {
				want = `{"playout-delay":{"min-delay":` + strconv.Itoa(r.least) + `,"max-delay":` + strconv.Itoa(r.most) + `}}`
			}
			if got := written(d.Write); got != want || d.IsSet() != (r.least >= 0) {
				t.Errorf("%+v is written as %s", d, got)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "",
		`{"substream":0,"temporal":1,"spatial_layer":2,"temporal_layer":2,"fallback":9}`: "",
		`{"substream":3}`:                       "Invalid value (substream should be 0, 1 or 2)",
		`{"temporal":9223372036854775807}`:      "Invalid value (temporal should be 0, 1 or 2)",
		`{"spatial_layer":256}`:                 "Invalid value (spatial_layer should be 0, 1 or 2)",
		`{"substream":1,"temporal_layer":3}`:    "Invalid value (temporal_layer should be 0, 1 or 2)",
		`{"temporal":-1}`:                       "Invalid element type (temporal should be a positive integer)",
		`{"fallback":"x"}`:                      "Invalid element type (fallback should be a positive integer)",
		`{"min_delay":1.5}`:                     "Invalid element type (min_delay should be an integer)",
		`{"min_delay":-1,"max_delay":-1}`:       "",
		`{"substream":null,"temporal_layer":0}`: "",
	} {
		v := parse(t, body)
		err := schema.Check(append(Fields, DelayFields...), v, 1, 2)
		if err == nil {
			err = Check(v, 2)
		}
		switch {
		case err == nil && want != "", err != nil && (err.Text != want || err.Code != 2):
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

func TestLayers(t *testing.T) {
	const none = -1
	for _, tt := range []struct {
		body           string
		simulcast, svc media.Layer
		fallback       time.Duration
	}{
		{`{}`, media.Layer{Encoding: 2, Spatial: none, Temporal: 2}, media.Layer{Encoding: none, Spatial: 2, Temporal: 2}, 0},
		{`{"substream":0}`, media.Layer{Encoding: 0, Spatial: none, Temporal: 2}, media.Layer{Encoding: none, Spatial: 2, Temporal: 2}, 0},
		{`{"temporal":1}`, media.Layer{Encoding: 2, Spatial: none, Temporal: 1}, media.Layer{Encoding: none, Spatial: 2, Temporal: 2}, 0},
		{`{"spatial_layer":1,"temporal_layer":0,"fallback":250000}`, media.Layer{Encoding: 2, Spatial: none, Temporal: 2},
			media.Layer{Encoding: none, Spatial: 1, Temporal: 0}, 250 * time.Millisecond},
		{`{"substream":9,"fallback":9223372036854775807}`, media.Layer{Encoding: 2, Spatial: none, Temporal: 2},
			media.Layer{Encoding: none, Spatial: 2, Temporal: 2}, math.MaxUint32 * time.Microsecond},
	} {
		l := NewLayers()
		l.Set(Read(parse(t, tt.body)))
		if l.Target(Simulcast) != tt.simulcast || l.Target(SVC) != tt.svc || l.Target(Single) != media.NoLayer || l.Fallback() != tt.fallback {
			t.Errorf("%s: got %+v, %+v, %+v, %v", tt.body, l.Target(Simulcast), l.Target(SVC), l.Target(Single), l.Fallback())
		}
		l.WantHighest()
		if l.Target(Simulcast) != (media.Layer{Encoding: 2, Spatial: none, Temporal: 2}) || l.Fallback() != tt.fallback {
			t.Errorf("%s: got %+v of the highest", tt.body, l.Target(Simulcast))
		}
	}
}

// Set takes everything, Choose the layers alone, and what is not said stays.
func TestChange(t *testing.T) {
	c := Read(parse(t, `{"substream":1,"fallback":5}`))
	if !c.ChoosesLayers() || !c.Retargets() {
		t.Errorf("%+v chooses nothing", c)
	}
	l := NewLayers()
	l.Choose(c)
	if l.Fallback() != 0 || l.Target(Simulcast).Encoding != 1 {
		t.Errorf("got %+v", l)
	}
	l.Set(Read(parse(t, `{"temporal":0,"fallback":7}`)))
	if l.Fallback() != 7*time.Microsecond || l.Target(Simulcast) != (media.Layer{Encoding: 1, Spatial: -1, Temporal: 0}) {
		t.Errorf("got %+v", l)
	}
	l.Set(Read(parse(t, `{"fallback":0}`)))
	if l.Fallback() != 0 {
		t.Errorf("got %+v", l)
	}
	c = Read(parse(t, `{"fallback":5}`))
	if c.ChoosesLayers() || !c.Retargets() {
		t.Errorf("%+v is not about the fallback", c)
	}
	if c.DropFallback(); c.Retargets() {
		t.Errorf("%+v is about something", c)
	}
}

func events(list []Event) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, written(e.Write))
	}
	return strings.Join(parts, " ")
}

func TestEvents(t *testing.T) {
	l := NewLayers()
	now := media.Layer{Encoding: 1, Spatial: -1, Temporal: 0}
	for _, tt := range []struct {
		now  media.Layer
		as   Layering
		want string
	}{
		{now, Simulcast, `{"substream":1} {"temporal":0}`},
		{now, Simulcast, ``},
		{media.Layer{Encoding: 1, Spatial: -1, Temporal: 2}, Simulcast, `{"temporal":2}`},
		{media.Layer{Encoding: 0, Spatial: -1, Temporal: -1}, Simulcast, `{"substream":0}`},
		{media.NoLayer, Simulcast, ``},
		{media.Layer{Encoding: -1, Spatial: 2, Temporal: 1}, SVC, `{"spatial_layer":2} {"temporal_layer":1}`},
		{media.Layer{Encoding: 0, Spatial: 1, Temporal: 1}, SVC, `{"spatial_layer":1}`},
		{media.Layer{Encoding: 2, Spatial: 2, Temporal: 2}, Single, ``},
	} {
		if got := events(l.Changed(tt.now, tt.as)); got != tt.want || l.Current != tt.now {
			t.Errorf("%+v: got %s, want %s", tt.now, got, tt.want)
		}
	}
}

func TestOutcome(t *testing.T) {
	l := NewLayers()
	l.Current = media.Layer{Encoding: 1, Spatial: 1, Temporal: 2}
	for _, tt := range []struct {
		body               string
		as                 Layering
		reached            string
		keyframe, temporal bool
	}{
		{`{"substream":1,"temporal":2,"temporal_layer":2}`, Simulcast, `{"substream":1} {"temporal":2}`, false, false},
		{`{"substream":2,"temporal":2}`, Simulcast, `{"temporal":2}`, true, false},
		{`{"temporal":0,"spatial_layer":0}`, Simulcast, ``, false, true},
		{`{"spatial_layer":1,"temporal_layer":2,"substream":0,"temporal":0}`, SVC, `{"spatial_layer":1} {"temporal_layer":2}`, false, false},
		{`{"spatial_layer":2,"temporal_layer":0}`, SVC, ``, true, true},
		{`{"substream":1,"spatial_layer":0}`, Single, ``, false, false},
		{`{"fallback":1}`, Simulcast, ``, false, false},
	} {
		o := l.Outcome(Read(parse(t, tt.body)), tt.as)
		if events(o.Reached) != tt.reached || o.Keyframe != tt.keyframe || o.Temporal != tt.temporal {
			t.Errorf("%s: got %+v", tt.body, o)
		}
	}
}

func TestWrite(t *testing.T) {
	l := NewLayers()
	l.Set(Read(parse(t, `{"substream":1,"temporal":0,"spatial_layer":0,"temporal_layer":1,"fallback":9}`)))
	l.Changed(media.Layer{Encoding: 2, Spatial: 1, Temporal: -1}, Single)
	for as, want := range map[Layering][2]string{
		Single: {`{}`, `{}`},
		Simulcast: {`{"simulcast":{"substream":2,"substream-target":1,"temporal-layer":-1,"temporal-layer-target":0,"fallback":9}}`,
			`{"substream":2,"substream-target":1,"temporal-layer":-1,"temporal-layer-target":0,"fallback":9}`},
		SVC: {`{"svc":{"spatial-layer":1,"target-spatial-layer":0,"temporal-layer":-1,"target-temporal-layer":1}}`,
			`{"spatial-layer":1,"spatial-layer-target":0,"temporal-layer":-1,"temporal-layer-target":1}`},
	} {
		got := [2]string{written(func(w *json.Writer) { l.Write(w, as) }), written(func(w *json.Writer) { l.WriteFlat(w, as) })}
		if got != want {
			t.Errorf("%d: got %v", as, got)
		}
	}
	fresh := NewLayers()
	if got := written(func(w *json.Writer) { fresh.WriteFlat(w, Simulcast) }); strings.Contains(got, "fallback") {
		t.Errorf("got %s", got)
	}
}
