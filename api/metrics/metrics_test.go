package metrics

import (
	"bufio"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bifrons/api/event"
	"bifrons/api/plugin"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// fill gives every number that is reachable from v a value of its own.
func fill(v reflect.Value, next *uint64) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Uint64:
		*next++
		v.SetUint(*next)
	case reflect.Int:
		*next++
		v.SetInt(int64(*next))
	}
}

func scrape(t *testing.T, r reading) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{"1.4.1", "abc", func() reading { return r }})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			switch {
			case m.GetHistogram() != nil:
				values[key+" count"] = float64(m.GetHistogram().GetSampleCount())
				values[key+" sum"] = m.GetHistogram().GetSampleSum()
			default:
				values[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return values
}

// TestEveryMetricMoves: every metric shows a count of its own.
func TestEveryMetricMoves(t *testing.T) {
	var idle, busy reading
	idle.shards, busy.shards = make([]sfu.Stats, 2), make([]sfu.Stats, 2)
	idle.outlets, busy.outlets = []event.Stats{{Package: "x"}}, []event.Stats{{Package: "x", Taken: 1}}
	n := uint64(1000)
	fill(reflect.ValueOf(&busy.totals).Elem(), &n)
	for i := range busy.shards {
		fill(reflect.ValueOf(&busy.shards[i]).Elem(), &n)
		busy.shards[i].Shard.Busy = time.Duration(65+i) * time.Second
	}
	fill(reflect.ValueOf(&busy.recorded).Elem(), &n)
	busy.recordings = 33
	busy.mixing = sfu.ConferenceStats{
		Ticks: 41, Late: 42, Skipped: 43, Time: 44 * time.Second, Encoded: 45, Repeated: 46, Decoded: 47, Concealed: 48,
		Encoders: 49, Decoders: 50, Parties: 51, Recovered: 52,
	}
	busy.sessions, busy.handles = 5, 6
	busy.connections, busy.refused = 21, [...]uint64{22, 23, 24, 25}
	busy.received, busy.parsed = pool{26, 27}, pool{28, 29}
	idle.scripts = map[string]plugin.ScriptCounts{"x": {}}
	busy.scripts = map[string]plugin.ScriptCounts{"x": {Calls: 61, Failed: 62, Stopped: 63, Restarted: 64}}
	busy.queued, busy.panics = pool{30, 31}, 32
	busy.outlets[0] = event.Stats{Package: "x", Accepted: 11, Dropped: 12, Lost: 13, Queued: 14, Bytes: 15}
	for _, h := range []*media.Distribution{&busy.totals.RTT, &busy.totals.Loss} {
		h.Count, h.Sum, h.Buckets = 7, 0.5, map[float64]uint64{0.1: 3, 1: 7}
	}
	before, after := scrape(t, idle), scrape(t, busy)
	if len(before) != len(after) || len(after) < 80 {
		t.Errorf("%d metrics, then %d", len(before), len(after))
	}
	values := make(map[float64]string)
	for key, v := range after {
		if strings.HasPrefix(key, "bifrons_build_info") {
			continue
		}
		if before[key] != 0 || v == 0 {
			t.Errorf("%s: %v, then %v", key, before[key], v)
		}
		if other := values[v]; other != "" && !strings.Contains(key, "drops_total") && !strings.HasSuffix(key, " count") && !strings.HasSuffix(key, " sum") {
			t.Errorf("%s and %s show the same count", key, other)
		}
		values[v] = key
	}
	if got := after["bifrons_drops_total reason=srtp-auth"]; got != float64(busy.shards[0].Shard.Drops[media.DropSRTPAuth]+busy.shards[1].Shard.Drops[media.DropSRTPAuth]) {
		t.Errorf("drops: %v", got)
	}
}

// TestDashboard: the dashboard asks only for metrics that exist.
func TestDashboard(t *testing.T) {
	f, err := os.Open("../../deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var known reading
	known.shards, known.outlets = make([]sfu.Stats, 1), []event.Stats{{Package: "x"}}
	names := make(map[string]bool)
	for key := range scrape(t, known) {
		name, _, _ := strings.Cut(key, " ")
		names[name], names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true, true
	}
	asked := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for _, name := range regexp.MustCompile(`bifrons_\w+`).FindAllString(lines.Text(), -1) {
			if asked++; !names[name] {
				t.Errorf("the dashboard asks for %s", strconv.Quote(name))
			}
		}
	}
	if asked < 20 {
		t.Errorf("the dashboard has %d queries", asked)
	}
}
