// Package report turns measurements into tables and JSON.
package report

import (
	"encoding/json"
	"io"
	"slices"
	"time"
)

// Report is the outcome of one run of the benchmark.
type Report struct {
	Started  time.Time         `json:"started"`
	Machine  Machine           `json:"machine"`
	Servers  map[string]string `json:"servers"` // name to version
	Load     Load              `json:"load"`
	Choices  []Choice          `json:"srtp_choices"`
	Rounds   []Round           `json:"rounds"`
	Summary  []Summary         `json:"summary"`
	Profiles []string          `json:"cpu_profile,omitempty"` // lines
}

// Load is what was put on the servers.
type Load struct {
	Peers          int     `json:"peers"`
	VideoBitsPerS  int     `json:"video_bits_per_s"`
	AudioBitsPerS  int     `json:"audio_bits_per_s"`
	FramesPerS     int     `json:"frames_per_s"`
	AudioPerS      int     `json:"audio_packets_per_s"`
	SecondsPerTurn float64 `json:"seconds_per_measurement"`
}

// Choice is which SRTP profile a server and a peer that offers all arrive at.
type Choice struct {
	Server   string `json:"server"`
	PeerRole string `json:"peer_dtls_role"`
	Profile  string `json:"profile"`
}

// Round is one measurement of one server.
type Round struct {
	Case    string `json:"case"`
	Server  string `json:"server"`
	Round   int    `json:"round"`
	Profile string `json:"srtp_profile"`

	Seconds  float64 `json:"seconds"`
	Sent     int64   `json:"sent"`
	Echoed   int64   `json:"echoed"`
	Strange  int64   `json:"strange"`
	CPU      float64 `json:"cpu_seconds"`
	Switches int64   `json:"context_switches"`
	RSS      int64   `json:"rss_bytes"`
	PeakRSS  int64   `json:"peak_rss_bytes"`
	Threads  int64   `json:"threads"`
	// The kernel's counts for the server's namespace, all of UDP: media, RTCP
	// and ICE. A segmented message counts as one sent.
	UDPIn     int64 `json:"udp_in"`
	UDPOut    int64 `json:"udp_out"`
	UDPErrors int64 `json:"udp_errors"`
	// LoadErrors counts the echoes that found the buffers of the load full,
	// which is no fault of the server.
	LoadErrors int64 `json:"load_udp_errors"`
	// Idle is the share of the machine's CPU time that nobody used.
	Idle float64 `json:"machine_idle"`

	P50 float64 `json:"round_trip_p50_ms"`
	P95 float64 `json:"round_trip_p95_ms"`
	P99 float64 `json:"round_trip_p99_ms"`

	trips []time.Duration
}

// SetTrips sets the percentiles from sorted round trips, which it keeps.
func (r *Round) SetTrips(sorted []time.Duration) {
	r.trips = sorted
	r.P50, r.P95, r.P99 = Percentiles(sorted)
}

// PerPacket is the server's CPU time for one echoed packet, in microseconds.
func (r *Round) PerPacket() float64 { return ratio(r.CPU*1e6, float64(r.Echoed)) }

// Loss is the share of packets that did not come back.
func (r *Round) Loss() float64 { return ratio(float64(r.Sent-r.Echoed), float64(r.Sent)) }

// Summary is all rounds of a case on a server together.
type Summary struct {
	Case      string  `json:"case"`
	Server    string  `json:"server"`
	Profile   string  `json:"srtp_profile"`
	PerPacket float64 `json:"cpu_us_per_echoed_packet"`
	Least     float64 `json:"cpu_us_per_echoed_packet_best_round"`
	Most      float64 `json:"cpu_us_per_echoed_packet_worst_round"`
	CPU       float64 `json:"cpu_share_of_one_core"`
	Loss      float64 `json:"loss"`
	P50       float64 `json:"round_trip_p50_ms"`
	P95       float64 `json:"round_trip_p95_ms"`
	P99       float64 `json:"round_trip_p99_ms"`
	RSS       int64   `json:"rss_bytes"` // largest of the rounds
	Switches  float64 `json:"context_switches_per_packet"`
	PerSend   float64 `json:"echoed_packets_per_udp_send"`
	Ratio     float64 `json:"times_the_first_server"` // of PerPacket, 0 if unknown
}

// Summarise fills Summary from Rounds, in the order in which cases and servers
// first appear. The first server of a case is what the others are compared to.
func (r *Report) Summarise() {
	r.Summary = nil
	type key struct{ c, server string }
	var order []key
	groups := make(map[key][]*Round)
	for i := range r.Rounds {
		x := &r.Rounds[i]
		k := key{x.Case, x.Server}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], x)
	}
	slices.SortStableFunc(order, func(a, b key) int {
		return slices.IndexFunc(r.Rounds, func(x Round) bool { return x.Case == a.c }) -
			slices.IndexFunc(r.Rounds, func(x Round) bool { return x.Case == b.c })
	})
	first := make(map[string]float64)
	for _, k := range order {
		s := summarise(groups[k])
		if base, ok := first[k.c]; ok {
			s.Ratio = ratio(s.PerPacket, base)
		} else {
			first[k.c] = s.PerPacket
		}
		r.Summary = append(r.Summary, s)
	}
}

func summarise(rounds []*Round) Summary {
	s := Summary{Case: rounds[0].Case, Server: rounds[0].Server, Profile: rounds[0].Profile, Least: rounds[0].PerPacket()}
	var cpu, seconds float64
	var sent, echoed, switches, out int64
	var trips []time.Duration
	for _, x := range rounds {
		cpu += x.CPU
		seconds += x.Seconds
		sent += x.Sent
		echoed += x.Echoed
		switches += x.Switches
		out += x.UDPOut
		trips = append(trips, x.trips...)
		s.RSS = max(s.RSS, x.RSS)
		s.Least, s.Most = min(s.Least, x.PerPacket()), max(s.Most, x.PerPacket())
	}
	slices.Sort(trips)
	s.P50, s.P95, s.P99 = Percentiles(trips)
	s.PerPacket = ratio(cpu*1e6, float64(echoed))
	s.CPU = ratio(cpu, seconds)
	s.Loss = ratio(float64(sent-echoed), float64(sent))
	s.Switches = ratio(float64(switches), float64(echoed))
	s.PerSend = ratio(float64(echoed), float64(out))
	return s
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Percentiles are in milliseconds, of times in order.
func Percentiles(sorted []time.Duration) (p50, p95, p99 float64) {
	at := func(share float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		i := min(int(share*float64(len(sorted))), len(sorted)-1)
		return float64(sorted[i]) / float64(time.Millisecond)
	}
	return at(0.50), at(0.95), at(0.99)
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
