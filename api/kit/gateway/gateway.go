// Package gateway has the parts of plugins that join a WebRTC client and a far end outside
// WebRTC, such as a telephone: the plain side of a call.
//
// A Leg has the offers and answers of both sides (RFC 3264), the ports and the SRTP keys, and has
// media flow as agreed. What a browser describes becomes a plain description, and the other
// way round; how the plain ones get to the far end is no business of this package.
//
// A description is taken in, or made, in one step that has no effect if it fails. Connect then
// has media flow, when the client's side is ready for that.
package gateway

import (
	"log/slog"
	"net/netip"
	"time"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Config are the common settings of a plugin's legs. It is fixed before the first one is made.
type Config struct {
	Engine func() *sfu.Engine
	Log    func() *slog.Logger
	Codes
	Settings
	Rules *forward.Rules // of forwarders

	// Shorten leaves one payload type of each codec in answers to the far end.
	Shorten bool
}

// Codes are a plugin's error numbers.
type Codes struct {
	kit.Codes     // BadSDP is for descriptions that cannot be read
	NoMedia   int // a description without media that can be had, or without an address
	IO        int // no ports
	Strict    int // SRTP is required, and the far end has none
	State     int // not now
}

// Settings are the settings for legs in a plugin's file.
type Settings struct {
	Addr      netip.Addr // that ports are bound to, invalid = any
	SDPAddr   netip.Addr // that descriptions show, invalid = Addr, or the one that leads to the far end
	Ports     config.PortRange
	DSCP      [2]int        // by sdp.Kind
	Symmetric bool          // see sfu.RTPRemote.Latch
	Timeout   time.Duration // a call ends that nothing comes in from the far end for so long, 0 = none does
}

// SRTP has the fields of a request about it.
type SRTP struct {
	Offer    bool            // by us
	Required bool            // no call without it
	Suite    sfu.SRTPProfile // of our offer
}

// Fields are those of requests that say something on SRTP.
var Fields = schema.Typed(schema.String, "srtp", "srtp_profile")

// ReadSRTP reads whether there is to be SRTP. The suite is read apart, by ReadSuite.
func (c *Codes) ReadSRTP(body kit.Args) (s SRTP, err *schema.Error) {
	switch text, given := body.Text("srtp"); {
	case !given:
	case text == "sdes_optional":
		s.Offer = true
	case text == "sdes_mandatory":
		s.Offer, s.Required = true, true
	default:
		return s, kit.Errorf(c.Invalid, "Invalid element (srtp can only be sdes_optional or sdes_mandatory)")
	}
	return s, nil
}

// ReadSuite reads by which crypto suite there is to be SRTP, if there is.
func (c *Codes) ReadSuite(body kit.Args, s *SRTP) *schema.Error {
	if !s.Offer {
		return nil
	}
	text, given := body.Text("srtp_profile")
	if !given {
		text = "AES_CM_128_HMAC_SHA1_80"
	}
	var known bool
	if s.Suite, known = sfu.SRTPSuite(text); !known {
		return kit.Errorf(c.Invalid, "Invalid element (unsupported SRTP profile)")
	}
	return nil
}

// CheckBrowser returns the reason why a client's description cannot be used.
func (c *Codes) CheckBrowser(j *plugin.JSEP) *schema.Error {
	if j == nil {
		return kit.Errorf(c.BadSDP, "Missing SDP")
	}
	for i := range j.SDP.Sections {
		if j.SDP.Sections[i].Kind == sdp.Application {
			return c.NoData()
		}
	}
	if j.E2EE {
		return kit.Errorf(c.Invalid, "Media encryption unsupported by this plugin")
	}
	return nil
}

// NoData is the error of a description with data channels.
func (c *Codes) NoData() *schema.Error {
	return kit.Errorf(c.BadSDP, "Data channels are not supported")
}

// Handler takes the events of a leg, on goroutines of the engine. All may be nil.
type Handler struct {
	// Failed reports that media cannot go on: the far end has refused a hundred packets in a row, nothing comes from it for
	// longer than Settings.Timeout, or something has panicked.
	Failed func(why string)
	// DTMF reports a digit that the far end has sent by RTP, once, at its end (RFC 4733), and how long it
	// was in units of its timestamps. Not by SRTP.
	DTMF func(digit byte, duration uint32)
	// Keyframe asks for a key frame of a far end that takes no request for one by RTCP, at most once a second.
	Keyframe func()
}

// reviewAfter is how long media may take to come before it is logged that one side sends none.
const reviewAfter = silence + time.Second
