package mline

import (
	"slices"
	"strings"
)

// maxCodecs is how many codecs a list may have.
const maxCodecs = 5

// CodecList is a setting that lists codecs, in order of preference and separated by
// commas. It is a kit.Value.
type CodecList struct {
	Names *[]string
	Known []string // the first is taken if none of them is listed
}

func (l CodecList) String() string { return strings.Join(*l.Names, ",") }

// Set leaves out codecs that are not known, and reads no more than there may be.
func (l CodecList) Set(text string) (accepted, effect string) {
	ok := true
	var list []string
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		switch known := slices.Contains(l.Known, name); {
		case text == "" || len(list) == maxCodecs || slices.Contains(list, name):
		case known:
			list = append(list, name)
		default:
			ok = false
		}
	}
	if len(list) == 0 {
		list = l.Known[:1:1]
	}
	if *l.Names = list; ok {
		return "", ""
	}
	return "a list without blanks of " + strings.Join(l.Known, ","), "taken as " + l.String()
}
