package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// target is a format that recordings of some codecs can be converted to.
type target struct {
	label      string
	codecs     []string
	extensions []string // nil = any
}

var targets = []target{
	{"Opus", []string{"opus", "multiopus"}, []string{"opus", "ogg", "mka"}},
	{"G.711", []string{"g711", "pcmu", "pcma"}, []string{"wav"}},
	{"G.722", []string{"g722"}, []string{"wav"}},
	{"L16", []string{"l16", "l16-48"}, []string{"wav"}},
	{"VP8", []string{"vp8"}, []string{"webm", "mkv"}},
	{"VP9", []string{"vp9"}, []string{"webm", "mkv"}},
	{"H.264", []string{"h264"}, []string{"mp4", "mkv"}},
	{"AV1", []string{"av1"}, []string{"mp4"}},
	{"H.265", []string{"h265"}, []string{"mp4", "mkv"}},
	{"Text", []string{"text"}, []string{"srt"}},
	{"Binary", []string{"binary"}, nil},
}

// oldTargets are those of the oldest layout.
var oldTargets = map[string]string{"vp8": "webm", "opus": "opus", "text": "srt"}

func printExtensions(w io.Writer) {
	fmt.Fprintln(w, "Supported file extensions:")
	for _, t := range targets {
		list := "any"
		if t.extensions != nil {
			list = "[" + strings.Join(t.extensions, ", ") + "]"
		}
		fmt.Fprintf(w, "  -- %-8s %s\n", t.label+":", list)
	}
}

// checkTarget says why a recording cannot be converted to a format.
func checkTarget(codec, format string, oldest bool) error {
	if oldest {
		if only := oldTargets[codec]; only != format {
			return fmt.Errorf("recordings of this old layout can only be converted to .%s", only)
		}
		return nil
	}
	for _, t := range targets {
		if !slices.Contains(t.codecs, codec) {
			continue
		}
		if t.extensions != nil && !slices.Contains(t.extensions, format) {
			return fmt.Errorf("%s cannot be converted to .%s (supported formats: [%s])",
				t.label, format, strings.Join(t.extensions, ", "))
		}
		return nil
	}
	return fmt.Errorf("recordings of %.40q cannot be converted: this codec is not known", codec)
}
