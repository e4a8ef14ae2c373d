package streaming

import (
	"errors"
	"io/fs"

	"bifrons/api/kit/clip"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// openFile opens the file of a new mountpoint, and starts to play it to all viewers
// if it is live.
func (m *mountpoint) openFile() *schema.Error {
	audio, err := m.openClip()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m.cant("no such file '%s'\n", m.filename)
	case err != nil:
		return m.cant("%v", err)
	case m.kind == typeOnDemand || m.plugin.dry: // each viewer opens it
		_ = audio.Close()
		return nil
	}
	if err := m.openSource(); err != nil {
		_ = audio.Close()
		return err
	}
	m.work = m.play(m.src, audio, false)
	return nil
}

func (m *mountpoint) openClip() (*clip.File, error) {
	return m.plugin.open(m.filename, m.plugin.general.FileFolders)
}

// play plays audio to a source, which fails when nothing is left to play.
func (m *mountpoint) play(src *sfu.Source, audio clip.Audio, held bool) *sfu.Player {
	log := m.plugin.Gateway.Logger().With("mountpoint", m.id, "file", m.filename)
	part := sfu.Part{Reader: clip.NewReader(audio, m.streams[0].format.PT), Device: audio.Device()}
	return m.plugin.Gateway.Engine().Play(src, []sfu.Part{part}, held, func(err error) {
		log.Error("playing ended", "error", err)
		src.Fail()
	})
}

// own is the part of a mountpoint of the type ondemand that each viewer has.
type own struct {
	h      *handle
	file   *clip.File
	src    *sfu.Source
	player *sfu.Player // of file to src, once the viewer can hear it
}

// start makes the player, which waits. It is made when the viewer can hear all of it,
// on the shard of the peer, so that nothing is played before the subscription is
// there. The lock is held.
func (o *own) start(peer *sfu.Peer) {
	h := o.h
	if o.player != nil || !h.up || len(h.lines) == 0 || !h.lines[0].ready {
		return
	}
	m := h.watching
	src, err := m.plugin.Gateway.Engine().NewSource(sfu.SourceConfig{
		Label: "mountpoint " + m.id, Shard: peer.Shard(),
		Tracks: []sfu.TrackConfig{{Kind: media.Audio, Codec: m.streams[0].format.Media(sdp.Audio)}},
	}, o)
	if err != nil {
		m.plugin.Gateway.Logger().Error("no source for a file", "mountpoint", m.id, "error", err)
		return
	}
	o.src, o.player = src, m.play(src, o.file, true)
}

// hold makes the player wait for the viewer, or go on. The lock is held.
func (o *own) hold() {
	if o != nil && o.player != nil {
		o.player.Hold(!o.h.up || o.h.paused || !o.h.watching.enabled)
	}
}

// close ends it all. It is called without the lock.
func (o *own) close() {
	if o.player == nil {
		_ = o.file.Close()
		return
	}
	o.player.Stop()
	o.src.Close()
}

// SourceEvent sends the viewer away whose source has failed.
func (o *own) SourceEvent(e sfu.Event) {
	if e.Kind != sfu.EventClosed {
		return
	}
	o.h.plugin.mu.Lock()
	defer o.h.plugin.mu.Unlock()
	if o.h.own == o {
		o.h.pushStatus("stopped")
		o.h.ClosePeer()
	}
}

// SourceData is never called: there is sound only.
func (*own) SourceData(int, bool, []byte) {}
