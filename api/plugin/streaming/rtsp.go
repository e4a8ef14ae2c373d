package streaming

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"

	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// camera keeps a mountpoint connected to an RTSP server (RFC 2326).
type camera struct {
	m      *mountpoint
	set    rtspSettings
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	client *gortsplib.Client // of the run goroutine, once it runs
	url    *base.URL
	heard  atomic.Bool // a packet came since somebody looked
}

// openRTSP connects to the server, if that is a condition, and goes on doing so.
func (m *mountpoint) openRTSP() *schema.Error {
	c := &camera{m: m, set: m.rtsp, done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(m.plugin.ctx)
	if m.rtsp.check {
		if err := c.connect(); err != nil {
			c.cancel()
			c.log().Warn("no RTSP session", "error", c.censored(err))
			return errorf(errCantCreate, "Can't add 'rtsp' stream, %s", told(err))
		}
	}
	m.work = c
	go c.run()
	return nil
}

// Hold needs nothing: the source keeps media back.
func (c *camera) Hold(bool) {}

// Stop ends the session and waits for that.
func (c *camera) Stop() {
	c.cancel()
	<-c.done
}

// run watches the session and makes a new one when it is lost, for ever.
func (c *camera) run() {
	defer close(c.done)
	defer c.m.src.Contain("a camera")
	defer func() {
		if c.client != nil {
			c.client.Close()
		}
	}()
	log := c.log()
	lost := false
	for {
		if c.client != nil {
			if lost {
				log.Info("RTSP session is back")
				c.tell("rtsp-reconnected")
			}
			err := c.watch()
			c.client.Close()
			c.client = nil
			if c.ctx.Err() != nil {
				return
			}
			log.Warn("RTSP session lost", "error", c.censored(err))
			c.tell("rtsp-disconnected")
			lost = true
		}
		if err := c.connect(); err != nil {
			log.Info("no RTSP session", "error", c.censored(err))
			select {
			case <-c.ctx.Done():
				return
			case <-time.After(c.patience()):
			}
		}
	}
}

// patience is how long to wait for media, and before trying again.
func (c *camera) patience() time.Duration { return max(c.set.reconnect, time.Second) }

// watch returns when the session has ended, or brings nothing.
func (c *camera) watch() error {
	ended := make(chan error, 1)
	client := c.client
	go func() {
		err := errPanic
		defer func() { ended <- err }()
		defer c.m.src.Contain("an RTSP session")
		err = client.Wait()
	}()
	const looks = 4 // in vain, and not the time that has passed: it may have been a pause of ours
	silent := 0
	silence := time.NewTicker(c.patience() / looks)
	defer silence.Stop()
	var alive <-chan time.Time
	if d := c.set.sessionTimeout; d > 0 {
		t := time.NewTicker(d)
		defer t.Stop()
		alive = t.C
	}
	for {
		select {
		case <-c.ctx.Done():
			client.Close()
			return <-ended
		case err := <-ended:
			return err
		case <-alive:
			if _, err := client.Options(c.url); err != nil {
				client.Close()
				<-ended
				return err
			}
		case <-silence.C:
			if silent++; c.heard.Swap(false) {
				silent = 0
			}
			if silent >= looks {
				client.Close()
				<-ended
				return errSilence
			}
		}
	}
}

// tell tells the event handlers and, if they want, the viewers.
func (c *camera) tell(event string) {
	m, p := c.m, c.m.plugin
	p.notify(p.nobody(), event, m.id)
	if !c.set.notify {
		return
	}
	data := object(func(w *json.Writer) {
		w.Str("event", event)
		p.ids.Write(w, "id", m.id)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for v := range m.viewers {
		v.host.Push("", data, nil)
	}
}

// connect makes a session.
func (c *camera) connect() error {
	u, err := base.ParseURL(c.set.url)
	if err != nil {
		return errBadURL // err has the URL in it
	}
	if c.set.user != "" && c.set.password != "" {
		u.User = url.UserPassword(c.set.user, c.set.password)
	}
	kinds := c.kinds()
	var text atomic.Pointer[string] // what the server says of its streams
	client := &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host,
		ReadTimeout: c.set.timeout, WriteTimeout: c.set.timeout,
		AnyPortEnable: true, UserAgent: "bifrons",
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: c.set.connectTimeout}
			return d.DialContext(ctx, network, address)
		},
		OnResponse: func(res *base.Response) {
			defer c.m.src.Contain("a description of a camera")
			if isDescription(res) {
				own := string(res.Body)
				text.Store(&own)
				res.Body = []byte(libraryText(own, readCamera(own, kinds...)...))
			}
		},
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
	}
	if err := client.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(c.ctx, func() {
		defer c.m.src.Contain("an RTSP session")
		client.Close()
	})
	defer stop()
	if err := c.play(client, u, &text); err != nil {
		client.Close()
		return err
	}
	c.client, c.url = client, u
	return nil
}

