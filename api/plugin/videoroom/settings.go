package videoroom

import (
	"slices"
	"strconv"
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/sdp"
)

const (
	defaultPublishers    = 3
	defaultActivePackets = 100
	defaultLevelAverage  = 25 // -dBov
	minBitrate           = 64000
	maxCodecs            = 5
	maxFIRFreq           = 1<<16 - 1 // s
	maxNumber            = 1<<31 - 1
)

// settings are what a room is set up with.
type settings struct {
	description   string
	hidden        bool // left out from the list
	secret, pin   string
	requirePvtID  bool
	signedTokens  bool
	maxPublishers int
	bitrate       uint64 // bit/s, 0 = no cap
	bitrateCap    bool
	firFreq       int // seconds, 0 = off
	audioCodecs   []string
	videoCodecs   []string
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
	lockRecord    bool
	notifyJoining bool
	requireE2EE   bool
	threads       int
	dummy         bool
}

// newSettings makes settings of what src has, with defaults for the rest.
// Codecs that are not known are left out.
func newSettings(src kit.Source, description string) settings {
	s := settings{
		description: description, maxPublishers: defaultPublishers,
		opusFEC: true, audioLevelExt: true, orientationExt: true, delayExt: true, transportCC: true,
		audioActivePackets: defaultActivePackets, audioLevelAverage: defaultLevelAverage,
	}
	for name, p := range s.flags() {
		if v, ok := src.Flag(name); ok {
			*p = v
		}
	}
	for name, p := range s.texts() {
		if v, ok := src.Text(name); ok && v != "" {
			*p = v
		}
	}
	for name, p := range s.numbers() {
		if v, ok := src.Number(name); ok && v >= 0 && v <= maxNumber {
			*p = int(v)
		} else if ok {
			src.Reject(name, "at most "+strconv.Itoa(maxNumber), "")
		}
	}
	if n, ok := src.Number("bitrate"); ok && n > 0 {
		s.bitrate = max(uint64(n), minBitrate)
	}
	s.firFreq = min(s.firFreq, maxFIRFreq)
	if s.audioActivePackets == 0 {
		s.audioActivePackets = defaultActivePackets
	}
	if s.audioLevelAverage == 0 {
		s.audioLevelAverage = defaultLevelAverage
	}
	s.audioCodecs = readCodecs(src, "audiocodec", audioCodecs, sdp.Opus)
	s.videoCodecs = readCodecs(src, "videocodec", sdp.DefaultVideoCodecs, sdp.VP8)
	s.settle(src)
	return s
}

// readCodecs reads the codecs of a room. Those that are not known are left out.
func readCodecs(src kit.Source, name string, known []string, fallback string) []string {
	text, _ := src.Text(name)
	list, ok := parseCodecs(text, known, fallback)
	if !ok {
		src.Reject(name, "a list without blanks of "+strings.Join(known, ","), "taken as "+strings.Join(list, ","))
	}
	return list
}

// settle takes back what the codecs do not allow.
func (s *settings) settle(src kit.Source) {
	if !slices.Contains(s.audioCodecs, sdp.Opus) {
		s.opusFEC, s.opusDTX = false, false
	}
	if !slices.Contains(s.videoCodecs, sdp.VP9) && s.vp9Profile != "" {
		src.Reject("vp9_profile", "only with vp9 in videocodec", "")
		s.vp9Profile = ""
	}
	if !slices.Contains(s.videoCodecs, sdp.H264) && s.h264Profile != "" {
		src.Reject("h264_profile", "only with h264 in videocodec", "")
		s.h264Profile = ""
	}
}

func (s *settings) flags() map[string]*bool {
	return map[string]*bool{
		"is_private": &s.hidden, "require_pvtid": &s.requirePvtID, "signed_tokens": &s.signedTokens,
		"bitrate_cap": &s.bitrateCap, "opus_fec": &s.opusFEC, "opus_dtx": &s.opusDTX,
		"audiolevel_ext": &s.audioLevelExt, "videoorient_ext": &s.orientationExt,
		"playoutdelay_ext": &s.delayExt, "transport_wide_cc_ext": &s.transportCC,
		"audiolevel_event": &s.audioLevelEvent, "record": &s.record, "lock_record": &s.lockRecord,
		"notify_joining": &s.notifyJoining, "require_e2ee": &s.requireE2EE, "dummy_publisher": &s.dummy,
	}
}

func (s *settings) texts() map[string]*string {
	return map[string]*string{
		"description": &s.description, "secret": &s.secret, "pin": &s.pin, "rec_dir": &s.recDir,
		"vp9_profile": &s.vp9Profile, "h264_profile": &s.h264Profile,
	}
}

func (s *settings) numbers() map[string]*int {
	return map[string]*int{
		"publishers": &s.maxPublishers, "fir_freq": &s.firFreq, "threads": &s.threads,
		"audio_active_packets": &s.audioActivePackets, "audio_level_average": &s.audioLevelAverage,
	}
}

// audioCodecs are those that rooms know.
var audioCodecs = []string{
	sdp.Opus, sdp.Multiopus, sdp.RED, sdp.PCMU, sdp.PCMA, sdp.G722, sdp.ISAC32, sdp.ISAC16, sdp.L16at48, sdp.L16at16,
}

// parseCodecs reads a comma-separated list, "" = fallback. What is not known is
// left out and makes ok false; nothing is read beyond maxCodecs.
func parseCodecs(text string, known []string, fallback string) (list []string, ok bool) {
	ok = true
	if text == "" {
		return []string{fallback}, true
	}
	for _, name := range strings.Split(text, ",") {
		name = strings.ToLower(name)
		switch {
		case len(list) == maxCodecs:
			return list, ok
		case !slices.Contains(known, name):
			ok = false
		case !slices.Contains(list, name):
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		list = []string{fallback}
	}
	return list, ok
}

// group is the settings as the file has them.
func (s *settings) group() *config.Group {
	g := new(config.Group)
	g.Set("description", s.description)
	for _, name := range savedFlags {
		g.Set(name, strconv.FormatBool(*s.flags()[name]))
	}
	for _, name := range savedTexts {
		if text := *s.texts()[name]; text != "" {
			g.Set(name, text)
		}
	}
	g.Set("bitrate", strconv.FormatUint(s.bitrate, 10))
	for _, name := range savedNumbers {
		g.Set(name, strconv.Itoa(*s.numbers()[name]))
	}
	g.Set("audiocodec", strings.Join(s.audioCodecs, ","))
	g.Set("videocodec", strings.Join(s.videoCodecs, ","))
	return g
}

// The order in which settings are saved.
var (
	savedTexts = []string{"secret", "pin", "vp9_profile", "h264_profile", "rec_dir"}
	savedFlags = []string{"is_private", "require_pvtid", "signed_tokens", "bitrate_cap", "opus_fec", "opus_dtx",
		"audiolevel_ext", "audiolevel_event", "videoorient_ext", "playoutdelay_ext", "transport_wide_cc_ext",
		"notify_joining", "require_e2ee", "dummy_publisher", "record", "lock_record"}
	savedNumbers = []string{"publishers", "fir_freq", "audio_active_packets", "audio_level_average", "threads"}
)

// knownCodecs are the codecs of each kind of media.
var knownCodecs = map[string][]string{"audio": audioCodecs, "video": sdp.DefaultVideoCodecs, "data": nil}
