// Package metrics reports the state of the server to Prometheus. Labels have few
// values, however many clients there are.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bifrons/api/budget"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/plugin"
	"bifrons/api/task"
	"bifrons/api/transport"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// Config says what to measure.
type Config struct {
	Core            *janus.Core
	Engine          *sfu.Engine
	Gate            *transport.Gate
	Bodies          *budget.Budget     // of requests that are being received
	Queues          *transport.Account // of data that waits for clients
	Outlets         []*event.Outlet
	Version, Commit string // of the build
}

// Handler answers GET requests with all metrics in the text format.
func Handler(cfg Config) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		&collector{cfg.Version, cfg.Commit, cfg.read},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	// Two scrapes at a time are enough; more would only slow the shards down.
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}

// reading has the figures of the server at one moment.
type reading struct {
	sessions, handles int
	totals            sfu.Totals
	shards            []sfu.Stats
	recorded          sfu.RecordStats
	recordings        int
	mixing            sfu.ConferenceStats
	outlets           []event.Stats
	connections       int
	refused           [len(transport.Reasons)]uint64
	received, parsed  pool
	queued            pool
	panics            uint64
	scripts           map[string]plugin.ScriptCounts // by package
}

// pool is how full a budget is.
type pool struct{ used, refused uint64 }

func look(b *budget.Budget) pool { return pool{uint64(b.Used()), b.Refused()} }

func (c *Config) read() (r reading) {
	r.sessions, r.handles, _ = c.Core.Count()
	r.totals, r.shards = c.Engine.Totals(), c.Engine.Stats()
	r.recorded, r.recordings = c.Engine.RecordTotals()
	r.mixing = c.Engine.Mixing()
	r.connections = c.Gate.Connections()
	for i, why := range transport.Reasons {
		r.refused[i] = c.Gate.Refused(why)
	}
	r.queued = pool{uint64(c.Queues.Used()), c.Queues.Shed()}
	r.panics = task.Panics()
	r.received, r.parsed = look(c.Bodies), look(c.Core.Settings().Requests)
	r.scripts = make(map[string]plugin.ScriptCounts)
	for _, p := range c.Core.Plugins() {
		if s, ok := p.(plugin.Scripted); ok {
			r.scripts[p.Info().Package] = s.ScriptCounts()
		}
	}
	for _, o := range c.Outlets {
		r.outlets = append(r.outlets, o.Stats())
	}
	return r
}

// metric is a metric with its labels.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("bifrons_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("bifrons_"+name, help, labels, nil), prometheus.CounterValue}
}