// kinds are the kinds of the streams that the mountpoint is to have, by their places.
func (c *camera) kinds() []sdp.Kind {
	list := make([]sdp.Kind, len(c.m.streams))
	for i := range list {
		list[i] = c.m.streams[i].kind // never changes
	}
	return list
}

// play asks for the streams that the mountpoint is to have, video first. One that the
// server has not, or refuses, is left out if there is another.
func (c *camera) play(client *gortsplib.Client, u *base.URL, text *atomic.Pointer[string]) error {
	desc, res, err := client.Describe(u)
	if err != nil && c.set.quirk && res != nil && res.StatusCode == base.StatusNotFound {
		desc, _, err = client.Describe(&base.URL{User: u.User, Path: u.Path, RawQuery: u.RawQuery})
	}
	var found []cameraStream
	if t := text.Load(); t != nil {
		found = readCamera(*t, c.kinds()...)
		if len(found) == 0 {
			return errNoStreams
		}
	}
	if err != nil {
		return err
	}
	if desc.BaseURL.Host == "" {
		desc.BaseURL = u
	}
	list := slices.Clone(c.m.streams) // only we change them
	playing, failure := false, errNoStreams
	for i := len(list) - 1; i >= 0; i-- {
		n := slices.IndexFunc(found, func(f cameraStream) bool { return f.kind == list[i].kind })
		if n < 0 || n >= len(desc.Medias) {
			c.log().Warn("the RTSP server has no stream that can be played", "mid", list[i].mid)
			continue
		}
		medi := desc.Medias[n] // those that libraryText told of
		err := c.setup(client, desc.BaseURL, medi)
		if status := (liberrors.ErrClientBadStatusCode{}); err == errBadControl || errors.As(err, &status) {
			c.log().Warn("the RTSP server refuses a stream", "mid", list[i].mid, "error", c.censored(err))
			failure = err
			continue
		}
		if err != nil {
			return err
		}
		playing = true
		list[i].take(&found[n])
		client.OnPacketRTP(medi, medi.Formats[0], func(pkt *rtp.Packet) { c.take(i, pkt) })
	}
	if !playing {
		return failure
	}
	separate(list)
	c.m.plugin.mu.Lock()
	c.m.streams = list
	streams := c.m.engineStreams()
	c.m.plugin.mu.Unlock()
	c.m.src.SetStreams(streams)
	c.m.src.Restart()
	c.heard.Store(true)
	_, err = client.Play(nil)
	return err
}

// setup sets up one stream, by UDP with ports of the configured range if the
// server does not insist on TCP.
func (c *camera) setup(client *gortsplib.Client, u *base.URL, medi *description.Media) error {
	if full, err := medi.URL(u); err != nil || full == nil {
		return errBadControl
	}
	g := &c.m.plugin.general
	pairs := (int(g.portMax)-int(g.portMin)+1)/2 - 1
	const attempts = 20
	for i := range attempts {
		port := 0
		if pairs > 0 && i < attempts-1 {
			port = int(g.portMin) + 2*rand.IntN(pairs)
		}
		rtcp := port + min(port, 1)
		_, err := client.Setup(u, medi, port, rtcp)
		var taken *net.OpError
		if err == nil || !errors.As(err, &taken) || taken.Op != "listen" {
			return err
		}
	}
	return errNoPorts
}

func (c *camera) take(i int, pkt *rtp.Packet) {
	defer c.m.src.Contain("a packet of a camera")
	b, err := pkt.Marshal()
	if err != nil {
		return
	}
	c.heard.Store(true)
	c.m.src.Write(i, 0, b)
}
