package streaming

import (
	"fmt"
	"slices"
	"time"

	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/task"
	"bifrons/rtp/codec"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// mountpoint is something to watch.
type mountpoint struct {
	plugin  *Plugin     // fixed
	id      string      // fixed
	entry   string      // fixed; its key in the file
	created time.Time   // fixed
	src     *sfu.Source // fixed; nil for the type ondemand, where each viewer has one
	work    worker      // fixed; feeds src, nil if its ports do

	// The rest is guarded by Plugin.mu.
	settings
	enabled  bool
	viewers  map[*handle]struct{}
	messages map[int]kit.Message // last one of each stream of data that keeps it

	recordings recording.Set // by the index of the stream
}

// worker feeds a source.
type worker interface {
	// Hold makes it wait, or go on.
	Hold(on bool)
	// Stop ends it and waits for that.
	Stop()
}

// build makes a mountpoint of settings, with everything that it needs open. Its id is
// reserved.
func (p *Plugin) build(maker uint64, kind, id, entry string, src kit.Values) (*mountpoint, *schema.Error) {
	m := &mountpoint{
		plugin: p, id: id, entry: entry, created: time.Now(), enabled: true, settings: newSettings(kind),
		viewers: make(map[*handle]struct{}), messages: make(map[int]kit.Message),
	}
	m.Locker = &p.mu // there is one lock for all
	if err := m.read(src, id); err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done {
			m.stop()
		}
	}()
	err := m.open()
	if err == nil {
		err = p.add(m, maker)
	}
	if err != nil {
		return nil, err
	}
	done = true
	if p.dry {
		return m, nil
	}
	for _, d := range m.doubts() {
		p.Gateway.Logger().Warn(d, "mountpoint", id)
	}
	return m, nil
}

// add makes a mountpoint known, if it has not failed meanwhile.
func (p *Plugin) add(m *mountpoint, maker uint64) *schema.Error {
	m.Lock()
	defer m.Unlock()
	if m.Gone {
		return m.cant("its source has failed")
	}
	p.mountpoints.CommitBy(maker, m.id, m)
	return nil
}

// remove ends a mountpoint; false if it has ended already. It waits for the feeder of the
// source.
func (p *Plugin) remove(m *mountpoint) bool {
	if !p.forget(m) {
		return false
	}
	defer m.stop()
	m.Lock()
	defer m.Unlock()
	m.dismiss("stopped")
	return true
}

// forget takes a mountpoint out of the list. One that is being built is
// not in it, and never will be.
func (p *Plugin) forget(m *mountpoint) bool {
	m.Lock()
	defer m.Unlock()
	m.Gone = true
	return p.mountpoints.Remove(m.id, m)
}

// doubts are streams that viewers do not get, or not together.
func (m *mountpoint) doubts() (list []string) {
	offered := make(map[uint8]*streamSettings)
	for i := range m.streams {
		st := &m.streams[i]
		switch other := offered[st.format.PT]; {
		case m.kind != typeRTP || st.kind == sdp.Application:
		case st.format.ID == "":
			list = append(list, "no browser plays the stream "+st.mid+" ("+st.codec+st.rtpmap+"), it is offered to nobody")
		case other == nil:
			offered[st.format.PT] = st
		case !other.format.Same(&st.format): // (RFC 9143, 10.1.1)
			list = append(list, fmt.Sprintf("the streams %s and %s have two formats with one payload type (%d), browsers refuse to watch both",
				other.mid, st.mid, st.format.PT))
		}
	}
	return list
}