// metrics are all metrics. Data from us is "out", data to us "in".
var (
	buildInfo = gauge("build_info", "The build, with the value 1.", "version", "commit", "go")
	sessions  = gauge("sessions", "Sessions of clients.")
	handles   = gauge("handles", "Handles of clients.")
	peers     = gauge("peers", "Peer connections by state.", "state")

	packets = counter("packets_total", "RTP packets from and to peer connections.", "direction")
	bytes   = counter("bytes_total", "Bytes of these packets.", "direction")
	nacks   = counter("nacks_total", "Sequence numbers requested again.", "direction")
	resent  = counter("retransmissions_total", "Packets retransmitted, and packets received as retransmissions.", "direction")
	probed  = counter("probe_packets_total", "Packets sent only to measure the capacity of the lines to peers.")
	probing = counter("probe_bytes_total", "Bytes of these packets.")
	pauses  = counter("video_pauses_total", "Videos paused because the line to a peer could not carry them.")
	changes = counter("layer_switches_total", "Changes of the layer of a video that a peer gets.")
	plis    = counter("keyframe_requests_total", "Requests for key frames (PLI, FIR).", "direction")
	dtls    = counter("dtls_datagrams_total", "Datagrams of DTLS associations, data channels included.", "direction")
	rtt     = prometheus.NewDesc("bifrons_rtt_seconds", "Round-trip times by receiver reports.", nil, nil)
	loss    = prometheus.NewDesc("bifrons_loss_ratio", "Fraction of sent packets that were lost, by receiver reports.", nil, nil)

	mixParties   = gauge("mix_parties", "Participants of conferences whose audio is mixed, speakers and listeners.")
	mixEncoders  = gauge("mix_encoders", "Audio encoders in use.")
	mixDecoders  = gauge("mix_decoders", "Audio decoders in use.")
	mixFrames    = counter("mix_frames_total", "Frames of 20 ms that were mixed.")
	mixLate      = counter("mix_frames_late_total", "Frames mixed at least one frame late.")
	mixSkipped   = counter("mix_frames_skipped_total", "Frames left out because it was too late for them.")
	mixSeconds   = counter("mix_seconds_total", "Time that mixing took, decoding and encoding included.")
	mixEncoded   = counter("mix_encoded_total", "Packets that were encoded.")
	mixRepeated  = counter("mix_repeated_total", "Packets of silence that repeated the packet before.")
	mixDecoded   = counter("mix_decoded_total", "Frames that were decoded.")
	mixConcealed = counter("mix_concealed_total", "Decoded frames that were concealed because packets were missing.")
	mixRecovered = counter("mix_recovered_total", "Decoded frames that came from the redundancy of later packets.")

	recordings      = gauge("recordings", "Files being recorded.")
	recordedPackets = counter("recorded_packets_total", "Packets, and messages of data channels, that were recorded.")
	recordedBytes   = counter("recorded_bytes_total", "Bytes of files of recordings.")
	recordedLost    = counter("recorded_lost_total", "Packets and messages missing from recordings.", "reason")

	panics = counter("panics_total", "Panics outside the engine; each ended the object it happened in.")

	drops = counter("drops_total", "Datagrams and packets dropped.", "reason")

	shardPeers   = gauge("shard_peers", "Peer connections of each shard.", "shard")
	shardPasses  = counter("shard_passes_total", "Passes of the loop.", "shard")
	shardBusy    = counter("shard_busy_seconds_total", "Time that passes took.", "shard")
	shardPackets = counter("shard_packets_total", "Datagrams that the loop has taken.", "shard")

	datagrams   = counter("socket_datagrams_total", "UDP datagrams.", "shard", "direction")
	socketBytes = counter("socket_bytes_total", "Bytes of them.", "shard", "direction")
	syscalls    = counter("socket_syscalls_total", "System calls; datagrams divided by these give the batch size.", "shard", "direction")
	kernelDrops = counter("socket_kernel_drops_total", "Datagrams that found the receive buffer full.", "shard")
	truncated   = counter("socket_truncated_total", "Datagrams larger than a slot.", "shard")
	runs        = counter("socket_gso_batches_total", "Runs of datagrams sent as one (UDP GSO).", "shard")
	segments    = counter("socket_gso_segments_total", "Datagrams in these runs.", "shard")
	fallbacks   = counter("socket_gso_fallbacks_total", "Runs that the kernel refused.", "shard")
	sendErrors  = counter("socket_send_errors_total", "Datagrams that the kernel refused.", "shard")
	sendDrops   = counter("socket_send_drops_total", "Datagrams given up as the send buffer stayed full.", "shard")

	connections = gauge("connections", "Connections of the transports.")
	refused     = counter("connections_refused_total", "Connections that were refused, closed to make room for others, or had to wait.", "reason")
	requests    = gauge("request_bytes", "Memory of requests being received, waiting, or being handled.", "state")
	busy        = counter("requests_refused_total", "Requests refused for lack of memory.", "state")

	queued = gauge("client_queue_bytes", "Memory of data waiting for clients to read it.")
	shed   = counter("client_queue_sheds_total", "Times that clients with the longest queues lost them because all together took too much.")

	scriptCalls    = counter("script_calls_total", "Calls of functions of scripts.", "plugin")
	scriptFailed   = counter("script_errors_total", "Calls of functions of scripts that failed.", "plugin")
	scriptStopped  = counter("script_stops_total", "Calls of functions of scripts that were stopped because they took too long or too much memory.", "plugin")
	scriptRestarts = counter("script_restarts_total", "Scripts reloaded because they held too much memory.", "plugin")

	eventQueue   = gauge("event_queue_events", "Events that wait for a handler.", "handler")
	eventBytes   = gauge("event_queue_bytes", "Memory that they take.", "handler")
	eventsIn     = counter("events_total", "Events for a handler.", "handler")
	eventsDrop   = counter("events_dropped_total", "Events dropped because the queue was full.", "handler")
	eventsFailed = counter("events_lost_total", "Events that could not be delivered.", "handler")
)

// collector reads the counts of the server when it is asked for them.
type collector struct {
	version, commit string
	read            func() reading
}

