package main

import (
	"context"
	"time"

	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// workload is one thing to measure.
type workload struct {
	name, about string
	group       string // of workloads that differ by n only
	short       bool   // is in the short set
	servers     string // that can run it: b, j, p
	rounds      int    // more than the others take
	measure     func(ctx context.Context, b *bench, s server.Spec, w *workload) (report.Result, error)
	media
}

// media are the parameters of workloads of packets.
type media struct {
	rooms, publishers int  // publishers of each room; mountpoints are rooms, too
	subscribers       int  // of each room, besides those who publish
	mesh              bool // who publishes subscribes to all others
	echo, stream      bool
	plays             bool   // each subscriber plays a recording
	recorded          bool   // the rooms are
	calls             bool   // each room is a call of two, who have one connection each
	telephone         bool   // which has legs outside WebRTC between them
	secure            bool   // with SRTP
	full              bool   // pion/webrtc receives
	script            string // the plugin whose script echoes, "" = none
	profile           string
	media             peer.Media
	loss              uint64        // one of so many packets, each way
	switching         bool          // subscribers change layers once a second
	mixed             bool          // is the audio of rooms
	late              time.Duration // that packets leave after their time, at most
	lostPercent       int           // of the packets of who speaks
	plain             bool          // who speaks offers no redundant audio (RFC 2198), as browsers do
	bitrate           int           // of a mix, 0 = as the server likes
	music             bool          // instead of speech
	talkers, deaf     int           // in a text room; the deaf ones read nothing
}

var (
	webcam    = peer.DefaultMedia(1_500_000)
	small     = peer.DefaultMedia(600_000)
	voice     = peer.AudioOnly()
	simulcast = func() peer.Media { m := webcam; m.Simulcast = true; return m }()
)

// pairs are ten times two who send to each other.
var pairs = media{rooms: 10, publishers: 2, mesh: true, profile: peer.GCM128, media: webcam}

// telephones are twenty calls by gateways.
var telephones = with(pairs, func(m *media) { m.rooms, m.calls, m.telephone = 20, true, true })

// calls are a hundred of audio, each with somebody who sends it back.
var calls = media{rooms: 1, subscribers: 100, echo: true, profile: peer.GCM128, media: voice}

func webinar(n int) media {
	return media{rooms: 1, publishers: 1, subscribers: n, profile: peer.GCM128, media: webcam}
}

// mixing are rooms whose audio is mixed: one of n, or eight of two.
func mixing(n int) media {
	m := media{rooms: 1, subscribers: n, mixed: true, profile: peer.GCM128, media: voice}
	if n == 2 {
		m.rooms = 8
	}
	return m
}

// lossy is speech of which so many percent are lost. What goes out has a bitrate at which how
// like it is does not depend on where its frames begin.
func lossy(percent int, plain bool) media {
	return with(mixing(2), func(m *media) { m.lostPercent, m.bitrate, m.plain = percent, 256_000, plain })
}

func with(m media, change func(*media)) media {
	change(&m)
	return m
}

// workloads are all there are, in the order in which they are measured.
var workloads = []workload{
	{name: "webinar-20", group: "webinar", short: true, servers: "bjp", measure: packets,
		about: "1.5 Mbit/s and audio to 20 subscribers", media: webinar(20)},
	{name: "webinar-100", group: "webinar", short: true, servers: "bjp", rounds: 2, measure: packets,
		about: "to 100", media: webinar(100)},
	{name: "webinar-200", group: "webinar", short: true, servers: "bjp", measure: packets,
		about: "to 200", media: webinar(200)},
	{name: "webinar-500", group: "webinar", servers: "bj", measure: packets,
		about: "to 500", media: webinar(500)},
	{name: "webinar-1000", group: "webinar", short: true, servers: "b", measure: packets,
		about: "to 1000", media: webinar(1000)},
	{name: "webinar-100-cm", short: true, servers: "bj", measure: packets,
		about: "to 100, with AES-CM and HMAC-SHA1", media: with(webinar(100), func(m *media) { m.profile = peer.CM80 })},
	{name: "webinar-20-full", short: true, servers: "bj", measure: packets,
		about: "to 20 that are pion/webrtc, to check what the light ones say", media: with(webinar(20), func(m *media) { m.full = true })},
	{name: "mesh-4x5", short: true, servers: "bjp", rounds: 2, measure: packets,
		about: "4 rooms of 5 who send 600 kbit/s and audio to each other",
		media: media{rooms: 4, publishers: 5, mesh: true, profile: peer.GCM128, media: small}},
	{name: "audio-10", short: true, servers: "bjp", rounds: 2, measure: packets,
		about: "a room of 10 who send audio to each other",
		media: media{rooms: 1, publishers: 10, mesh: true, profile: peer.GCM128, media: voice}},
	{name: "stream-100", short: true, servers: "bj", measure: packets,
		about: "plain RTP of 1.5 Mbit/s and audio to 100 viewers", media: with(webinar(100), func(m *media) { m.stream = true })},
	{name: "stream-300", servers: "bj", measure: packets,
		about: "to 300", media: with(webinar(300), func(m *media) { m.stream = true })},
	{name: "stream-100x1", servers: "bj", measure: packets,
		about: "100 such mountpoints with a viewer each", media: with(webinar(1), func(m *media) { m.rooms, m.stream = 100, true })},
	{name: "play-100", short: true, servers: "bj", measure: packets,
		about: "a recording of 1.5 Mbit/s and audio, played to each of 100 by itself", media: with(webinar(100), func(m *media) { m.plays = true })},
	{name: "simulcast-20", short: true, servers: "bj", measure: packets,
		about: "three encodings to 20 who change theirs once a second",
		media: with(webinar(20), func(m *media) { m.media, m.switching = simulcast, true })},
	{name: "loss-100", short: true, servers: "bjp", measure: packets,
		about: "to 100, with 2 % of the video packets lost each way and asked for again", media: with(webinar(100), func(m *media) { m.loss = 50 })},
	{name: "echo-20", short: true, servers: "bj", measure: packets,
		about: "20 who get back what they send", media: with(webinar(20), func(m *media) { m.echo = true })},
	{name: "echo-20-cm", servers: "bj", measure: packets,
		about: "the same with AES-CM", media: with(webinar(20), func(m *media) { m.echo, m.profile = true, peer.CM80 })},
	{name: "echo-20-full", servers: "bj", measure: packets,
		about: "the same with pion/webrtc", media: with(webinar(20), func(m *media) { m.echo, m.full = true, true })},
	{name: "echo-20-lua", short: true, servers: "b", measure: packets,
		about: "the same by a script in Lua", media: with(webinar(20), func(m *media) { m.echo, m.script = true, "lua" })},
	{name: "echo-20-duktape", servers: "b", measure: packets,
		about: "the same by a script in JavaScript", media: with(webinar(20), func(m *media) { m.echo, m.script = true, "duktape" })},
	{name: "room-2x10", short: true, servers: "bjp", measure: packets,
		about: "10 rooms of 2 who send 1.5 Mbit/s and audio to each other", media: pairs},
	{name: "call-10", short: true, servers: "bj", measure: packets,
		about: "the same as 10 calls", media: with(pairs, func(m *media) { m.calls = true })},
	{name: "nosip-20", short: true, servers: "bj", measure: packets,
		about: "20 calls of 1.5 Mbit/s and audio, by plain RTP between two legs on the server", media: telephones},
	{name: "nosip-20-srtp", servers: "bj", measure: packets,
		about: "by SRTP", media: with(telephones, func(m *media) { m.secure = true })},
	{name: "sip-100", short: true, servers: "bj", measure: talking,
		about: "100 calls of audio by SIP and plain RTP to who sends it back, beside 500 registrations", media: calls},
	{name: "sip-dial", short: true, servers: "bj", measure: dialling,
		about: "such calls, made and hung up one after the other by 8 at a time", media: calls},
	{name: "sip-register", servers: "bj", measure: registering, about: "500 registrations", media: calls},
	{name: "record-50", short: true, servers: "bj", measure: recording,
		about: "50 who send 1.5 Mbit/s and audio, all of which is recorded",
		media: media{rooms: 1, publishers: 50, recorded: true, profile: peer.GCM128, media: webcam}},
	{name: "chat-100", group: "chat", short: true, servers: "bj", measure: chatter,
		about: "20 messages a second in a text room of 100", media: media{talkers: 100}},
	{name: "chat-300", group: "chat", servers: "bj", measure: chatter, about: "of 300", media: media{talkers: 300}},
	{name: "chat-300-deaf", servers: "b", measure: chatter, about: "and of ten more who never read",
		media: media{talkers: 300, deaf: 10}},
	{name: "chat-1000", group: "chat", servers: "bj", measure: chatter, about: "of 1000", media: media{talkers: 1000}},
	{name: "chat-1000-deaf", servers: "b", measure: chatter, about: "and of ten more who never read",
		media: media{talkers: 1000, deaf: 10}},
	{name: "mix-10", group: "mix", short: true, servers: "bj", measure: mixed,
		about: "a room of 10 at 48 kHz whose audio is mixed, of whom 3 speak", media: mixing(10)},
	{name: "mix-50", group: "mix", servers: "bj", measure: mixed, about: "of 50", media: mixing(50)},
	{name: "mix-100", group: "mix", short: true, servers: "bj", measure: mixed, about: "of 100", media: mixing(100)},
	{name: "mix-limit", servers: "bj", measure: largest,
		about: "the largest such room that gets its packets in time, by doubling", media: mixing(50)},
	{name: "mix-delay", short: true, servers: "bj", measure: delayed,
		about: "how much later somebody is heard by mixing, in 8 rooms of two", media: mixing(2)},
	{name: "mix-delay-jitter", servers: "bj", measure: delayed,
		about: "with 0 to 30 ms of jitter on the way in", media: with(mixing(2), func(m *media) { m.late = 30 * time.Millisecond })},
	{name: "mix-speech", servers: "bj", measure: likeness,
		about: "how like the original speech is that was mixed", media: mixing(2)},
	{name: "mix-speech-24k", servers: "bj", measure: likeness,
		about: "at 24 kbit/s", media: with(mixing(2), func(m *media) { m.bitrate = 24_000 })},
	{name: "mix-speech-5", servers: "bj", measure: likeness,
		about: "at 256 kbit/s, with 5 % of the packets lost on the way in, by clients that offer RED and FEC", media: lossy(5, false)},
	{name: "mix-speech-20", servers: "bj", measure: likeness, about: "with 20 %", media: lossy(20, false)},
	{name: "mix-speech-5-fec", servers: "bj", measure: likeness, about: "with 5 %, by clients that offer FEC alone", media: lossy(5, true)},
	{name: "mix-speech-20-fec", servers: "bj", measure: likeness, about: "with 20 %", media: lossy(20, true)},
	{name: "mix-music", servers: "bj", measure: likeness,
		about: "how like the original music is", media: with(mixing(2), func(m *media) { m.music = true })},
	{name: "mix-music-24k", servers: "bj", measure: likeness,
		about: "at 24 kbit/s", media: with(mixing(2), func(m *media) { m.music, m.bitrate = true, 24_000 })},
	{name: "churn", short: true, servers: "bjp", measure: churn,
		about: "connections, from the request for an offer to the first media, as many as can be", media: with(webinar(16), func(m *media) { m.media = voice })},
	{name: "click", short: true, servers: "bjp", measure: click,
		about: "the same, ten a second", media: with(webinar(0), func(m *media) { m.media = voice })},
	{name: "api-http", short: true, servers: "bj", measure: requestsHTTP, about: "requests by HTTP"},
	{name: "api-ws", short: true, servers: "bj", measure: requestsWS, about: "requests by WebSocket"},
	{name: "api-rabbitmq", servers: "b", measure: requestsRabbitMQ, about: "requests by RabbitMQ"},
	{name: "api-mqtt", servers: "b", measure: requestsMQTT, about: "requests by MQTT, by Mosquitto"},
	{name: "api-nanomsg", servers: "b", measure: requestsNanomsg, about: "requests by Nanomsg"},
	{name: "dashboard-40x5", servers: "b", measure: watched,
		about: "what it costs when somebody looks at the dashboard of 40 rooms of 5 and 2,000 idle sessions",
		media: media{rooms: 40, publishers: 5, mesh: true, profile: peer.GCM128, media: voice}},
	{name: "idle-10000", short: true, servers: "bj", measure: idle, about: "10,000 sessions of one handle each that do nothing"},
}

// receivers is how many streams of peers come out of the server.
func (m *media) receivers() int {
	if m.mesh {
		return m.rooms * m.publishers
	}
	return m.rooms * m.subscribers
}

// perSecond is how many packets will be delivered in a second, roughly.
func (m *media) perSecond() float64 {
	one := float64(m.media.AudioPPS)
	if m.media.VideoFPS > 0 {
		one += float64(m.media.VideoFPS) * float64(m.media.VideoRate/8/m.media.VideoFPS/m.media.MaxPayload+1)
	}
	return one * float64(m.receivers()*m.factor())
}

// bothWays reports whether every peer sends and receives by one connection.
func (m *media) bothWays() bool { return m.echo || m.calls }

// factor is how many senders each receiver gets.
func (m *media) factor() int {
	switch {
	case m.mesh:
		return m.publishers - 1
	case m.echo:
		return 1
	}
	return m.publishers
}
