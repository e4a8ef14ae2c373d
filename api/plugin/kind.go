package plugin

import (
	"strings"

	"bifrons/sdp"
)

// ParseKind is the kind of media with a name, whatever its case; false if there is none.
func ParseKind(name string) (sdp.Kind, bool) {
	for _, k := range []sdp.Kind{sdp.Audio, sdp.Video, sdp.Application} {
		if strings.EqualFold(name, KindName(k)) {
			return k, true
		}
	}
	return sdp.Other, false
}

// KindName is a kind of media as clients know it.
func KindName(k sdp.Kind) string {
	if k == sdp.Application {
		return "data"
	}
	return k.String()
}
