package replay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/sfu/media"
)

// Description describes the content of a capture and how it is played.
type Description struct {
	Capture   string     `json:"capture"`         // file, relative to the description's folder
	About     string     `json:"about,omitempty"` // where it comes from
	From      string     `json:"from,omitempty"`  // address and port of the sender, "" = whoever sends known payload types
	SRTP      *SRTP      `json:"srtp,omitempty"`  // nil = not encrypted
	Sections  []Section  `json:"sections"`
	Network   *Network   `json:"network,omitempty"`   // between the sender and the engine, nil = perfect
	Receivers []Receiver `json:"receivers,omitempty"` // none = those of DefaultReceivers

	folder string
}

// SRTP are the sender's master key and salt, behind each other in base64, as in
// SDES (RFC 4568).
type SRTP struct {
	Profile string `json:"profile"` // such as AES128_CM_SHA1_80 or AEAD_AES_128_GCM
	Key     string `json:"key"`
}

// Section is one media section of the sender.
type Section struct {
	Kind       string           `json:"kind"` // "audio" or "video"
	MID        string           `json:"mid,omitempty"`
	Codecs     []Codec          `json:"codecs"`
	Extensions map[string]uint8 `json:"extensions,omitempty"` // ids by the names in extensionNames
	Encodings  []Encoding       `json:"encodings,omitempty"`  // lowest first; several, or rids, are simulcast
	SVC        bool             `json:"svc,omitempty"`
}

// Codec is a payload format.
type Codec struct {
	Name    string `json:"name"`
	Payload uint8  `json:"payload"`
	RTX     uint8  `json:"rtx,omitempty"`
	Clock   uint32 `json:"clock"`
}

// Encoding is one stream of the sender.
type Encoding struct {
	RID  string `json:"rid,omitempty"`
	SSRC uint32 `json:"ssrc,omitempty"`
	RTX  uint32 `json:"rtx,omitempty"`
}

// Network is the treatment of packets on their way to the engine, by a seeded
// random sequence. Requests for retransmissions are answered after twice the delay.
type Network struct {
	Seed    uint64  `json:"seed"`
	Loss    float64 `json:"loss,omitempty"`    // share of the packets that are lost
	Reorder float64 `json:"reorder,omitempty"` // share that come later than the next ones
	DelayMS int     `json:"delay_ms,omitempty"`
}

// Receiver is one who subscribes to all sections. Layers are -1 or left out for
// the highest.
type Receiver struct {
	Name    string  `json:"name"`
	Shard   int     `json:"shard,omitempty"`   // 1 is another one than the sender's
	Profile string  `json:"profile,omitempty"` // SRTP, default AEAD_AES_128_GCM
	JoinMS  int     `json:"join_ms,omitempty"` // when it subscribes, from the capture's begin
	NoRTX   bool    `json:"no_rtx,omitempty"`
	Loss    float64 `json:"loss,omitempty"` // share of what is sent to it that is lost, and asked for again
	Steps   []Step  `json:"steps,omitempty"`
}

// Step changes a receiver's wishes.
type Step struct {
	AtMS     int   `json:"at_ms"`
	Encoding *int8 `json:"substream,omitempty"`
	Spatial  *int8 `json:"spatial,omitempty"`
	Temporal *int8 `json:"temporal,omitempty"`
}

func (s *Step) layer() media.Layer {
	l := media.NoLayer
	for _, f := range []struct {
		from *int8
		to   *int8
	}{{s.Encoding, &l.Encoding}, {s.Spatial, &l.Spatial}, {s.Temporal, &l.Temporal}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return l
}

// extensionNames are the header extensions that a description may name.
var extensionNames = []struct {
	name string
	id   func(*media.ExtensionIDs) *uint8
}{
	{"mid", func(e *media.ExtensionIDs) *uint8 { return &e.MID }},
	{"rid", func(e *media.ExtensionIDs) *uint8 { return &e.RID }},
	{"repaired-rid", func(e *media.ExtensionIDs) *uint8 { return &e.RepairedRID }},
	{"audio-level", func(e *media.ExtensionIDs) *uint8 { return &e.AudioLevel }},
	{"video-orientation", func(e *media.ExtensionIDs) *uint8 { return &e.VideoOrientation }},
	{"abs-send-time", func(e *media.ExtensionIDs) *uint8 { return &e.AbsSendTime }},
	{"transport-cc", func(e *media.ExtensionIDs) *uint8 { return &e.TransportSequence }},
	{"playout-delay", func(e *media.ExtensionIDs) *uint8 { return &e.PlayoutDelay }},
	{"dependency-descriptor", func(e *media.ExtensionIDs) *uint8 { return &e.DependencyDescriptor }},
	{"abs-capture-time", func(e *media.ExtensionIDs) *uint8 { return &e.AbsCaptureTime }},
	{"video-layers", func(e *media.ExtensionIDs) *uint8 { return &e.VideoLayers }},
}

// Load reads a description.
func Load(path string) (*Description, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d.folder = filepath.Dir(path)
	return d, nil
}

// Parse reads a description's JSON text.
func Parse(text []byte) (*Description, error) {
	d := new(Description)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, err
	}
	return d, d.validate()
}

// Text is the description as JSON, with a line for each thing.
func (d *Description) Text() []byte {
	b, _ := json.MarshalIndent(d, "", "\t")
	return append(b, '\n')
}

