package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"bifrons/rtp"
	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
)

const (
	uriAudioLevel  = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	uriOrientation = "urn:3gpp:video-orientation"
)

// maxChanges is how many changes of rotation and size a report lists, so that one of a
// broken file stays readable.
const maxChanges = 10000

// scan is the content of a recording.
type scan struct {
	packets     int
	duration    float64 // seconds
	rotations   []rotation
	resolutions []resolution
	stats       mjr.SortStats
	width       int // the largest picture
	height      int
	config      *frame.Config // that of the first key frame
	damage      error         // why it was not read to its end
}

type rotation struct {
	at      float64
	degrees int
}

type resolution struct {
	at            float64
	width, height int
}

// scan reads the recording to its end.
func (w *work) scan() (s scan, err error) {
	if w.header.Type == mjr.Data {
		return w.scanMessages(), nil
	}
	sorter, err := mjr.NewSorter(w.reader, w.sort())
	if err != nil {
		return s, err
	}
	rate := float64(w.header.Rate())
	look := frameReader{assembler: frame.New(codecOf(w.header.Codec)), header: w.header}
	orientation := w.extension(w.orientation, uriOrientation)
	for {
		p, err := sorter.Next()
		if err != nil {
			s.stats = sorter.Stats()
			s.damage = err
			break
		}
		w.log.progress(w.reader.Offset(), w.size)
		s.packets++
		at := float64(p.Time) / rate
		s.duration = max(s.duration, at)
		if w.log.level >= levelVerbose {
			w.printPacket(&p, at)
		}
		if w.header.Type != mjr.Video {
			continue
		}
		if b, ok := p.Extension(orientation); ok && orientation != 0 {
			if o, ok := rtp.VideoOrientation(b); ok {
				s.rotate(at, int(o.Rotation))
			}
		}
		if !w.header.Encrypted {
			for _, f := range look.push(&p) {
				s.look(&f, rate, look.assembler)
			}
		}
	}
	if w.header.Type == mjr.Video && !w.header.Encrypted {
		for _, f := range look.assembler.Flush() {
			s.look(&f, rate, look.assembler)
		}
	}
	return s, nil
}

// printPacket logs a packet.
func (w *work) printPacket(p *mjr.Packet, at float64) {
	level := ""
	if w.header.Type == mjr.Audio {
		if b, ok := p.Extension(w.extension(w.audioLevel, uriAudioLevel)); ok {
			if dBov, voice, ok := rtp.AudioLevel(b); ok {
				level = fmt.Sprintf(", level=-%d dBov, voice=%v", dBov, voice)
			}
		}
	}
	w.log.verbose("[%10d][%4d] seq=%d, ts=%d, time=%.2fs, marker=%v%s", p.Offset, len(p.Raw), p.SequenceNumber, p.Timestamp, at, p.Marker, level)
}

// scanMessages is scan for data.
func (w *work) scanMessages() (s scan) {
	base := w.header.Created
	for {
		f, err := w.reader.Next()
		if err != nil {
			s.damage = err
			return s
		}
		w.log.progress(w.reader.Offset(), w.size)
		at, _, ok := f.Message()
		if !ok {
			s.stats.Short++
			continue
		}
		if base == 0 {
			base = at
		}
		s.packets++
		s.duration = max(s.duration, float64(at-base)/1e6)
	}
}

func (s *scan) rotate(at float64, degrees int) {
	if n := len(s.rotations); n > maxChanges || n > 0 && s.rotations[n-1].degrees == degrees {
		return
	}
	s.rotations = append(s.rotations, rotation{at, degrees})
}

// look takes the size of a key frame.
func (s *scan) look(f *frame.Frame, rate float64, a *frame.Assembler) {
	if !f.Key {
		return
	}
	if s.config == nil {
		s.config = a.Config()
	}
	width, height := int(f.Width), int(f.Height)
	if width == 0 || height == 0 {
		return
	}
	s.width, s.height = max(s.width, width), max(s.height, height)
	if n := len(s.resolutions); n > maxChanges || n > 0 && s.resolutions[n-1].width == width && s.resolutions[n-1].height == height {
		return
	}
	s.resolutions = append(s.resolutions, resolution{float64(f.Timestamp-firstTime) / rate, width, height})
}

