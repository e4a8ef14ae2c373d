package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bifrons/sfu/media"
)

// Summary describes the content of the capture and the output for receivers.
func (r *Result) Summary(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "sent in %.1f s:\n", r.Input.Length.Seconds())
	fmt.Fprintln(t, "  SSRC\tsection\tencoding\tcodec\tpackets\tmissing\tlate\ttwice\trepaired\tframes\tkey frames\tlayers\tkbit/s")
	for _, s := range r.Input.Streams {
		m := &r.Input.sections[s.Section]
		name := fmt.Sprint(s.Encoding)
		if s.Encoding < len(m.Encodings) && m.Encodings[s.Encoding].RID != "" {
			name = m.Encodings[s.Encoding].RID
		}
		var c tally
		codecs := map[string]bool{}
		for _, p := range s.Packets {
			c.add(&p.View)
			for _, k := range m.Codecs {
				if k.PayloadType == p.View.PayloadType {
					codecs[codecLabel(k)] = true
				}
			}
		}
		names := make([]string, 0, len(codecs))
		for n := range codecs {
			names = append(names, n)
		}
		slices.Sort(names)
		fmt.Fprintf(t, "  %d\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%.0f\n", s.SSRC, s.Section, name, strings.Join(names, "+"),
			len(s.Packets), s.Missing, s.Late, s.Duplicates, s.Repaired, c.text(m.Kind), c.rate(r.Input.Length))
	}
	for _, reason := range sorted(r.Input.Ignored) {
		fmt.Fprintf(t, "  not played, %s: %d\n", reason, r.Input.Ignored[reason])
	}
	fmt.Fprintln(t, "received:")
	fmt.Fprintln(t, "  receiver\tsection\tpackets\tlost\tasked for\tpadding\tframes\tkey frames\tlayers\tkbit/s\tswitches")
	for _, o := range r.Outputs {
		for i := range r.Input.sections {
			var c tally
			packets, padding, switches := 0, 0, 0
			for k := range o.Records {
				switch rec := &o.Records[k]; {
				case rec.Section != i:
				case rec.Kind == LayerChange:
					switches++
				case rec.Kind == Padding:
					padding++
				default:
					packets++
					c.add(&rec.View)
				}
			}
			fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\t%d\t%s\t%.0f\t%d\n", o.Receiver.Name, i, packets, o.Lost, o.Asked, padding,
				c.text(r.Input.sections[i].Kind), c.rate(r.Input.Length), switches)
		}
	}
	fmt.Fprintf(t, "the engine asked for %d packets, of which %d came, and for key frames %d times; it sent %d packets again\n",
		r.Engine.NACKsOut, r.Engine.Recovered, r.Engine.PLIsOut, r.Resends)
	for d, n := range r.Drops {
		if n > 0 {
			fmt.Fprintf(t, "the engine dropped as %v: %d\n", media.Drop(d), n)
		}
	}
	return t.Flush()
}

func codecLabel(c media.Codec) string {
	for name := media.VP8; name < media.CodecName(media.NumCodecs); name++ {
		if name == c.Name {
			return labels[name]
		}
	}
	return fmt.Sprintf("type %d", c.PayloadType)
}

var labels = [media.NumCodecs]string{
	media.VP8: "VP8", media.VP9: "VP9", media.H264: "H264", media.H265: "H265", media.AV1: "AV1", media.Opus: "opus",
	media.RED: "red", media.PCMU: "PCMU", media.PCMA: "PCMA", media.G722: "G722", media.ISAC: "isac", media.L16: "L16",
	media.TelephoneEvent: "telephone-event", media.ComfortNoise: "CN",
}

func sorted(m map[string]int) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// tally counts frames and layers.
type tally struct {
	bytes             int
	frames            map[uint32]bool
	keys              map[uint32]bool
	spatial, temporal int8
}

func (c *tally) add(v *View) {
	if c.frames == nil {
		c.frames, c.keys = map[uint32]bool{}, map[uint32]bool{}
	}
	c.bytes += len(v.Payload)
	if len(v.Payload) == 0 {
		return
	}
	c.frames[v.Timestamp] = true
	if v.Info.Keyframe {
		c.keys[v.Timestamp] = true
	}
	c.spatial, c.temporal = max(c.spatial, v.Info.Spatial), max(c.temporal, v.Info.Temporal)
}

func (c *tally) text(k media.Kind) string {
	if k != media.Video {
		return fmt.Sprintf("%d\t\t", len(c.frames))
	}
	return fmt.Sprintf("%d\t%d\tS%dT%d", len(c.frames), len(c.keys), c.spatial+1, c.temporal+1)
}

func (c *tally) rate(d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(c.bytes) * 8 / 1000 / d.Seconds()
}
