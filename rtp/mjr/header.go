// Package mjr reads and writes recordings of Janus: files of one medium, with the
// packets of RTP, or the messages of a data channel, as they were received.
//
// A file is "MJR00002", the length of a header in JSON and the header, then frames:
// "MEET", milliseconds since the first frame, length, and the packet. All numbers are
// big-endian. Older layouts are read as well.
package mjr

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Magic is the beginning of every file.
const Magic = "MJR00002"

// Limits of the layout: lengths have 16 bits.
const (
	MaxHeader  = 1<<16 - 1    // bytes of a header's JSON
	MaxFrame   = 1<<16 - 1    // bytes of a packet
	MaxMessage = MaxFrame - 8 // bytes of a message, before which stands its time
)

// The types of a recording.
const (
	Audio = 'a'
	Video = 'v'
	Data  = 'd'
)

// Header is the description at the beginning of a file.
type Header struct {
	Type        byte             // Audio, Video or Data
	Codec       string           // as Janus calls it, in lower case: "opus", "vp8", "text"
	Fmtp        string           // value of the format's a=fmtp without payload type
	Description string           //
	Extensions  map[uint8]string // URIs of RTP header extensions, by id
	Created     int64            // when the recording began, microseconds since 1970
	First       int64            // when its first frame was written, likewise
	RED         uint8            // payload type of RED (RFC 2198), 0 = not used
	Encrypted   bool             // media is end-to-end encrypted
}

// codecs are the codecs that can be recorded, with the rates of their RTP clocks in Hz.
var codecs = map[string]struct {
	kind byte
	rate uint32
}{
	"opus": {Audio, 48000}, "multiopus": {Audio, 48000}, "g711": {Audio, 8000}, "pcmu": {Audio, 8000},
	"pcma": {Audio, 8000}, "g722": {Audio, 8000}, "l16": {Audio, 16000}, "l16-48": {Audio, 48000},
	"vp8": {Video, 90000}, "vp9": {Video, 90000}, "h264": {Video, 90000}, "av1": {Video, 90000}, "h265": {Video, 90000},
	"text": {Data, 0}, "binary": {Data, 0},
}

// TypeOf is the type of recordings of a codec, 0 if there are none.
func TypeOf(codec string) byte { return codecs[codec].kind }

// Rate is the rate of the RTP clock in Hz, 0 for data.
func (h *Header) Rate() uint32 {
	if c, ok := codecs[h.Codec]; ok {
		return c.rate
	}
	switch h.Type {
	case Audio:
		return 48000
	case Video:
		return 90000
	}
	return 0
}

// Check says why a recording with this header cannot be made: its codec cannot be
// recorded as such a type, or its texts are too long.
func (h *Header) Check() error {
	if h.Type == 0 || TypeOf(h.Codec) != h.Type {
		return fmt.Errorf("mjr: codec %.20q cannot be recorded as type %q", h.Codec, h.Type)
	}
	if n := len(appendHeader(nil, h)) - 2; n > MaxHeader {
		return fmt.Errorf("mjr: the header would take %d bytes, more than %d", n, MaxHeader)
	}
	return nil
}

// AppendMagic appends the bytes that a file has from its creation on.
func AppendMagic(dst []byte) []byte { return append(dst, Magic...) }

// AppendHeader appends length and JSON of a header, which is written together with
// the first frame. Of one that is too long for Check the description is left out, and
// if need be the extensions and the format parameters.
func AppendHeader(dst []byte, h *Header) []byte {
	start := len(dst)
	short := *h
	for _, text := range []func(){func() { short.Description = "" },
		func() { short.Extensions = nil }, func() { short.Fmtp = "" }} {
		if dst = appendHeader(dst[:start], &short); len(dst)-start-2 <= MaxHeader {
			return dst
		}
		text()
	}
	return appendHeader(dst[:start], &short)
}