// open opens the sockets or files of a new mountpoint. A dry run looks whether the
// files and interfaces are there; ports and cameras are not tried.
func (m *mountpoint) open() *schema.Error {
	switch {
	case m.kind == typeLive || m.kind == typeOnDemand:
		return m.openFile()
	case m.plugin.dry:
		return m.findInterfaces()
	}
	if err := m.openSource(); err != nil {
		return err
	}
	if m.kind == typeRTSP {
		return m.openRTSP()
	}
	for i := range m.streams {
		if err := m.openPorts(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *mountpoint) findInterfaces() *schema.Error {
	for i := range m.streams {
		st := &m.streams[i]
		if _, err := sfu.BindTo(st.multicast, st.iface); err != nil {
			return m.noPort(st, err)
		}
	}
	return nil
}

func (m *mountpoint) openSource() *schema.Error {
	key, _ := m.srtpKey() // was checked
	var err error
	if m.src, err = m.plugin.Gateway.Engine().NewSource(sfu.SourceConfig{
		Label: "mountpoint " + m.id, Tracks: m.tracks(), SRTP: key,
	}, m); err != nil {
		return m.cant("%v", err)
	}
	return nil
}

// tracks is the streams as the engine has them.
func (m *mountpoint) tracks() []sfu.TrackConfig {
	list := make([]sfu.TrackConfig, len(m.streams))
	for i := range m.streams {
		st := &m.streams[i]
		s := sfu.TrackConfig{
			Kind: media.Audio, Codec: st.format.Media(st.kind), Encrypted: m.e2ee,
			Collision: time.Duration(m.collision) * time.Millisecond,
			Skew:      st.skew,
		}
		switch st.kind {
		case sdp.Application:
			s.Kind = media.Data
		case sdp.Video:
			s.Kind, s.Simulcast, s.SVC = media.Video, st.simulcast, st.svc
			if st.format.ID == sdp.H264 {
				s.ParameterSets = codec.ParameterSets(st.sps)
			}
			s.Keep = sfu.Keep{Time: time.Duration(m.bufferTime) * time.Millisecond, Bytes: int(m.bufferBytes)}
		}
		s.Ext.AbsCaptureTime = m.captureTimeID
		list[i] = s
	}
	return list
}

// openPorts opens the ports of a stream.
func (m *mountpoint) openPorts(i int) *schema.Error {
	st := &m.streams[i]
	bind, failure := sfu.BindTo(st.multicast, st.iface)
	if st.iface != "" && bind.Addr.IsValid() {
		st.host = bind.Addr.String()
	}
	listen := func(port *int, open func(b sfu.Bind) (uint16, error)) {
		if failure != nil {
			return
		}
		b := bind
		b.PortMin, b.PortMax = uint16(*port), uint16(*port)
		if *port == 0 {
			b.PortMin, b.PortMax = m.plugin.general.Ports.Min, m.plugin.general.Ports.Max
		}
		n, err := open(b)
		failure, *port = err, int(n)
	}
	rtp := func(encoding int) func(b sfu.Bind) (uint16, error) {
		return func(b sfu.Bind) (uint16, error) { return m.src.ListenRTP(b, i, encoding) }
	}
	switch {
	case st.kind == sdp.Application:
		listen(&st.port, func(b sfu.Bind) (uint16, error) { return m.src.ListenData(b, i, st.dataType == "binary") })
	default:
		listen(&st.port, rtp(0))
		if st.simulcast {
			listen(&st.port2, rtp(1))
			listen(&st.port3, rtp(2))
		}
		if st.rtcpPort >= 0 {
			listen(&st.rtcpPort, func(b sfu.Bind) (uint16, error) { return m.src.ListenRTCP(b, i) })
		}
	}
	if failure != nil {
		return m.noPort(st, failure)
	}
	return nil
}

func (m *mountpoint) noPort(st *streamSettings, err error) *schema.Error {
	return m.cant("error creating %s source stream: %v", plugin.KindName(st.kind), err)
}

// stop closes the sockets and files. It is called without the lock.
func (m *mountpoint) stop() {
	m.recordings.StopAll(nil)
	if m.work != nil {
		m.work.Stop()
	}
	if m.src != nil {
		m.src.Close()
	}
}

// dismiss closes the peer connections of all viewers. The lock is held.
func (m *mountpoint) dismiss(status string) {
	m.eachViewer(func(v *handle) {
		v.pushStatus(status)
		v.ClosePeer()
	})
}

// eachViewer does something for all viewers. A panic costs one of them what it would
// have got. The lock is held.
func (m *mountpoint) eachViewer(f func(v *handle)) {
	for v := range m.viewers {
		func() {
			defer task.Contain(m.plugin.Gateway.Logger(), "a viewer", nil)
			f(v)
		}()
	}
}

// setEnabled lets media through, or keeps it back. The lock is held.
func (m *mountpoint) setEnabled(on bool) {
	m.enabled = on
	if m.src != nil {
		m.src.SetEnabled(on)
	}
	if m.work != nil {
		m.work.Hold(!on)
	}
	m.eachViewer(func(v *handle) { v.own.hold() })
}

// live reports whether media comes as RTP.
func (m *mountpoint) live() bool { return m.kind == typeRTP || m.kind == typeRTSP }

// listens reports whether the source of the media takes requests.
func (m *mountpoint) listens() bool {
	return slices.ContainsFunc(m.streams, func(st streamSettings) bool { return st.rtcpPort >= 0 })
}

// typeName is the type as clients know it.
func (m *mountpoint) typeName() string {
	if m.kind == typeOnDemand {
		return "on demand"
	}
	return "live"
}

// SourceEvent implements sfu.SourceHandler: a mountpoint ends whose source has failed.
func (m *mountpoint) SourceEvent(e sfu.Event) {
	if e.Kind == sfu.EventClosed {
		m.fail()
	}
}

// fail destroys the mountpoint, as it can play nothing any more.
func (m *mountpoint) fail() {
	p := m.plugin
	if p.remove(m) {
		p.Gateway.Logger().Error("mountpoint destroyed, as its source has failed (see above)", "mountpoint", m.id)
		p.notify(p.Nobody(), "destroyed", m.id)
	}
}

// SourceData implements sfu.SourceHandler: it passes a message on to the viewers.
func (m *mountpoint) SourceData(i int, binary bool, payload []byte) {
	msg := kit.Message{Label: kit.DataLabel, Binary: binary, Payload: payload}
	for _, peer := range m.dataPeers(i, msg) {
		m.plugin.SendData(peer, msg)
	}
}

// dataPeers is who gets a message of a stream, which is kept if the stream keeps it.
func (m *mountpoint) dataPeers(i int, msg kit.Message) (to []*sfu.Peer) {
	m.Lock()
	defer m.Unlock()
	if !m.enabled || m.Gone {
		return nil
	}
	m.recordings.Message(i, msg.Binary, msg.Payload)
	if m.streams[i].buffer {
		msg.Payload = slices.Clone(msg.Payload)
		m.messages[i] = msg
	}
	m.eachViewer(func(v *handle) {
		if peer := v.dataPeer(i); peer != nil {
			to = append(to, peer)
		}
	})
	return to
}
