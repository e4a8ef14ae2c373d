package kit

import "bifrons/api/json"

// DataLabel is the name of the data channel that Janus's clients expect.
const DataLabel = "JanusDataChannel"

// WriteResult writes an event of a plugin that has its fields in a result. key names
// the plugin.
func WriteResult(w *json.Writer, key string, fields func(w *json.Writer)) {
	w.Str(key, "event")
	w.Object("result")
	fields(w)
	w.End()
}

// WriteSlowLink writes the news that a client's packets are lost on the way to us;
// bitrate is its cap in bit/s, which only video has.
func WriteSlowLink(w *json.Writer, video bool, bitrate uint64) {
	w.Str("event", "slow_link")
	if !video {
		w.Str("media", "audio")
		return
	}
	w.Str("media", "video")
	w.Uint("current-bitrate", bitrate)
}