func appendHeader(dst []byte, h *Header) []byte {
	start := len(dst)
	dst = append(dst, 0, 0)
	dst = append(dst, `{"t": "`...)
	dst = append(dst, h.Type, '"')
	dst = appendText(dst, "c", h.Codec)
	if h.Fmtp != "" {
		dst = appendText(dst, "f", h.Fmtp)
	}
	if h.Description != "" {
		dst = appendText(dst, "d", h.Description)
	}
	for i, id := range slices.Sorted(maps.Keys(h.Extensions)) {
		if i == 0 {
			dst = append(dst, `, "x": {"`...)
		} else {
			dst = append(dst, `, "`...)
		}
		dst = strconv.AppendUint(dst, uint64(id), 10)
		dst = append(dst, `": `...)
		dst = appendQuoted(dst, h.Extensions[id])
	}
	if len(h.Extensions) > 0 {
		dst = append(dst, '}')
	}
	dst = appendNumber(dst, "s", h.Created)
	dst = appendNumber(dst, "u", h.First)
	if h.RED != 0 {
		dst = appendNumber(dst, "or", int64(h.RED))
	}
	if h.Encrypted {
		dst = append(dst, `, "e": true`...)
	}
	dst = append(dst, '}')
	binary.BigEndian.PutUint16(dst[start:], uint16(len(dst)-start-2))
	return dst
}

func appendText(dst []byte, key, text string) []byte {
	dst = appendKey(dst, key)
	return appendQuoted(dst, text)
}

func appendNumber(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(appendKey(dst, key), n, 10)
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `, "`...)
	dst = append(dst, key...)
	return append(dst, `": `...)
}

// appendQuoted appends a text as Janus has it in JSON: in UTF-8, escaped where
// RFC 8259, section 7 demands it.
func appendQuoted(dst []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for _, c := range []byte(strings.ToValidUTF8(text, "\ufffd")) {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= '\b' && c <= '\r' && c != '\v':
			dst = append(dst, '\\', "btn?fr"[c-'\b'])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// AppendFrame appends a packet that arrived ms milliseconds after the first one. One
// that is longer than MaxFrame is left out.
func AppendFrame(dst []byte, ms uint32, packet []byte) []byte {
	if len(packet) > MaxFrame {
		return dst
	}
	dst = appendPrefix(dst, ms, len(packet))
	return append(dst, packet...)
}

// AppendMessage appends a message of a data channel that arrived ms milliseconds
// after the first one and at wall, microseconds since 1970. One that is longer than
// MaxMessage is left out.
func AppendMessage(dst []byte, ms uint32, wall int64, message []byte) []byte {
	if len(message) > MaxMessage {
		return dst
	}
	dst = appendPrefix(dst, ms, 8+len(message))
	dst = binary.BigEndian.AppendUint64(dst, uint64(wall))
	return append(dst, message...)
}

func appendPrefix(dst []byte, ms uint32, n int) []byte {
	dst = append(dst, "MEET"...)
	dst = binary.BigEndian.AppendUint32(dst, ms)
	return binary.BigEndian.AppendUint16(dst, uint16(n))
}

// parse reads a header's JSON.
func (h *Header) parse(text []byte) error {
	var j struct {
		T, C, F, D string
		X          map[string]string
		S, U       int64
		Or         int
		E          bool
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*h = Header{Codec: strings.ToLower(j.C), Fmtp: j.F, Description: j.D, Created: j.S, First: j.U, Encrypted: j.E}
	switch j.T {
	case "a", "v", "d":
		h.Type = j.T[0]
	default:
		return fmt.Errorf("type %.20q is none of a, v and d", j.T)
	}
	if h.Codec == "" {
		return errors.New("no codec in it")
	}
	if j.Or > 0 && j.Or < 128 {
		h.RED = uint8(j.Or)
	}
	for key, uri := range j.X {
		id, err := strconv.ParseUint(key, 10, 8)
		if err != nil || id == 0 {
			continue // of no use to anybody
		}
		if h.Extensions == nil {
			h.Extensions = make(map[uint8]string)
		}
		h.Extensions[uint8(id)] = uri
	}
	return nil
}

// parseOld reads the header of the oldest layout, of which only the
// first letter counts; false if it is none.
func (h *Header) parseOld(name []byte) bool {
	switch name[0] {
	case Audio:
		*h = Header{Type: Audio, Codec: "opus"}
	case Video:
		*h = Header{Type: Video, Codec: "vp8"}
	case Data:
		*h = Header{Type: Data, Codec: "text"}
	default:
		return false
	}
	return true
}

// ExtensionID is the id of the RTP header extension with this URI, 0 if it has none.
func (h *Header) ExtensionID(uri string) uint8 {
	for _, id := range slices.Sorted(maps.Keys(h.Extensions)) {
		if h.Extensions[id] == uri {
			return id
		}
	}
	return 0
}
