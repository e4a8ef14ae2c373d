package audiobridge

import (
	"math"
	"slices"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

const (
	defaultRate = 16000 // Hz

	// Bounds of a bitrate of Opus, in bit/s.
	minBitrate, maxBitrate = 500, 512000

	maxLoss      = 20  // percent
	maxGroups    = 5   // of a room
	maxGroupName = 256 // bytes

	defaultPackets, defaultLevel = 100, 25 // of those who talk
)

var rates = []int{8000, 12000, 16000, 24000, 48000}

// settings are those of a room.
type settings struct {
	rooms.Access
	description string
	rate        int // Hz
	spatial     bool

	levelExt, levelEvent       bool
	levelPackets, levelAverage int

	bitrate int // bit/s, 0 = the codec's choice
	loss    int // percent

	record     bool // the mix
	recordFile string
	recordDir  string
	mjrs       bool // each participant
	mjrsDir    string

	plainRTP bool
	groups   []string
	denoise  bool // kept, and of no effect

	static static
}

// static is the forwarder that a room of the file has from the start.
type static struct {
	id          int
	host        string
	family      string
	port        int
	ssrc        uint64
	codec       string
	payloadType int
	group       string
	suite       int
	crypto      string
	alwaysOn    bool
}

// table is the settings that requests and the file have.
func (s *settings) table() kit.Settings {
	return kit.Settings{
		{Name: "description", To: &s.description, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "secret", To: &s.Secret, Edit: true, Save: kit.IfSet},
		{Name: "pin", To: &s.PIN, Edit: true, Clear: true, Save: kit.IfSet},
		{Name: "is_private", To: &s.Hidden, Edit: true, Save: kit.Always},
		{Name: "sampling", To: &s.rate},
		{Name: "sampling_rate", To: &s.rate, Save: kit.Always, Show: kit.Always},
		{Name: "spatial_audio", To: &s.spatial, Save: kit.Always, Show: kit.Always},
		{Name: "audiolevel_ext", To: &s.levelExt, Save: kit.Always},
		{Name: "audiolevel_event", To: &s.levelEvent, Save: kit.Always},
		{Name: "audio_active_packets", To: &s.levelPackets, NotZero: true, Save: kit.Always},
		{Name: "audio_level_average", To: &s.levelAverage, NotZero: true, Save: kit.Always},
		{Name: "default_expectedloss", To: &s.loss, Save: kit.IfSet},
		{Name: "default_bitrate", To: &s.bitrate, Save: kit.IfSet},
		{Name: "denoise", To: &s.denoise, Save: kit.IfSet},
		{Name: "record", To: &s.record, Save: kit.Always, Show: kit.Always},
		{Name: "record_file", To: &s.recordFile, Save: kit.IfSet},
		{Name: "record_dir", To: &s.recordDir, Edit: true, Clear: true, Save: kit.IfSet},
		{Name: "mjrs", To: &s.mjrs, Save: kit.Always},
		{Name: "mjrs_dir", To: &s.mjrsDir, Edit: true, Clear: true, Save: kit.IfSet},
		{Name: "allow_rtp_participants", To: &s.plainRTP, Save: kit.Always},
		{Name: "groups", To: &s.groups, Save: kit.IfSet},
		{Name: "signed_tokens", To: &s.Signed, Save: kit.IfSet},
		{Name: "default_prebuffering", To: new(int)},
	}
}

// table is the settings of the file alone.
func (s *static) table() kit.Settings {
	return kit.Settings{
		{Name: "rtp_forward_id", To: &s.id, Save: kit.IfSet},
		{Name: "rtp_forward_host", To: &s.host, Save: kit.IfSet},
		{Name: "rtp_forward_host_family", To: &s.family, Save: kit.IfSet},
		{Name: "rtp_forward_port", To: &s.port, Save: kit.IfSet},
		{Name: "rtp_forward_ssrc", To: &s.ssrc, Most: math.MaxUint32, Save: kit.IfSet},
		{Name: "rtp_forward_codec", To: &s.codec, Save: kit.IfSet},
		{Name: "rtp_forward_ptype", To: &s.payloadType, Most: 127, Save: kit.IfSet},
		{Name: "rtp_forward_group", To: &s.group, Save: kit.IfSet},
		{Name: "rtp_forward_srtp_suite", To: &s.suite, Save: kit.IfSet},
		{Name: "rtp_forward_srtp_crypto", To: &s.crypto, Save: kit.IfSet},
		{Name: "rtp_forward_always_on", To: &s.alwaysOn, Save: kit.IfSet},
	}
}

// Settings are all that the file has. Requests have none of static.
func (s *settings) Settings() kit.Settings { return slices.Concat(s.table(), s.static.table()) }

// newSettings takes settings from src, and defaults for the rest.
func newSettings(src kit.Values, description string) settings {
	s := settings{description: description, rate: defaultRate, levelExt: true, levelPackets: defaultPackets, levelAverage: defaultLevel}
	s.table().Read(src)
	if src.Category() != "" {
		s.static.table().Read(src)
	}
	if !s.levelEvent {
		s.levelPackets, s.levelAverage = defaultPackets, defaultLevel
	}
	if s.loss > maxLoss {
		src.Reject("default_expectedloss", "at most 20", "taken as 0")
		s.loss = 0
	}
	if !validBitrate(int64(s.bitrate)) {
		src.Reject("default_bitrate", "500 to 512000", "taken as 0")
		s.bitrate = 0
	}
	var groups []string
	for _, name := range s.groups {
		if !slices.Contains(groups, name) {
			groups = append(groups, name)
		}
	}
	s.groups = groups
	return s
}

func validBitrate(n int64) bool { return n == 0 || n >= minBitrate && n <= maxBitrate }

// group is the number of a group, from 1 on; 0 if there is none of that name.
func (s *settings) group(name string) int { return slices.Index(s.groups, name) + 1 }

// groupName is the name of a group, "" for none.
func (s *settings) groupName(n int) string {
	if n == 0 {
		return ""
	}
	return s.groups[n-1]
}

// checkRoom looks at fields more closely than their types.
func checkRoom(body kit.Args, prefix string) *schema.Error {
	if prefix != "" {
		return nil
	}
	for _, name := range []string{"sampling", "sampling_rate"} {
		if n, ok := body.Number(name); ok && !slices.Contains(rates, int(n)) {
			return errorf(errUnknown, "Unsupported sampling rate %d", n)
		}
	}
	groups, ok := body.Texts("groups")
	if bad := wrongGroups(groups); !ok || bad != "" {
		return errorf(errInvalidElement, "Invalid element in the groups array (%s)", groupsText)
	}
	return nil
}

const groupsText = "at most 5 names of at most 256 bytes"

// wrongGroups says what is wrong with the names of groups, "" if nothing is.
func wrongGroups(names []string) string {
	if len(names) > maxGroups || slices.ContainsFunc(names, func(s string) bool { return s == "" || len(s) > maxGroupName }) {
		return groupsText
	}
	return ""
}

// checkEntry looks at the settings of a room in the file.
func checkEntry(c *config.Reader) {
	rooms.Strays(c, new(settings).Settings(), map[string]string{
		"rtp_forward_srtp_suite": "the mix is not encrypted", "rtp_forward_srtp_crypto": "the mix is not encrypted",
	})
	if denoise, _ := c.Flag("denoise"); denoise {
		c.Reject("denoise", "false, as there is no RNNoise in here", "")
	}
}

// unfit says why there can be no room with an entry of the file, "" if there can.
func unfit(c *config.Reader) string {
	set := newSettings(kit.FromFile(config.NewReader(c.Group())), "")
	_, old := c.Text("sampling")
	_, given := c.Text("sampling_rate")
	switch {
	case !given && !old:
		return "it has no sampling_rate"
	case !slices.Contains(rates, set.rate):
		return "its sampling_rate is none of 8000, 12000, 16000, 24000 and 48000"
	case wrongGroups(set.groups) != "":
		return "its groups are not " + groupsText
	}
	return ""
}