// Describe leaves the description to the metrics themselves.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect writes all metrics.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	put := func(m metric, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	r := c.read()
	put(buildInfo, 1, c.version, c.commit, runtime.Version())
	put(sessions, float64(r.sessions))
	put(handles, float64(r.handles))
	put(panics, float64(r.panics))
	collectPeers(&r.totals, put, to)
	collectShards(r.shards, put)
	put(mixParties, float64(r.mixing.Parties))
	put(mixEncoders, float64(r.mixing.Encoders))
	put(mixDecoders, float64(r.mixing.Decoders))
	put(mixFrames, float64(r.mixing.Ticks))
	put(mixLate, float64(r.mixing.Late))
	put(mixSkipped, float64(r.mixing.Skipped))
	put(mixSeconds, r.mixing.Time.Seconds())
	put(mixEncoded, float64(r.mixing.Encoded))
	put(mixRepeated, float64(r.mixing.Repeated))
	put(mixDecoded, float64(r.mixing.Decoded))
	put(mixConcealed, float64(r.mixing.Concealed))
	put(mixRecovered, float64(r.mixing.Recovered))
	put(recordings, float64(r.recordings))
	put(recordedPackets, float64(r.recorded.Packets))
	put(recordedBytes, float64(r.recorded.Bytes))
	for why, n := range r.recorded.Lost {
		put(recordedLost, float64(n), sfu.RecordLoss(why).String())
	}
	put(connections, float64(r.connections))
	for i, why := range transport.Reasons {
		put(refused, float64(r.refused[i]), why.String())
	}
	put(queued, float64(r.queued.used))
	put(shed, float64(r.queued.refused))
	for state, p := range map[string]pool{"received": r.received, "parsed": r.parsed} {
		put(requests, float64(p.used), state)
		put(busy, float64(p.refused), state)
	}
	for pkg, n := range r.scripts {
		put(scriptCalls, float64(n.Calls), pkg)
		put(scriptFailed, float64(n.Failed), pkg)
		put(scriptStopped, float64(n.Stopped), pkg)
		put(scriptRestarts, float64(n.Restarted), pkg)
	}
	for _, st := range r.outlets {
		put(eventQueue, float64(st.Queued), st.Package)
		put(eventBytes, float64(st.Bytes), st.Package)
		put(eventsIn, float64(st.Accepted), st.Package)
		put(eventsDrop, float64(st.Dropped), st.Package)
		put(eventsFailed, float64(st.Lost), st.Package)
	}
}

type putter func(m metric, v float64, labels ...string)

// ways puts a metric that is counted in both directions.
func (put putter) ways(m metric, in, out uint64, labels ...string) {
	put(m, float64(in), append(labels, "in")...)
	put(m, float64(out), append(labels, "out")...)
}

func collectPeers(t *sfu.Totals, put putter, to chan<- prometheus.Metric) {
	for stage, n := range t.Stages {
		put(peers, float64(n), sfu.Stage(stage).String())
	}
	n := &t.Counters
	put.ways(packets, n.PacketsIn, n.PacketsOut)
	put.ways(bytes, n.BytesIn, n.BytesOut)
	put.ways(nacks, n.NACKsIn, n.NACKsOut)
	put.ways(resent, n.Recovered, n.Retransmitted)
	put.ways(plis, n.PLIsIn, n.PLIsOut)
	put(probed, float64(n.ProbesOut.Packets))
	put(probing, float64(n.ProbesOut.Bytes))
	put(pauses, float64(n.Pauses))
	put(changes, float64(n.LayerSwitches))
	put.ways(dtls, n.DTLSIn.Packets, n.DTLSOut.Packets)
	for desc, d := range map[*prometheus.Desc]media.Distribution{rtt: t.RTT, loss: t.Loss} {
		to <- prometheus.MustNewConstHistogram(desc, d.Count, d.Sum, d.Buckets)
	}
}

func collectShards(shards []sfu.Stats, put putter) {
	var reasons [media.NumDrops]uint64
	for i, st := range shards {
		shard := strconv.Itoa(i)
		put(shardPeers, float64(st.Shard.Peers), shard)
		put(shardPasses, float64(st.Shard.Passes), shard)
		put(shardBusy, st.Shard.Busy.Seconds(), shard)
		put(shardPackets, float64(st.Shard.Packets), shard)
		n := &st.Net
		put.ways(datagrams, n.DatagramsIn, n.DatagramsOut, shard)
		put.ways(socketBytes, n.BytesIn, n.BytesOut, shard)
		put.ways(syscalls, n.SyscallsIn, n.SyscallsOut, shard)
		put(kernelDrops, float64(n.KernelDrops), shard)
		put(truncated, float64(n.Truncated), shard)
		put(runs, float64(n.GSOBatches), shard)
		put(segments, float64(n.GSOSegments), shard)
		put(fallbacks, float64(n.GSOFallbacks), shard)
		put(sendErrors, float64(n.SendErrors), shard)
		put(sendDrops, float64(n.SendDrops), shard)
		for d, count := range st.Shard.Drops {
			reasons[d] += count
		}
	}
	for d := 1; d < media.NumDrops; d++ {
		put(drops, float64(reasons[d]), media.Drop(d).String())
	}
}
