package videoroom

import (
	"math"
	"slices"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/kit/rooms"
	"bifrons/sdp"
)

const minBitrate = 64000

// settings are the settings of a room.
type settings struct {
	rooms.Access
	description   string
	requirePvtID  bool
	maxPublishers int
	bitrate       uint64 // bit/s, 0 = no cap
	bitrateCap    bool
	estimate      bool   // of the capacity of the lines to subscribers
	maxBitrate    uint64 // bit/s for all that one of them gets, 0 = no bound
	firFreq       int    // seconds, 0 = off
	audioCodecs   []string
	videoCodecs   []string
	svc           bool // publishers of VP9 need not say that they send layers
	vp9Profile    string
	h264Profile   string
	opusFEC       bool
	opusDTX       bool

	audioLevelExt, orientationExt, delayExt, transportCC bool

	audioLevelEvent    bool
	audioActivePackets int // packets
	audioLevelAverage  int // -dBov

	record        bool
	recDir        string
	recordFormat  string // "" = mjr
	lockRecord    bool
	notifyJoining bool
	requireE2EE   bool
	threads       int
	dummy         bool
}

// Settings are those that requests and files have.
func (s *settings) Settings() kit.Settings {
	levels := kit.Never // they count only for events
	if s.audioLevelEvent {
		levels = kit.Always
	}
	return kit.Settings{
		{Name: "description", To: &s.description, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "secret", To: &s.Secret, Edit: true, Save: kit.IfSet},
		{Name: "pin", To: &s.PIN, Edit: true, Save: kit.IfSet},
		{Name: "is_private", To: &s.Hidden, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "publishers", To: &s.maxPublishers, Edit: true, Save: kit.Always, Show: kit.Always, ShowAs: "max_publishers"},
		{Name: "bitrate", To: &s.bitrate, Least: minBitrate, Most: math.MaxInt64, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "bitrate_cap", To: &s.bitrateCap, Save: kit.Always, Show: kit.IfSet},
		{Name: "bwe", To: &s.estimate, Edit: true, Save: kit.IfFalse(s.estimate), Show: kit.IfFalse(s.estimate)},
		{Name: "max_bitrate", To: &s.maxBitrate, Most: math.MaxInt64, Edit: true, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "fir_freq", To: &s.firFreq, Most: math.MaxUint16, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "require_pvtid", To: &s.requirePvtID, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "signed_tokens", To: &s.Signed, Save: kit.Always},
		{Name: "require_e2ee", To: &s.requireE2EE, Save: kit.Always, Show: kit.Always},
		{Name: "dummy_publisher", To: &s.dummy, Save: kit.Always, Show: kit.Always},
		{Name: "notify_joining", To: &s.notifyJoining, Save: kit.Always, Show: kit.Always},
		{Name: "audiocodec", To: mline.CodecList{Names: &s.audioCodecs, Known: audioCodecs}, Save: kit.Always, Show: kit.Always},
		{Name: "videocodec", To: mline.CodecList{Names: &s.videoCodecs, Known: sdp.DefaultVideoCodecs}, Save: kit.Always, Show: kit.Always},
		{Name: "video_svc", To: &s.svc, Save: kit.IfSet},
		{Name: "vp9_profile", To: &s.vp9Profile, Save: kit.IfSet},
		{Name: "h264_profile", To: &s.h264Profile, Save: kit.IfSet},
		{Name: "opus_fec", To: &s.opusFEC, Save: kit.Always, Show: kit.IfSet},
		{Name: "opus_dtx", To: &s.opusDTX, Save: kit.Always, Show: kit.IfSet},
		{Name: "record", To: &s.record, Save: kit.Always, Show: kit.Always},
		{Name: "rec_dir", To: &s.recDir, Edit: true, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "record_format", To: recording.FormatSetting{To: &s.recordFormat}, Edit: true, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "lock_record", To: &s.lockRecord, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "audiolevel_ext", To: &s.audioLevelExt, Save: kit.Always, Show: kit.Always},
		{Name: "audiolevel_event", To: &s.audioLevelEvent, Save: kit.Always, Show: kit.Always},
		{Name: "audio_active_packets", To: &s.audioActivePackets, NotZero: true, Save: kit.Always, Show: levels},
		{Name: "audio_level_average", To: &s.audioLevelAverage, NotZero: true, Save: kit.Always, Show: levels},
		{Name: "videoorient_ext", To: &s.orientationExt, Save: kit.Always, Show: kit.Always},
		{Name: "playoutdelay_ext", To: &s.delayExt, Save: kit.Always, Show: kit.Always},
		{Name: "transport_wide_cc_ext", To: &s.transportCC, Save: kit.Always, Show: kit.Always},
		{Name: "threads", To: &s.threads, Save: kit.Always},
	}
}

// newSettings makes settings from src, with defaults for the rest.
// Codecs that are not known are left out.
func newSettings(src kit.Values, description string) settings {
	s := settings{
		description: description, maxPublishers: 3,
		audioCodecs: []string{sdp.Opus}, videoCodecs: []string{sdp.VP8}, opusFEC: true, estimate: true,
		audioLevelExt: true, orientationExt: true, delayExt: true, transportCC: true,
		audioActivePackets: 100, audioLevelAverage: 25,
	}
	s.Settings().Read(src)
	s.settle(src)
	return s
}

// settle resets the settings that the codecs do not allow.
func (s *settings) settle(src kit.Values) {
	if !slices.Contains(s.audioCodecs, sdp.Opus) {
		s.opusFEC, s.opusDTX = false, false
	}
	for codec, profile := range map[string]*string{sdp.VP9: &s.vp9Profile, sdp.H264: &s.h264Profile} {
		if !slices.Contains(s.videoCodecs, codec) && *profile != "" {
			src.Reject(codec+"_profile", "only with "+codec+" in videocodec", "")
			*profile = ""
		}
	}
}

// audioCodecs are the codecs that rooms know.
var audioCodecs = []string{
	sdp.Opus, sdp.Multiopus, sdp.RED, sdp.PCMU, sdp.PCMA, sdp.G722, sdp.ISAC32, sdp.ISAC16, sdp.L16at48, sdp.L16at16,
}

// knownCodecs are the codecs of each kind of media.
var knownCodecs = map[sdp.Kind][]string{sdp.Audio: audioCodecs, sdp.Video: sdp.DefaultVideoCodecs}