// extension is the id of a header extension: that of the option, or of the header.
func (w *work) extension(option int, uri string) uint8 {
	if option > 0 {
		return uint8(option)
	}
	return w.header.ExtensionID(uri)
}

// printScan logs the findings.
func (w *work) printScan(s scan) {
	st := s.stats
	if w.header.Type == mjr.Data {
		w.log.info("Counted %d messages", s.packets)
	} else {
		w.log.info("Counted %d RTP packets", st.Packets+st.Ignored+st.Foreign+st.Duplicate+st.Late+st.Stray)
		w.log.info("Counted %d frame packets", s.packets)
	}
	w.tellStats(st)
	for _, r := range s.rotations {
		w.log.info("  -- %.3f s: rotation %d", r.at, r.degrees)
	}
	for _, r := range s.resolutions {
		w.log.info("  -- %.3f s: %dx%d", r.at, r.width, r.height)
	}
	w.log.info("  -- %.3f s", s.duration)
	w.tellDamage(s.damage)
}

// tellStats warns of packets that were left out.
func (w *work) tellStats(st mjr.SortStats) {
	for _, x := range []struct {
		n    int
		what string
	}{
		{st.Short, "without a header of RTP or a payload"},
		{st.Long, "longer than 1500 bytes"},
		{st.Foreign, "of another SSRC"},
		{st.Late, "more than 8 seconds late"},
		{st.Stray, "with a timestamp far off from all others"},
	} {
		if x.n > 0 {
			w.log.warn("%s: left out %d packets %s", w.source, x.n, x.what)
		}
	}
	if st.Restarts > 0 {
		w.log.warn("%s: the sender's clock restarted %d times", w.source, st.Restarts)
	}
}

// tellDamage warns of a recording that was not read to its end.
func (w *work) tellDamage(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		w.log.warn("%s", explain(w.source, err))
	}
}

// report prints the extended JSON.
func (w *work) report() error {
	var s scan
	if !w.empty {
		var err error
		if s, err = w.scan(); err != nil {
			return fmt.Errorf("%s: %w", w.source, err)
		}
	}
	var b bytes.Buffer
	switch {
	case w.empty:
		b.WriteString("{")
	case w.reader.JSON() == nil:
		fmt.Fprintf(&b, `{"t":%q,"c":%q,`, string(rune(w.header.Type)), w.header.Codec)
	default:
		if err := json.Compact(&b, w.reader.JSON()); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
		b.WriteByte(',')
	}
	fmt.Fprintf(&b, `"extended":{"packets":%d,"duration":%s`, s.packets, decimal(s.duration))
	for i, r := range s.rotations {
		b.WriteString(listStart(i, `,"rotations":[`))
		fmt.Fprintf(&b, `{"ts":%s,"rotation":%d}`, decimal(r.at), r.degrees)
	}
	if len(s.rotations) > 0 {
		b.WriteByte(']')
	}
	if w.header.Type == mjr.Video {
		b.WriteString(`,"codec":{`)
		for i, r := range s.resolutions {
			b.WriteString(listStart(i, `"resolution":[`))
			fmt.Fprintf(&b, `{"ts":%s,"width":%d,"height":%d}`, decimal(r.at), r.width, r.height)
		}
		if len(s.resolutions) > 0 {
			b.WriteByte(']')
		}
		b.WriteByte('}')
	}
	b.WriteString("}}\n")
	_, err := w.out.Write(b.Bytes())
	return err
}

// listStart is the text before the i-th element of a list that begins with start.
func listStart(i int, start string) string {
	if i == 0 {
		return start
	}
	return ","
}

// decimal writes seconds so that it can be seen that they are no integer.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	for i := range s {
		if s[i] == '.' {
			return s
		}
	}
	return s + ".0"
}
