package replay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	"bifrons/sfu/media"
)

// Golden writes down all receivers' packets, one line each:
//
//	milliseconds section number timestamp payload-type[M][K] size [layer] [picture] hash
//
// M is the marker bit, K the begin of a key frame. The hash is of the payload
// without padding. A receiver that got the same as another one has no lines.
func (r *Result) Golden() []byte {
	var b bytes.Buffer
	seen := map[string]string{}
	for _, o := range r.Outputs {
		var lines strings.Builder
		for i := range o.Records {
			o.Records[i].line(&lines)
		}
		fmt.Fprintf(&b, "== %s: %d records, %d lost, %d asked for, bytes %s\n", o.Receiver.Name, len(o.Records), o.Lost, o.Asked, o.Digest)
		if other, ok := seen[lines.String()]; ok {
			fmt.Fprintf(&b, "as %s\n", other)
			continue
		}
		seen[lines.String()] = o.Receiver.Name
		b.WriteString(lines.String())
	}
	fmt.Fprintf(&b, "== engine: %d asked for, %d recovered, %d resent, %d key frame requests\n",
		r.Engine.NACKsOut, r.Engine.Recovered, r.Resends, r.Engine.PLIsOut)
	for d, n := range r.Drops {
		if n > 0 {
			fmt.Fprintf(&b, "dropped as %v: %d\n", media.Drop(d), n)
		}
	}
	return b.Bytes()
}

func (r *Record) line(b *strings.Builder) {
	fmt.Fprintf(b, "%d %d", r.At.Milliseconds(), r.Section)
	switch r.Kind {
	case LayerChange:
		fmt.Fprintf(b, " layer %d/%d/%d\n", r.Layer.Encoding, r.Layer.Spatial, r.Layer.Temporal)
		return
	case Repeated:
		b.WriteString(" again")
	case Padding:
		b.WriteString(" padding")
	}
	v := &r.View
	fmt.Fprintf(b, " %d %d %d", r.Number, v.Timestamp, v.PayloadType)
	if v.Marker {
		b.WriteByte('M')
	}
	if v.Info.Keyframe {
		b.WriteByte('K')
	}
	fmt.Fprintf(b, " %d", r.Size)
	if v.Info.HasSpatial || v.Info.HasTemporal {
		fmt.Fprintf(b, " s%dt%d", v.Info.Spatial, v.Info.Temporal)
	}
	switch {
	case v.Codec == media.VP8 && v.VP8.HasPictureID:
		fmt.Fprintf(b, " p%d/%d", v.VP8.PictureID, v.VP8.TL0PICIDX)
	case v.Codec == media.VP9 && v.VP9.I:
		fmt.Fprintf(b, " p%d", v.VP9.PictureID)
	case v.HasDD:
		fmt.Fprintf(b, " f%d", v.DD.FrameNumber)
	}
	if len(v.Payload) > 0 {
		sum := sha256.Sum256(v.Payload)
		fmt.Fprintf(b, " %x", sum[:4])
	}
	b.WriteByte('\n')
}
