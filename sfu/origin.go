package sfu

import (
	"bifrons/rtp/mono"
	"bifrons/sfu/route"
)

// Origin has tracks, by index: a Peer, whose sections they come in, or a Source.
type Origin interface {
	// RequestKeyframe asks the source of the origin's media for a key frame of
	// a track, -1 = all. It does nothing for a track that does not exist, or that is
	// not video.
	RequestKeyframe(track int)

	// home is where its tracks live.
	home() *site
	// track returns a track, nil if there is none. It runs on the home's loop.
	track(i int) *route.Track
}

// fetch finds a track of an origin for a site, on whose loop it runs. found is
// told on that loop: before fetch returns if the track lives there, later if it
// is on another shard, never if there is no such track.
func fetch(now mono.Time, o Origin, i int, to *site, found func(now mono.Time, t *route.Track)) {
	from := o.home()
	if from == to {
		if t := o.track(i); t != nil {
			found(now, t)
		}
		return
	}
	from.shard.Post(func(mono.Time) {
		if t := o.track(i); t != nil {
			from.shard.Subscribe(t, to.shard, found)
		}
	})
}
