// Package rtsp keeps connected to RTSP servers (RFC 2326), such as cameras.
package rtsp

import (
	"context"
	"errors"
	"log/slog"
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
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"bifrons/api/plugin/streaming/format"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Settings say which server is asked, and how patiently.
type Settings struct {
	URL            string
	User, Password string
	Quirk          bool          // ask for the path only where the URL is not found
	Reconnect      time.Duration // of silence, and before trying again
	SessionTimeout time.Duration // 0 = the server's
	Timeout        time.Duration // of a request
	ConnectTimeout time.Duration
}

// Config sets up a Camera.
type Config struct {
	Settings
	Kinds            []sdp.Kind // of the wanted streams
	PortMin, PortMax uint16     // for media by UDP
	Source           Source
	Handler          Handler
	Log              *slog.Logger
}

// Source is where packets go to; see sfu.Source.
type Source interface {
	// Write takes a packet of a track: the wanted streams by their places.
	Write(track, encoding int, packet []byte)
	// Report takes the times of a sender report: a timestamp at an NTP time.
	Report(track int, r sfu.SenderReport)
	// Contain is deferred by all goroutines, for their panics.
	Contain(what string)
}

// Handler hears of the connection. It is called by one goroutine at a time.
type Handler interface {
	// Found gets the streams of the server before packets come: by the places of the
	// wanted streams, nil where there is none.
	Found(streams []*format.Format)
	// Lost reports that the session has ended by itself, Back that there is one again.
	Lost()
	Back()
}

// Camera keeps connected to a server: one session after the other.
type Camera struct {
	Config
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	client *gortsplib.Client // of the run goroutine, once it runs
	url    *base.URL
	heard  atomic.Bool // a packet came since somebody looked
}

// Open connects to the server, if that is a condition, and goes on doing so until Close,
// or until ctx ends. The text of the error is for clients.
func Open(ctx context.Context, cfg Config, connected bool) (*Camera, error) {
	c := &Camera{Config: cfg, done: make(chan struct{})}
	if u, err := base.ParseURL(c.URL); err == nil { // the server only: cameras have passwords in the path as well
		c.Log = c.Log.With("server", u.Scheme+"://"+u.Host)
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	if connected {
		if err := c.connect(); err != nil {
			c.cancel()
			c.Log.Warn("no RTSP session", "error", c.censored(err))
			return nil, told(err)
		}
	}
	go c.run()
	return c, nil
}

// Close ends the session and waits for that.
func (c *Camera) Close() {
	c.cancel()
	<-c.done
}

// run watches the session and makes a new one when it is lost, for ever.
func (c *Camera) run() {
	defer close(c.done)
	defer c.Source.Contain("a camera")
	defer func() {
		if c.client != nil {
			c.client.Close()
		}
	}()
	lost := false
	for {
		if c.client != nil {
			if lost {
				c.Log.Info("RTSP session is back")
				c.Handler.Back()
			}
			err := c.watch()
			c.client.Close()
			c.client = nil
			if c.ctx.Err() != nil {
				return
			}
			c.Log.Warn("RTSP session lost", "error", c.censored(err))
			c.Handler.Lost()
			lost = true
		}
		if err := c.connect(); err != nil {
			c.Log.Info("no RTSP session", "error", c.censored(err))
			select {
			case <-c.ctx.Done():
				return
			case <-time.After(c.patience()):
			}
		}
	}
}

// patience is how long to wait for media, and before trying again.
func (c *Camera) patience() time.Duration { return max(c.Reconnect, time.Second) }

// watch returns when the session has ended, or brings nothing.
func (c *Camera) watch() error {
	ended := make(chan error, 1)
	client := c.client
	go func() {
		err := errPanic
		defer func() { ended <- err }()
		defer c.Source.Contain("an RTSP session")
		err = client.Wait()
	}()
	over := func(err error) error {
		client.Close()
		<-ended
		return err
	}
	const looks = 4 // in vain, and not the time that has passed: it may have been a pause of ours
	silent := 0
	silence := time.NewTicker(c.patience() / looks)
	defer silence.Stop()
	var alive <-chan time.Time
	if d := c.SessionTimeout; d > 0 {
		t := time.NewTicker(d)
		defer t.Stop()
		alive = t.C
	}
	for {
		select {
		case <-c.ctx.Done():
			return over(c.ctx.Err())
		case err := <-ended:
			return err
		case <-alive:
			if _, err := client.Options(c.url); err != nil {
				return over(err)
			}
		case <-silence.C:
			if silent++; c.heard.Swap(false) {
				silent = 0
			}
			if silent >= looks {
				return over(errSilence)
			}
		}
	}
}

// connect makes a session.
func (c *Camera) connect() error {
	u, err := base.ParseURL(c.URL)
	if err != nil {
		return errBadURL // err has the URL in it
	}
	if c.User != "" && c.Password != "" {
		u.User = url.UserPassword(c.User, c.Password)
	}
	var found atomic.Pointer[[]cameraStream] // the server's streams
	client := &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host,
		ReadTimeout: c.Timeout, WriteTimeout: c.Timeout,
		AnyPortEnable: true, UserAgent: "bifrons",
		DialContext: (&net.Dialer{Timeout: c.ConnectTimeout}).DialContext,
		OnResponse: func(res *base.Response) {
			defer c.Source.Contain("a description of a camera")
			if isDescription(res) {
				text := string(res.Body)
				list := readCamera(text, c.Kinds...)
				found.Store(&list)
				res.Body = []byte(libraryText(text, list...))
			}
		},
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
	}
	if err := client.Start(); err != nil {
		return err
	}
	defer func() {
		if c.client != client {
			client.Close()
		}
	}()
	stop := context.AfterFunc(c.ctx, func() {
		defer c.Source.Contain("an RTSP session")
		client.Close()
	})
	defer stop()
	if err := c.play(client, u, &found); err != nil {
		return err
	}
	c.client, c.url = client, u
	return nil
}

// play asks for the wanted streams, video first. One that the server has not, or
// refuses, is left out if there is another.
func (c *Camera) play(client *gortsplib.Client, u *base.URL, said *atomic.Pointer[[]cameraStream]) error {
	desc, res, err := client.Describe(u)
	if err != nil && c.Quirk && res != nil && res.StatusCode == base.StatusNotFound {
		desc, _, err = client.Describe(&base.URL{User: u.User, Path: u.Path, RawQuery: u.RawQuery})
	}
	var found []cameraStream
	if list := said.Load(); list != nil {
		found = *list
	}
	switch {
	case said.Load() != nil && len(found) == 0:
		return errNoStreams
	case err != nil:
		return err
	}
	if desc.BaseURL.Host == "" {
		desc.BaseURL = u
	}
	streams := make([]*format.Format, len(c.Kinds))
	playing, failure := false, errNoStreams
	for i := len(streams) - 1; i >= 0; i-- {
		kind := c.Kinds[i]
		n := slices.IndexFunc(found, func(f cameraStream) bool { return f.kind == kind })
		if n < 0 || n >= len(desc.Medias) {
			c.Log.Warn("the RTSP server has no stream that can be played", "kind", kind)
			continue
		}
		medi := desc.Medias[n] // the media of libraryText
		err := c.setup(client, desc.BaseURL, medi)
		if status := (liberrors.ErrClientBadStatusCode{}); err == errBadControl || errors.As(err, &status) {
			c.Log.Warn("the RTSP server refuses a stream", "kind", kind, "error", c.censored(err))
			failure = err
			continue
		}
		if err != nil {
			return err
		}
		playing = true
		streams[i] = &found[n].format
		client.OnPacketRTP(medi, medi.Formats[0], func(pkt *rtp.Packet) { c.take(i, pkt) })
		client.OnPacketRTCP(medi, func(pkt rtcp.Packet) { c.report(i, pkt) })
	}
	if !playing {
		return failure
	}
	c.Handler.Found(streams)
	c.heard.Store(true)
	_, err = client.Play(nil)
	return err
}

// setup sets up one stream, by UDP with ports of the configured range if the
// server does not insist on TCP.
func (c *Camera) setup(client *gortsplib.Client, u *base.URL, medi *description.Media) error {
	if full, err := medi.URL(u); err != nil || full == nil {
		return errBadControl
	}
	pairs := (int(c.PortMax)-int(c.PortMin)+1)/2 - 1
	const attempts = 20
	for i := range attempts {
		port := 0
		if pairs > 0 && i < attempts-1 {
			port = int(c.PortMin) + 2*rand.IntN(pairs)
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

func (c *Camera) take(i int, pkt *rtp.Packet) {
	defer c.Source.Contain("a packet of a camera")
	b, err := pkt.Marshal()
	if err != nil {
		return
	}
	c.heard.Store(true)
	c.Source.Write(i, 0, b)
}

func (c *Camera) report(i int, pkt rtcp.Packet) {
	defer c.Source.Contain("a report of a camera")
	if r, ok := pkt.(*rtcp.SenderReport); ok {
		c.Source.Report(i, sfu.SenderReport{SSRC: r.SSRC, NTP: r.NTPTime, Timestamp: r.RTPTime})
	}
}
