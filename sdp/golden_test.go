package sdp

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readOffer(t testing.TB, name string) string { return readFile(t, "offers/"+name+".sdp") }

func mustParse(t testing.TB, text string) *Description {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return d
}

type goldenEntry struct {
	Type string
	SDP  map[string]any
}

func readGolden(t *testing.T) map[string]goldenEntry {
	var golden map[string]goldenEntry
	if err := json.Unmarshal([]byte(readFile(t, "golden.json")), &golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// differences lists where two structures differ, as paths.
func differences(path string, want, got any) []string {
	w, wok := want.(map[string]any)
	g, gok := got.(map[string]any)
	if wok && gok {
		keys := map[string]bool{}
		for k := range w {
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		var diffs []string
		for k := range keys {
			diffs = append(diffs, differences(path+"/"+k, w[k], g[k])...)
		}
		sort.Strings(diffs)
		return diffs
	}
	wl, wok := want.([]any)
	gl, gok := got.([]any)
	if wok && gok && len(wl) == len(gl) {
		var diffs []string
		for i := range wl {
			diffs = append(diffs, differences(fmt.Sprint(path, "/", i), wl[i], gl[i])...)
		}
		return diffs
	}
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return []string{fmt.Sprintf("%s: want %v, got %v", path, want, got)}
}

var testTransport = Transport{
	Ufrag: "XX/Y", Pwd: "0KDtjKboxthTph4TmYfpHh",
	Fingerprint:     Fingerprint{"sha-256", "5E:1D:14:4C"},
	Candidates:      []string{"1 1 udp 2015363327 10.0.2.15 36058 typ host"},
	EndOfCandidates: true,
	Address:         "10.0.2.15",
}

var testSources = []LocalSection{{1, 2}, {3, 4}, {5, 6}, {7, 8}}

// print marshals as a server would, checks with an independent parser that it is
// SDP, and returns it.
func print(t *testing.T, d, remote *Description) string {
	t.Helper()
	tr := testTransport
	tr.Setup = SetupActpass
	if d.Type == TypeAnswer {
		tr.Setup = SetupActive
		if remote != nil {
			tr.Setup = remote.PeerTransport(nil).Setup.Answer()
		}
	}
	text := d.Marshal(tr, testSources, remote)
	checkValid(t, text)
	return text
}

func checkValid(t *testing.T, text string) {
	t.Helper()
	var p pion.SessionDescription
	if err := p.Unmarshal([]byte(text)); err != nil {
		t.Fatalf("pion/sdp: %v in:\n%s", err, text)
	}
}

var echoExtensions = []string{URIMID, URIRID, URIRepairedRID, URIAudioLevel, URIVideoOrientation, URIPlayoutDelay,
	URITransportCC, URIDependencyDescriptor, URIAbsSendTime, URIAbsCaptureTime, URIVideoLayers}

// echoOptions answer as the EchoTest plugin does.
func echoOptions(audio, video string) AnswerOptions {
	var seen [4]bool
	return AnswerOptions{Choose: func(i int, s *Section) SectionChoice {
		if i == 0 {
			seen = [4]bool{}
		}
		c := SectionChoice{Extensions: echoExtensions, AudioParams: []string{"useinbandfec=1", "usedtx=1", "stereo=1"}}
		c.NoSend = !seen[s.Kind] && s.Direction == RecvOnly
		seen[s.Kind] = true
		if s.Kind == Audio && audio != "" {
			c.Codecs = []string{audio}
		}
		if s.Kind == Video && video != "" {
			c.Codecs = []string{video}
		}
		return c
	}}
}

func videoRoomOptions() AnswerOptions {
	return AnswerOptions{Name: "VideoRoom $room", Choose: func(i int, s *Section) SectionChoice {
		c := SectionChoice{NoSend: s.Kind != Application, AudioParams: []string{"useinbandfec=1"}}
		c.Extensions = []string{URIMID, URIRID, URIRepairedRID, URITransportCC, URIAudioLevel}
		if s.Kind == Video {
			c.Extensions = append(c.Extensions[:4], URIVideoOrientation, URIPlayoutDelay, URIDependencyDescriptor)
		}
		return c
	}}
}

func recordOptions() AnswerOptions {
	o := videoRoomOptions()
	choose := o.Choose
	o.Name = "Recording $rec"
	o.Choose = func(i int, s *Section) SectionChoice {
		c := choose(i, s)
		c.AudioParams = nil
		if s.Kind == Video {
			c.Extensions = []string{URIMID, URIRID, URIRepairedRID, URITransportCC, URIVideoOrientation}
		}
		return c
	}
	return o
}

// answer makes the text of an answer to one of the offer files.
func answer(offer string, o AnswerOptions, edits ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		text := readOffer(t, offer)
		for i := 0; i < len(edits); i += 2 {
			text = regexp.MustCompile("(?m)"+edits[i]).ReplaceAllString(text, edits[i+1])
		}
		remote := mustParse(t, text)
		if err := remote.Validate(true); err != nil {
			t.Fatal(err)
		}
		return print(t, Answer(remote.Anonymise(), o), remote)
	}
}

func offer(name string, sections ...OfferSection) func(t *testing.T) string {
	return func(t *testing.T) string {
		return print(t, Offer(OfferOptions{Name: name, SessionID: 1, Version: 1, Sections: sections}), nil)
	}
}

func ext(uris ...string) []Extension {
	var list []Extension
	for _, u := range uris {
		list = append(list, Extension{URI: u})
	}
	return list
}

// relay prints a description that comes from another peer.
func relay(file string, typ Type, remote func(t *testing.T) *Description) func(t *testing.T) string {
	return func(t *testing.T) string {
		d := mustParse(t, readOffer(t, file)).Anonymise()
		d.Type = typ
		var r *Description
		if remote != nil {
			r = remote(t)
		}
		return print(t, d, r)
	}
}

var (
	subAudio = OfferSection{Kind: Audio, Codec: Opus, Direction: SendOnly, Fmtp: "useinbandfec=1",
		Extensions: ext(URIMID, URITransportCC, URIAudioLevel)}
	subAudioOff = OfferSection{Kind: Audio, Codec: Opus, Extensions: ext(URIMID, URITransportCC)}
	subVideo    = OfferSection{Kind: Video, Codec: VP8, Direction: SendOnly,
		Extensions: ext(URIMID, URITransportCC, URIAbsSendTime, URIPlayoutDelay, URIVideoOrientation)}
	subVideoOff = OfferSection{Kind: Video, Codec: VP8, Extensions: ext(URIMID, URITransportCC, URIAbsSendTime)}
	subData     = OfferSection{Kind: Application, Direction: SendOnly}
	textData    = OfferSection{Kind: Application, Direction: SendRecv}
	streamExt   = ext(URIMID, URIAbsSendTime)
	streamAudio = OfferSection{Kind: Audio, MID: "a", Codec: Opus, PT: 111, Direction: SendOnly, Extensions: streamExt}
	playExt     = []Extension{{ID: 1, URI: URIMID}}
)

// goldenCases make what a server answers in the recorded scenarios.
var goldenCases = map[string]func(t *testing.T) string{
	"echotest/chrome_audio_video_data/0": answer("chrome_avd", echoOptions("", "")),
	"echotest/chrome_audio/0":            answer("chrome_audio", echoOptions("", "")),
	"echotest/new_chrome/0":              answer("chrome_new_av", echoOptions("", "")),
	"echotest/simulcast_rids/0":          answer("chrome_simulcast", echoOptions("", "")),
	"echotest/data_only/0":               answer("chrome_data", echoOptions("", "")),
	"echotest/directions/0":              answer("chrome_recvonly", echoOptions("", "")),
	"echotest/directions/1":              answer("chrome_audio", echoOptions("", ""), "^a=sendrecv", "a=sendonly"),
	"echotest/directions/2":              answer("chrome_audio", echoOptions("", ""), "^a=sendrecv", "a=inactive"),
	"echotest/codec_preference/0":        answer("chrome_new_av", echoOptions("", "h264")),
	"echotest/codec_preference/1":        answer("chrome_new_av", echoOptions("pcmu", "vp9")),
	"echotest/peerconnection_up/0":       answer("chrome_avd", echoOptions("", ""), "setup:actpass", "setup:active"),
	"echotest/trickled_candidates/0":     answer("chrome_audio", echoOptions("", "")),
	"echotest/passive_client/0":          answer("chrome_audio", echoOptions("", ""), "setup:actpass", "setup:active"),
	"echotest/passive_client/2":          answer("chrome_audio", echoOptions("", ""), "setup:actpass", "setup:passive"),

	"core/trickle_errors/3":               answer("chrome_avd", echoOptions("", "")),
	"core/renegotiation_and_hangup/0":     answer("chrome_avd", echoOptions("", "")),
	"core/renegotiation_and_hangup/2":     answer("chrome_audio", echoOptions("", "")),
	"videoroom/publish_and_leave/3":       answer("chrome_avd", videoRoomOptions()),
	"videoroom/publish_and_leave/9":       answer("chrome_audio", videoRoomOptions()),
	"videoroom/subscribe_multistream/0":   answer("chrome_avd", videoRoomOptions()),
	"videoroom/subscribe_legacy/2":        answer("chrome_new_av", videoRoomOptions()),
	"videoroom/kick_and_moderate/2":       answer("chrome_audio", videoRoomOptions()),
	"videoroom/room_full_and_destroyed/2": answer("chrome_audio", videoRoomOptions()),
	"videoroom/rtp_forward/0":             answer("chrome_new_av", videoRoomOptions()),
	"videoroom/join_and_configure/0":      answer("chrome_new_av", videoRoomOptions()),
	"recordplay/record/0":                 answer("chrome_new_av", recordOptions()),
	"audiobridge/two_participants/3": answer("chrome_audio", AnswerOptions{Name: "AudioBridge $room",
		Choose: func(int, *Section) SectionChoice {
			return SectionChoice{Extensions: []string{URIMID, URIAudioLevel},
				Fmtp: "maxplaybackrate=16000; stereo=0; sprop-stereo=0; useinbandfec=1"}
		}}),

	"videoroom/subscribe_multistream/2":  offer("VideoRoom $room", subAudio, subVideo, subData),
	"videoroom/subscribe_multistream/10": offer("VideoRoom $room", subAudio, subVideoOff, subData),
	"videoroom/subscribe_legacy/4":       offer("VideoRoom $room", subAudio, subVideo),
	"videoroom/subscribe_legacy/7":       offer("VideoRoom $room", subAudioOff, subVideoOff),
	"videoroom/update_and_switch/2":      offer("VideoRoom $room", subAudio),
	"videoroom/update_and_switch/5":      offer("VideoRoom $room", subAudio, subAudio),
	"videoroom/update_and_switch/8":      offer("VideoRoom $room", subAudio, subAudioOff),
	"textroom/setup/0":                   offer("Janus TextRoom plugin", textData),
	"textroom/setup/3":                   offer("Janus TextRoom plugin", textData),
	"streaming/create_rtp_multistream/2": offer("Mountpoint $mp", streamAudio,
		OfferSection{Kind: Video, MID: "v1", Codec: VP8, PT: 96, Direction: SendOnly, Extensions: streamExt},
		OfferSection{Kind: Video, MID: "v2", Codec: H264, PT: 97, Direction: SendOnly, Extensions: streamExt,
			Fmtp: "profile-level-id=42e01f;packetization-mode=1"}),
	"streaming/live_file/4": offer("Mountpoint $mp",
		OfferSection{Kind: Audio, Codec: PCMA, Direction: SendOnly, Extensions: streamExt}),
	"streaming/watch_rtp/0": offer("Mountpoint 1", streamAudio,
		OfferSection{Kind: Video, MID: "v", Codec: VP8, PT: 100, Direction: SendOnly, Extensions: streamExt}),
	"streaming/kick_all/0": offer("Mountpoint $mp", streamAudio),
	"recordplay/play/0": offer("Recording 1234",
		OfferSection{Kind: Audio, Codec: Opus, Direction: SendOnly, Extensions: playExt},
		OfferSection{Kind: Video, Codec: VP8, PT: 100, Direction: SendOnly, Extensions: playExt}),

	"videocall/a_call/0":    relay("chrome_avd", TypeOffer, nil),
	"videocall/declined/0":  relay("chrome_audio", TypeOffer, nil),
	"nosip/process_offer/0": relay("plain_offer", TypeOffer, nil),
	"nosip/generate_offer/1": relay("plain_offer", TypeAnswer, func(t *testing.T) *Description {
		d := mustParse(t, readOffer(t, "chrome_avd"))
		d.Sections = d.Sections[:2]
		return d
	}),
	"videocall/a_call/2":      videocallAnswer,
	"sipcall/incoming_call/0": func(t *testing.T) string { return print(t, mustParse(t, sipPeer).Anonymise(), nil) },
	"sipcall/outgoing_call/0": func(t *testing.T) string {
		d := mustParse(t, sipPeer).Anonymise()
		d.Type = TypeAnswer
		return print(t, d, mustParse(t, readOffer(t, "chrome_audio")))
	},
}

// sipPeer is what a SIP user agent sends: plain RTP and no mids.
const sipPeer = "v=0\no=ua 1 1 IN IP4 10.77.0.1\ns=call\nc=IN IP4 10.77.0.1\nt=0 0\n" +
	"m=audio 41000 RTP/AVP 0 8 101\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n" +
	"a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=sendrecv\n"

// videocallAnswer is what the caller gets when the callee accepts everything that
// it was offered.
func videocallAnswer(t *testing.T) string {
	caller := mustParse(t, readOffer(t, "chrome_avd"))
	forCallee := mustParse(t, print(t, caller.Anonymise(), nil))
	fromCallee := forCallee.Anonymise()
	fromCallee.Type = TypeAnswer
	for i := range fromCallee.Sections {
		fromCallee.Sections[i].Stream = ""
	}
	return print(t, fromCallee, caller)
}

// deviations are paths where we deliberately do not do what was recorded.
var deviations = map[string]map[string]string{
	"echotest/simulcast_rids/0": {
		"/media/1/~ssrc":        "what we send has retransmissions, so we say from where",
		"/media/1/~ssrc-groups": "same",
	},
	"nosip/generate_offer/1": {
		"/media/1/fmts":   "one payload type cannot be H.264 and RTX",
		"/media/1/codecs": "same",
		"/media/1/~ssrc":  "same",
	},
}

func TestGolden(t *testing.T) {
	golden := readGolden(t)
	for key, entry := range golden {
		t.Run(key, func(t *testing.T) {
			run := goldenCases[key]
			if run == nil {
				t.Fatal("no case for this golden entry")
			}
			text := run(t)
			seen := map[string]bool{}
			for _, diff := range differences("", entry.SDP, structure(text)) {
				known := false
				for path := range deviations[key] {
					if strings.HasPrefix(diff, path) {
						known, seen[path] = true, true
					}
				}
				if !known {
					t.Error(diff)
				}
			}
			for path := range deviations[key] {
				if !seen[path] {
					t.Errorf("no deviation at %s any more", path)
				}
			}
			if t.Failed() {
				t.Log("\n" + text)
			}
		})
	}
}