// Open reads the capture that is described.
func (d *Description) Open() ([]Datagram, error) { return ReadFile(filepath.Join(d.folder, d.Capture)) }

// Bounds of descriptions.
const (
	maxSections  = 16
	maxReceivers = 64
	maxSteps     = 1000
	maxTime      = 24 * time.Hour
)

func (d *Description) validate() error {
	switch {
	case d.Capture == "":
		return errors.New(`"capture" is missing`)
	case len(d.Sections) == 0:
		return errors.New(`"sections" is empty`)
	case len(d.Sections) > maxSections || len(d.Receivers) > maxReceivers:
		return errors.New("too many sections or receivers")
	}
	if d.SRTP != nil {
		if _, _, _, err := d.SRTP.keys(); err != nil {
			return err
		}
	}
	for i := range d.Sections {
		if err := d.Sections[i].validate(); err != nil {
			return fmt.Errorf("section %d: %w", i, err)
		}
	}
	if n := d.Network; n != nil {
		if !share(n.Loss) || !share(n.Reorder) || n.DelayMS < 0 || time.Duration(n.DelayMS)*time.Millisecond > maxTime {
			return errors.New(`"network" is out of range`)
		}
	}
	for i := range d.Receivers {
		if err := d.Receivers[i].validate(); err != nil {
			return fmt.Errorf("receiver %d: %w", i, err)
		}
	}
	return nil
}

func share(f float64) bool { return f >= 0 && f < 1 }

func (s *Section) validate() error {
	if s.Kind != "audio" && s.Kind != "video" {
		return fmt.Errorf("kind %q is neither audio nor video", s.Kind)
	}
	if len(s.Codecs) == 0 {
		return errors.New("no codecs")
	}
	for _, c := range s.Codecs {
		if c.Clock == 0 || c.Payload > 127 || c.RTX > 127 {
			return fmt.Errorf("codec %s: clock or payload type is out of range", c.Name)
		}
	}
	if len(s.Encodings) > media.MaxEncodings {
		return fmt.Errorf("more than %d encodings", media.MaxEncodings)
	}
	for name, id := range s.Extensions {
		if !known(name) || id == 0 {
			return fmt.Errorf("extension %q is not known, or its id is 0", name)
		}
	}
	return nil
}

func known(extension string) bool {
	for _, e := range extensionNames {
		if e.name == extension {
			return true
		}
	}
	return false
}

func (r *Receiver) validate() error {
	if r.Name == "" || strings.ContainsAny(r.Name, " \n") {
		return errors.New("a name without blanks is needed")
	}
	if r.Shard < 0 || r.Shard > 1 || !share(r.Loss) || r.JoinMS < 0 || len(r.Steps) > maxSteps {
		return errors.New("shard, loss, join_ms or steps are out of range")
	}
	if _, ok := parseProfile(r.Profile); !ok {
		return fmt.Errorf("profile %q is not known", r.Profile)
	}
	last := 0
	for _, s := range r.Steps {
		if s.AtMS < last || time.Duration(s.AtMS)*time.Millisecond > maxTime {
			return errors.New("steps are out of order, or too late")
		}
		last = s.AtMS
	}
	return nil
}

// parseProfile reads the name of an SRTP profile; "" is the default.
func parseProfile(name string) (srtp.Profile, bool) {
	if name == "" {
		return srtp.AEADAES128GCM, true
	}
	for p := srtp.AEADAES128GCM; p.Valid(); p++ {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}

func (s *SRTP) keys() (p srtp.Profile, key, salt []byte, err error) {
	p, ok := parseProfile(s.Profile)
	if !ok {
		return 0, nil, nil, fmt.Errorf("SRTP profile %q is not known", s.Profile)
	}
	b, err := base64.StdEncoding.DecodeString(s.Key)
	if err != nil || len(b) != p.KeyLen()+p.SaltLen() {
		return 0, nil, nil, fmt.Errorf("SRTP key: want %d bytes in base64", p.KeyLen()+p.SaltLen())
	}
	return p, b[:p.KeyLen()], b[p.KeyLen():], nil
}

// section is the section as the engine gets it of the sender.
func (s *Section) section(index int) media.Section {
	m := media.Section{
		Index: index, MID: s.MID, Kind: media.Audio, Receive: true,
		Simulcast: s.simulcast(), SVC: s.SVC, Encodings: []media.Encoding{{}},
	}
	if s.Kind == "video" {
		m.Kind = media.Video
		m.NACK, m.PLI, m.FIR, m.TransportCC = true, true, true, s.Extensions["transport-cc"] != 0
	}
	for _, c := range s.Codecs {
		m.Codecs = append(m.Codecs, media.Codec{
			Name: media.ParseCodecName(c.Name), PayloadType: c.Payload, RTX: c.RTX, ClockRate: c.Clock,
		})
	}
	for _, e := range extensionNames {
		*e.id(&m.Ext) = s.Extensions[e.name]
	}
	if len(s.Encodings) > 0 {
		m.Encodings = nil
	}
	for _, e := range s.Encodings {
		m.Encodings = append(m.Encodings, media.Encoding{RID: e.RID, SSRC: e.SSRC, RTXSSRC: e.RTX})
	}
	return m
}

func (s *Section) simulcast() bool {
	return len(s.Encodings) > 1 || len(s.Encodings) == 1 && s.Encodings[0].RID != ""
}
